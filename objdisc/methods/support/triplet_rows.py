"""The rows of an epoch of JULE: anchors, each with an image of its cluster and images of the nearest clusters."""

import numpy as np
from numpy.typing import NDArray


def lay_out_triplets(
    clusters: NDArray[np.int64], neighbors: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Arrange blocks of an anchor, a positive, and one negative from each neighbouring cluster, one after the other.

    Anchors are drawn without replacement from the rows that are not alone in their cluster; there are as many blocks as
    fit into an ordinary epoch. A block leaves out missing rows: the positive if every cluster is a single row, and the
    negative of a missing neighbour.

    Args:
        clusters: ``(N,)`` cluster of each row, -1 for background.
        neighbors: ``(c, k)`` nearest clusters of each cluster, -1 for none.
        generator: Source of all draws.

    Returns:
        ``(n,)`` int64 foreground rows.
    """
    rows = np.flatnonzero(clusters >= 0)
    order = rows[np.argsort(clusters[rows], kind="stable")]
    sizes = np.bincount(clusters[rows], minlength=len(neighbors))
    starts = np.cumsum(sizes) - sizes
    within = np.arange(len(order)) - starts[clusters[order]]  # place of each row in its cluster
    places = np.flatnonzero(sizes[clusters[order]] > 1)
    places = generator.permutation(places if len(places) else np.arange(len(order)))
    places = places[: max(len(rows) // (2 + neighbors.shape[1]), 1)]
    own = clusters[order[places]]
    others = np.maximum(sizes[own] - 1, 1)
    # 1 to size - 1 places further on: any of the cluster but the anchor itself
    further = 1 + (generator.random(len(places)) * others).astype(np.int64)
    positives = order[starts[own] + (within[places] + further) % sizes[own]]
    around = neighbors[own]  # (a, k)
    drawn = (generator.random(around.shape) * sizes[around]).astype(np.int64)
    negatives = np.where(around >= 0, order[np.minimum(starts[around] + drawn, len(order) - 1)], -1)
    positives = np.where(sizes[own] > 1, positives, -1)
    blocks = np.concatenate([order[places, None], positives[:, None], negatives], axis=1).ravel()
    laid_out: NDArray[np.int64] = blocks[blocks >= 0].astype(np.int64)
    return laid_out
