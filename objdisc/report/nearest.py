"""Distances between the clusters of a run."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.clustering.neighbors import nearest


@dataclass(frozen=True, slots=True)
class Nearest:
    """A cluster's nearest neighbour; distances are Euclidean, in the embedding's units.

    Attributes:
        cluster: The nearest other cluster.
        distance: Distance between the two centroids (means of the patches' embeddings).
        spread: Root mean square distance of the cluster's own patches from its centroid: a neighbour nearer than this
            is hardly a separate cluster.
    """

    cluster: int
    distance: float
    spread: float


def nearest_clusters(
    features: NDArray[np.float32], clusters: NDArray[np.int64], num_clusters: int
) -> list[Nearest | None]:
    """Find each cluster's nearest other cluster.

    Args:
        features: ``(N, D)`` embeddings.
        clusters: ``(N,)`` cluster of each row; negative for rows that do not count.
        num_clusters: K.

    Returns:
        One entry a cluster; None for an empty cluster, and if there is no other.
    """
    counts = np.bincount(clusters[clusters >= 0], minlength=num_clusters)
    centroids = np.zeros((num_clusters, features.shape[1]))
    spreads = np.zeros(num_clusters)
    order = np.argsort(clusters, kind="stable")
    starts = np.searchsorted(clusters[order], np.arange(num_clusters + 1))
    for cluster in np.flatnonzero(counts):
        own = features[order[starts[cluster] : starts[cluster + 1]]].astype(np.float64)
        centroids[cluster] = own.mean(axis=0)
        spreads[cluster] = np.sqrt(((own - centroids[cluster]) ** 2).sum(axis=1).mean())
    found: list[Nearest | None] = [None] * num_clusters
    known = np.flatnonzero((counts > 0) & np.isfinite(centroids).all(axis=1))
    if len(known) > 1:
        points = torch.from_numpy(centroids[known])
        others, squared = nearest(points, points, 1, "euclidean", exclude_self=True)
        for cluster, other, distance in zip(known, known[others[:, 0]], squared[:, 0].sqrt().tolist(), strict=True):
            found[cluster] = Nearest(int(other), distance, float(spreads[cluster]))
    return found
