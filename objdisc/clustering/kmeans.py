"""k-means on the device: k-means++ seeding and Lloyd's iterations, in chunks so that memory does not grow."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.inputs import InputError, RandomState, check_clusters, checked_points, like, seed_of
from objdisc.clustering.neighbors import Distance, distances_to_centroids, nearest_centroid


class KMeans(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Lloyd's algorithm from k-means++ starts, as a scikit-learn estimator on the device of the points.

    It is ``kmeans`` with the conventions of an estimator: a tensor is clustered on its device, an array on the CPU.

    Args:
        n_clusters: K, the clusters to find.
        n_init: Number of starts; the one with the lowest inertia wins.
        max_iter: Most iterations of each start; it stops when no assignment changes.
        distance: How points are compared with centres: see ``Distance``. With ``cosine``, points are brought to unit
            length first, and centres have unit length.
        random_state: Seed of all draws, or a numpy generator that draws it.

    Attributes:
        cluster_centers_: ``(K, D)`` float32 centres, a tensor on the device of X if X is a tensor, otherwise an array.
        labels_: ``(n,)`` int64 cluster of each point, in [0, K).
        inertia_: Sum of the squared distances of all points to their centres; for ``cosine``, the sum of 2 - 2 cos.
        n_features_in_: D.
    """

    cluster_centers_: Tensor | NDArray[np.float32]
    labels_: NDArray[np.int64]
    inertia_: float
    n_features_in_: int

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_init: int = 10,
        max_iter: int = 100,
        distance: Distance = "differences",
        random_state: RandomState = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.distance = distance
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Cluster points.

        Args:
            X: ``(n, D)`` points, a tensor or an array; they are compared in float32.
            y: Ignored; scikit-learn's conventions ask for it.

        Raises:
            InputError: There are fewer points than clusters, values are not finite, or no start is asked for.
        """
        points = self._points(X, reset=True)
        check_clusters(self.n_clusters, len(points))
        if self.n_init < 1:
            raise InputError(f"n_init={self.n_init} is not a number of starts: give at least 1")
        centers, assignments = kmeans(
            points,
            self.n_clusters,
            seed=seed_of(self.random_state),
            restarts=self.n_init,
            iterations=self.max_iter,
            distance=self.distance,
        )
        self.cluster_centers_ = like(X, centers)
        self.labels_ = assignments.cpu().numpy()
        self.inertia_ = float(nearest_centroid(points, centers, self.distance)[1].double().sum())
        return self

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the cluster ``(n,)`` int64 of the nearest centre of each point ``(n, D)``.

        Raises:
            InputError: D differs from ``fit``, or values are not finite.
        """
        check_is_fitted(self)
        points = self._points(X)
        centers = torch.as_tensor(self.cluster_centers_, device=points.device)
        labels: NDArray[np.int64] = nearest_centroid(points, centers, self.distance)[0].cpu().numpy()
        return labels

    def _points(self, X: Any, *, reset: bool = False) -> Tensor:
        points = checked_points(self, X, reset=reset)
        return F.normalize(points, dim=1) if self.distance == "cosine" else points


def kmeans_plus_plus(
    points: Tensor, num_clusters: int, generator: torch.Generator, distance: Distance = "differences"
) -> Tensor:
    """Draw seeds in proportion to their squared distance from earlier ones (Arthur and Vassilvitskii 2007).

    Args:
        points: ``(N, D)`` float32, N >= num_clusters.
        num_clusters: K.
        generator: A generator on the CPU, so that every device draws the same seeds.
        distance: How points are compared.

    Returns:
        ``(K, D)`` float32, rows of ``points``.
    """
    first = int(torch.randint(len(points), (1,), generator=generator))
    seeds = points[first][None]
    _, distances = nearest_centroid(points, seeds, distance)
    for _ in range(1, num_clusters):
        weights = distances.double().cpu().clamp_min(0)
        # every point may coincide with a seed already: then any point is as good as another
        weights = weights if float(weights.sum()) > 0 else torch.ones_like(weights)
        threshold = float(torch.rand((), generator=generator, dtype=torch.float64)) * float(weights.sum())
        row = min(int(torch.searchsorted(weights.cumsum(0), threshold)), len(points) - 1)
        seeds = torch.cat([seeds, points[row][None]])
        distances = torch.minimum(distances, nearest_centroid(points, points[row][None], distance)[1])
    return seeds


