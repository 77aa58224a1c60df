"""How often patches keep their cluster when they are cropped, flipped, and changed in colour and light."""

import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.inference.predict import Predictor
from objdisc.methods.base import Method
from objdisc.patches.memory import Patches
from objdisc.training.loader import PatchViews, make_loader
from objdisc.training.options import TrainerOptions

_EACH = 64  # patches of a cluster: the share is then known to 0.06 (standard error)
_FEWEST = 8  # below, a share says nothing
_MOST = 6000  # patches in all, but for the fewest of each of very many clusters
_BATCH = 128
_EPOCH = 2**31 - 1  # views of no epoch of the training


def kept_clusters(
    method: Method, store: Patches, options: TrainerOptions, clusters: NDArray[np.int64]
) -> dict[int, float]:
    """Augment some patches of each cluster as in training, and measure how many stay in it.

    No labels are needed: if patches leave their cluster easily, its borders mean little.

    Args:
        method: The trained method.
        store: N patches.
        options: Options of the training: its augmentation, seed, device, precision and backgrounds.
        clusters: ``(N,)`` cluster of each patch without augmentation, -1 for patches that do not count.

    Returns:
        Cluster to the share of patches that stay, in [0, 1], for clusters of at least 8 patches.
    """
    rows = _drawn(clusters, options.seed)
    if not len(rows):
        return {}
    predictor = Predictor(method, options)
    views = PatchViews(store, options.augmentation, 1, options.seed)
    batches = [[(_EPOCH, int(row)) for row in chunk] for chunk in torch.split(torch.from_numpy(rows), _BATCH)]
    loader = make_loader(views, batches, options.workers, torch.Generator())
    seen = np.concatenate(
        [predictor(patches[0], context=False).probabilities.argmax(axis=1) for patches, _, _ in loader]
    )
    stays, own = seen == clusters[rows], clusters[rows]
    return {int(cluster): float(stays[own == cluster].mean()) for cluster in np.unique(own)}


def _drawn(clusters: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Draw the same number of rows from each cluster that has enough of them."""
    members = [np.flatnonzero(clusters == cluster) for cluster in np.unique(clusters[clusters >= 0])]
    enough = [rows for rows in members if len(rows) >= _FEWEST]
    each = min(_EACH, max(_FEWEST, _MOST // max(len(enough), 1)))
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(rows)[:each] for rows in enough]
    return np.sort(np.concatenate(drawn)) if drawn else np.zeros(0, np.int64)
