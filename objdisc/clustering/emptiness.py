"""Clusters that k-means left empty, filled by splitting the largest ones."""

import torch
from torch import Tensor

from objdisc.clustering.kmeans import Distance, kmeans


@torch.no_grad()
def split_largest(
    points: Tensor, centroids: Tensor, assignments: Tensor, *, distance: Distance = "differences", seed: int = 0
) -> tuple[Tensor, Tensor, int]:
    """Give each empty cluster half of the largest one, cut by k-means; one after the other.

    Clusters whose points coincide cannot be cut; where no other is left, clusters stay empty.

    Args:
        points: ``(N, D)`` float32.
        centroids: ``(K, D)`` float32.
        assignments: ``(N,)`` int64 in [0, K).
        distance: How points are compared with centroids.
        seed: Of the cuts.

    Returns:
        Centroids and assignments, changed where clusters were filled, and how many were.
    """
    centroids, assignments = centroids.clone(), assignments.clone()
    sizes = torch.bincount(assignments, minlength=len(centroids))
    empty = (sizes == 0).nonzero()[:, 0].tolist()
    candidates = sizes.clone()
    filled = 0
    while filled < len(empty) and int(candidates.max()) > 1:
        largest = int(candidates.argmax())
        members = (assignments == largest).nonzero()[:, 0]
        halves, side = kmeans(points[members], 2, seed=seed + filled, restarts=1, distance=distance)
        moved = int(side.sum())
        if not 0 < moved < len(members):
            candidates[largest] = 0
            continue
        target = empty[filled]
        centroids[largest], centroids[target] = halves[0], halves[1]
        assignments[members[side == 1]] = target
        candidates[largest], candidates[target] = len(members) - moved, moved
        filled += 1
    return centroids, assignments, filled