def kmeans(
    points: Tensor,
    num_clusters: int,
    *,
    seed: int = 0,
    restarts: int = 10,
    iterations: int = 100,
    distance: Distance = "differences",
) -> tuple[Tensor, Tensor]:
    """Run Lloyd's algorithm from several k-means++ starts; the lowest inertia wins.

    Args:
        points: ``(N, D)`` float32, N >= num_clusters.
        num_clusters: K.
        seed: Seed of all draws.
        restarts: Number of starts.
        iterations: Upper bound for each start; stops when no assignment changes.
        distance: How points are compared with centroids; with ``cosine``, centroids have unit length.

    Returns:
        ``(K, D)`` float32 centroids and ``(N,)`` int64 assignments.
    """
    generator = torch.Generator().manual_seed(seed)
    best: tuple[float, Tensor, Tensor] | None = None
    for _ in range(restarts):
        centroids = kmeans_plus_plus(points, num_clusters, generator, distance)
        assignments, distances = nearest_centroid(points, centroids, distance)
        for _ in range(iterations):
            centroids = centroids_of(points, assignments, centroids)
            if distance == "cosine":
                centroids = F.normalize(centroids, dim=1)
            previous = assignments
            assignments, distances = nearest_centroid(points, centroids, distance)
            if torch.equal(previous, assignments):
                break
        inertia = float(distances.double().sum())
        if best is None or inertia < best[0]:
            best = (inertia, centroids, assignments)
    assert best is not None  # restarts >= 1
    return best[1], best[2]


def centroids_of(points: Tensor, assignments: Tensor, previous: Tensor) -> Tensor:
    """Return the mean of each cluster; a cluster without points keeps its previous centroid.

    Args:
        points: ``(N, D)`` float32.
        assignments: ``(N,)`` int64 in ``[0, K)``.
        previous: ``(K, D)`` float32.

    Returns:
        ``(K, D)`` float32.
    """
    sums = torch.zeros_like(previous).index_add_(0, assignments, points)
    counts = torch.bincount(assignments, minlength=len(previous)).to(points.dtype)[:, None]
    return torch.where(counts > 0, sums / counts.clamp_min(1), previous)


def soft_assignments(points: Tensor, centroids: Tensor, sharpness: float = 10.0) -> Tensor:
    """Return the softmax over negative squared distances, relative to their mean over the clusters.

    Args:
        points: ``(N, D)`` float32.
        centroids: ``(K, D)`` float32.
        sharpness: How strongly nearer centroids are preferred; larger values give more confident assignments.

    Returns:
        ``(N, K)`` float32; the most probable cluster is the nearest.
    """
    squared = distances_to_centroids(points, centroids, "products")  # a network that ends with this has an ONNX form
    scale = (squared.mean(dim=1, keepdim=True) / sharpness).clamp_min(1e-8)
    return torch.softmax(-squared / scale, dim=1)


@torch.no_grad()
def split_largest(
    points: Tensor, centroids: Tensor, assignments: Tensor, *, distance: Distance = "differences", seed: int = 0
) -> tuple[Tensor, Tensor, int]:
    """Give each empty cluster in turn half of the largest one, cut by k-means.

    Clusters whose points coincide cannot be cut; if no other is left, clusters stay empty.

    Args:
        points: ``(N, D)`` float32.
        centroids: ``(K, D)`` float32.
        assignments: ``(N,)`` int64 in [0, K).
        distance: How points are compared with centroids.
        seed: Seed of the cuts.

    Returns:
        Centroids and assignments, changed where clusters were filled, and the number of filled clusters.
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
