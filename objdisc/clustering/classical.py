"""Classical clustering by name, a thin layer over scikit-learn: the baselines that every deep method should beat."""

import logging
import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering, KMeans, SpectralClustering

from objdisc.clustering.agglomerative import GraphDegreeLinkage
from objdisc.errors import UsageError

log = logging.getLogger(__name__)

Algorithm = Literal["kmeans", "spectral", "ward", "gdl"]

Points = NDArray[np.float32]
Labels = NDArray[np.int64]

_STARTS = 10


def cluster_points(
    points: Points, num_clusters: int, algorithm: Algorithm, *, neighbors: int = 20, seed: int = 0
) -> Labels:
    """Cluster points.

    ``kmeans``: Lloyd's algorithm, the best of ten k-means++ starts. ``spectral``: normalised cuts of the graph of
    nearest neighbours (Shi and Malik 2000), with k-means on the eigenvectors. ``ward``: agglomeration by least growth
    of variance (Ward 1963). ``gdl``: agglomeration by this package's graph degree linkage (Zhang et al. 2012).

    Args:
        points: ``(n, D)`` float32.
        num_clusters: K, at least 2.
        algorithm: Which.
        neighbors: Links of a point in the graph of ``spectral`` and ``gdl``; with fewer other points, all are linked.
        seed: Seed of ``kmeans`` and ``spectral``; the other two are deterministic.

    Returns:
        ``(n,)`` int64 in [0, K).

    Raises:
        UsageError: As ``check_points``.
    """
    check_points(points, num_clusters)
    if len(points) == num_clusters:  # all differ; eigen-solvers want more samples than eigenvectors
        return np.arange(num_clusters)
    links = min(neighbors, len(points) - 1)
    algorithms: dict[Algorithm, Callable[[], NDArray[np.integer]]] = {
        "kmeans": lambda: KMeans(num_clusters, n_init=_STARTS, random_state=seed).fit_predict(points),
        "spectral": lambda: _spectral(points, num_clusters, links, seed),
        "ward": lambda: AgglomerativeClustering(num_clusters, linkage="ward").fit_predict(points),
        "gdl": lambda: GraphDegreeLinkage(num_clusters, n_neighbors=links).fit_predict(points),
    }
    return algorithms[algorithm]().astype(np.int64)


def check_points(points: Points, num_clusters: int) -> None:
    """Refuse points that cannot form K clusters.

    Raises:
        UsageError: A value is not finite, or fewer than K points differ from each other.
    """
    broken = int((~np.isfinite(points)).any(axis=1).sum())
    if broken:
        raise UsageError(
            f"{broken} of {len(points)} samples have features that are not finite; check --weights, or take another "
            "--encoder"
        )
    different: set[bytes] = set()
    for point in points + 0.0:  # no negative zero, which has other bytes
        different.add(point.tobytes())
        if len(different) >= num_clusters:
            return
    raise UsageError(
        f"--num-clusters {num_clusters}: only {len(different)} of {len(points)} samples differ in their features; "
        "lower it, check that the images differ, or take another --encoder"
    )


def _spectral(points: Points, num_clusters: int, links: int, seed: int) -> NDArray[np.integer]:
    estimator = SpectralClustering(
        num_clusters, affinity="nearest_neighbors", n_neighbors=links, assign_labels="kmeans", random_state=seed
    )
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        labels: NDArray[np.integer] = estimator.fit_predict(points)
    for message in sorted({str(warning.message).partition("\n")[0] for warning in raised}):
        log.warning("spectral clustering: %s", message)
    return labels
