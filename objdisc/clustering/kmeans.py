"""k-means on the device: k-means++ seeding and Lloyd's iterations, chunked so that memory stays flat."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Distance = Literal["differences", "products", "cosine"]
"""How points are compared with centroids: squared distances by differences, exact for any points; the same by one
matrix product, many times faster and as good where points have about unit length; or ``cosine``, by a matrix product
too, of points of unit length with centroids of unit length (spherical k-means, Dhillon and Modha 2001)."""

_CHUNK = 65536
_DISTANCES_AT_ONCE = 2**26
"""In memory at a time: 256 MB of float32."""


def nearest(points: Tensor, centroids: Tensor, distance: Distance = "differences") -> tuple[Tensor, Tensor]:
    """Nearest centroid of every point.

    Args:
        points: ``(N, D)`` float32.
        centroids: ``(K, D)`` float32 on the same device.
        distance: How they are compared.

    Returns:
        ``(N,)`` int64 assignments and ``(N,)`` float32 squared distances, of ``cosine`` 2 - 2 cos.
    """
    assignments, distances = [], []
    for chunk in torch.split(points, max(min(_CHUNK, _DISTANCES_AT_ONCE // len(centroids)), 1)):
        squared = _squared(chunk, centroids, distance)
        best = squared.min(dim=1)
        assignments.append(best.indices)
        distances.append(best.values)
    return torch.cat(assignments), torch.cat(distances)


def _squared(points: Tensor, centroids: Tensor, distance: Distance) -> Tensor:
    """Squared distances ``(n, K)``."""
    if distance == "differences":
        return torch.cdist(points, centroids, compute_mode="donot_use_mm_for_euclid_dist").square()
    with torch.autocast(points.device.type, enabled=False):
        if distance == "cosine":
            return 2 - 2 * points @ centroids.T
        lengths = points.square().sum(dim=1, keepdim=True) + centroids.square().sum(dim=1)
        return torch.addmm(lengths, points, centroids.T, alpha=-2).clamp_min_(0)


def kmeans_plus_plus(
    points: Tensor, num_clusters: int, generator: torch.Generator, distance: Distance = "differences"
) -> Tensor:
    """Seeds spread by squared distance (Arthur and Vassilvitskii 2007).

    Args:
        points: ``(N, D)`` float32, N >= num_clusters.
        num_clusters: K.
        generator: On the CPU, so that every device draws the same seeds.
        distance: How points are compared.

    Returns:
        ``(K, D)`` float32, rows of ``points``.
    """
    first = int(torch.randint(len(points), (1,), generator=generator))
    seeds = points[first][None]
    _, distances = nearest(points, seeds, distance)
    for _ in range(1, num_clusters):
        weights = distances.double().cpu().clamp_min(0)
        # every point may coincide with a seed already: then any point is as good as another
        weights = weights if float(weights.sum()) > 0 else torch.ones_like(weights)
        threshold = float(torch.rand((), generator=generator, dtype=torch.float64)) * float(weights.sum())
        row = min(int(torch.searchsorted(weights.cumsum(0), threshold)), len(points) - 1)
        seeds = torch.cat([seeds, points[row][None]])
        distances = torch.minimum(distances, nearest(points, points[row][None], distance)[1])
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
    """Lloyd's algorithm from several k-means++ starts; the lowest inertia wins.

    Args:
        points: ``(N, D)`` float32, N >= num_clusters.
        num_clusters: K.
        seed: Of all draws.
        restarts: Number of starts.
        iterations: Upper bound for each start; stops when no assignment changes.
        distance: How points are compared with centroids; of ``cosine``, centroids have unit length.

    Returns:
        ``(K, D)`` float32 centroids and ``(N,)`` int64 assignments.
    """
    generator = torch.Generator().manual_seed(seed)
    best: tuple[float, Tensor, Tensor] | None = None
    for _ in range(restarts):
        centroids = kmeans_plus_plus(points, num_clusters, generator, distance)
        assignments, distances = nearest(points, centroids, distance)
        for _ in range(iterations):
            centroids = centroids_of(points, assignments, centroids)
            if distance == "cosine":
                centroids = F.normalize(centroids, dim=1)
            previous = assignments
            assignments, distances = nearest(points, centroids, distance)
            if torch.equal(previous, assignments):
                break
        inertia = float(distances.double().sum())
        if best is None or inertia < best[0]:
            best = (inertia, centroids, assignments)
    assert best is not None  # restarts >= 1
    return best[1], best[2]


def centroids_of(points: Tensor, assignments: Tensor, previous: Tensor) -> Tensor:
    """Mean of each cluster; a cluster without points keeps its previous centroid.

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
    """Softmax over negative squared distances relative to their mean over the clusters.

    Args:
        points: ``(N, D)`` float32.
        centroids: ``(K, D)`` float32.
        sharpness: How much nearer than the mean a centroid must be to be nearly certain; larger is surer.

    Returns:
        ``(N, K)`` float32; the most probable cluster is the nearest.
    """
    squared = _squared(points, centroids, "products")  # a network that ends with this has an ONNX form
    scale = (squared.mean(dim=1, keepdim=True) / sharpness).clamp_min(1e-8)
    return torch.softmax(-squared / scale, dim=1)


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
