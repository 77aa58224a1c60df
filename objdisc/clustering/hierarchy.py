"""Ward's clusters at several levels of one tree."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.cluster.hierarchy import ward
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor


@torch.no_grad()
def ward_cuts(points: Tensor, numbers: Sequence[int]) -> list[Tensor]:
    """Cluster points by Ward's method, and cut the tree at several numbers of clusters.

    Args:
        points: ``(n, D)`` floating, n >= 1, on any device; the tree is built on the CPU.
        numbers: Clusters at each cut, 1 to n.

    Returns:
        For each of ``numbers`` the clusters ``(n,)`` int64 of the points, in [0, number), on their device.
    """
    count = len(points)
    merged = ward(points.double().cpu().numpy())[:, :2].astype(np.int64) if count > 1 else np.empty((0, 2), np.int64)
    cuts = []
    for number in numbers:
        # node n + i of the tree is what merge i joins; the last number - 1 merges are left out
        children = merged[: count - number]
        parents = np.repeat(np.arange(count, count + len(children)), 2)
        links = coo_array((np.ones(parents.size), (children.ravel(), parents)), (2 * count, 2 * count))
        nodes = connected_components(links, directed=False)[1]
        cuts.append(torch.from_numpy(np.unique(nodes[:count], return_inverse=True)[1]).to(points.device))
    return cuts
