"""k-means on the device: k-means++ seeding and Lloyd's iterations, chunked so that memory stays flat."""

import torch
from torch import Tensor

_CHUNK = 65536


def nearest(points: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest centroid of every point.

    Args:
        points: ``(N, D)`` float32.
        centroids: ``(K, D)`` float32 on the same device.

    Returns:
        ``(N,)`` int64 assignments and ``(N,)`` float32 squared distances.
    """
    assignments, distances = [], []
    for chunk in torch.split(points, _CHUNK):
        squared = torch.cdist(chunk, centroids, compute_mode="donot_use_mm_for_euclid_dist").square()
        best = squared.min(dim=1)
        assignments.append(best.indices)
        distances.append(best.values)
    return torch.cat(assignments), torch.cat(distances)


def kmeans_plus_plus(points: Tensor, num_clusters: int, generator: torch.Generator) -> Tensor:
    """Seeds spread by squared distance (Arthur and Vassilvitskii 2007).

    Args:
        points: ``(N, D)`` float32, N >= num_clusters.
        num_clusters: K.
        generator: On the CPU, so that every device draws the same seeds.

    Returns:
        ``(K, D)`` float32, rows of ``points``.
    """
    first = int(torch.randint(len(points), (1,), generator=generator))
    seeds = points[first][None]
    _, distances = nearest(points, seeds)
    for _ in range(1, num_clusters):
        weights = distances.double().cpu()
        # every point may coincide with a seed already: then any point is as good as another
        weights = weights if float(weights.sum()) > 0 else torch.ones_like(weights)
        threshold = float(torch.rand((), generator=generator, dtype=torch.float64)) * float(weights.sum())
        row = min(int(torch.searchsorted(weights.cumsum(0), threshold)), len(points) - 1)
        seeds = torch.cat([seeds, points[row][None]])
        distances = torch.minimum(distances, nearest(points, points[row][None])[1])
    return seeds


def kmeans(
    points: Tensor, num_clusters: int, *, seed: int = 0, restarts: int = 10, iterations: int = 100
) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from several k-means++ starts; the lowest inertia wins.

    Args:
        points: ``(N, D)`` float32, N >= num_clusters.
        num_clusters: K.
        seed: Of all draws.
        restarts: Number of starts.
        iterations: Upper bound for each start; stops when no assignment changes.

    Returns:
        ``(K, D)`` float32 centroids and ``(N,)`` int64 assignments.
    """
    generator = torch.Generator().manual_seed(seed)
    best: tuple[float, Tensor, Tensor] | None = None
    for _ in range(restarts):
        centroids = kmeans_plus_plus(points, num_clusters, generator)
        assignments, distances = nearest(points, centroids)
        for _ in range(iterations):
            centroids = centroids_of(points, assignments, centroids)
            previous = assignments
            assignments, distances = nearest(points, centroids)
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
