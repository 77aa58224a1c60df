"""Graph degree linkage against scikit-learn's Ward on the same graph of nearest neighbours: time, and peak memory."""

import resource
import sys
import time

import torch
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.affinity import knn_graph
from objdisc.clustering.agglomerative import merge_clusters, start_clusters
from objdisc.commands.benchmark.building import in_fresh_process

POINTS = 70_000  # as many as MNIST has images
CLUSTERS = 10

_DIMENSIONS = 160  # of JULE's features
_CURVED = 8  # dimensions that a cluster is spread over
_NEIGHBORS = 20


def agglomerative() -> dict[str, float]:
    """Cluster generated points by both, one after the other, in a fresh process; times are CPU times.

    Returns:
        Seconds of the graph, of graph degree linkage on it, and of Ward on it; the ratio of graph degree linkage to
            Ward; and the peak memory of a process that only generates points, links and merges.
    """
    graph, linkage, ward, peak = in_fresh_process(_measure, POINTS)
    return {
        "agglomerative_points": float(POINTS),
        "agglomerative_graph_seconds": graph,
        "agglomerative_seconds": linkage,
        "agglomerative_ward_seconds": ward,
        "agglomerative_to_ward": linkage / ward,
        "agglomerative_peak_mebibytes": peak,
    }


def generated_points(count: int) -> Tensor:
    """Draw points ``(count, 160)`` of unit length around ten curved sheets."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(count) % CLUSTERS
    sheets = torch.randn(CLUSTERS, 2 * _CURVED, _DIMENSIONS, generator=generator)
    centers = 4 * torch.randn(CLUSTERS, _DIMENSIONS, generator=generator)
    where = torch.randn(count, _CURVED, generator=generator)
    curved = torch.cat([where, where.square()], dim=1)
    points = centers[kinds] + torch.randn(count, _DIMENSIONS, generator=generator) * 0.3
    for kind in range(CLUSTERS):
        points[kinds == kind] += curved[kinds == kind] @ sheets[kind]
    return F.normalize(points, dim=1)


def _measure(count: int) -> list[float]:
    points = generated_points(count)
    started = time.process_time()
    graph = knn_graph(points, _NEIGHBORS).affinity
    linked = time.process_time()
    merge_clusters(graph, start_clusters(graph, CLUSTERS), CLUSTERS, points)
    merged = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    ward = AgglomerativeClustering(CLUSTERS, connectivity=graph, linkage="ward")
    started_ward = time.process_time()
    ward.fit(points.numpy())
    return [linked - started, merged - linked, time.process_time() - started_ward, peak]
