"""Graph degree linkage as an estimator: agglomerative clustering on a directed graph of nearest neighbours.

Zhang, Wang, Zhao and Tang, ECCV 2012 (https://arxiv.org/abs/1208.5092), with the affinity and the local term of Yang,
Parikh and Batra, CVPR 2016 (https://arxiv.org/abs/1604.03628).
"""

import logging
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator, ClusterMixin
from torch import Tensor

from objdisc.clustering.affinity import knn_graph, nearest_chains
from objdisc.clustering.inputs import InputError, check_clusters, checked_points
from objdisc.clustering.linkage import ClusterGraph, cluster_links
from objdisc.clustering.mutual_information import walk_information
from objdisc.clustering.neighbors import nearest
from objdisc.errors import UsageError

log = logging.getLogger(__name__)

_MANY = 20
"""With more initial clusters than this times K, a cluster without any link is an outlier."""


class GraphDegreeLinkage(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Cluster points by merging along their nearest-neighbour links, as a scikit-learn estimator.

    Starts from the clusters of nearest neighbours (``affinity.nearest_chains``), or from single points if there are
    fewer of those than K.

    Args:
        n_clusters: K, the clusters to find.
        n_neighbors: K_s, the links that leave each point; with fewer other points, all are linked.
        scale: a, the reach of links in units of the mean squared distance of neighbours.
        affinity: What ``fit`` takes: features for ``knn``, the sparse weights of links for ``precomputed``.
        local_neighbors: K_c of JULE's local term; 1 leaves it out, as Zhang et al. do.
        local_weight: Weight of that term.

    Attributes:
        labels_: ``(n,)`` int64 cluster of each point, in [0, K).
        n_features_in_: D, or n for weights of links.
    """

    labels_: NDArray[np.int64]
    n_features_in_: int

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_neighbors: int = 20,
        scale: float = 1.0,
        affinity: Literal["knn", "precomputed"] = "knn",
        local_neighbors: int = 1,
        local_weight: float = 1.0,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.scale = scale
        self.affinity = affinity
        self.local_neighbors = local_neighbors
        self.local_weight = local_weight

    def fit(self, X: Any, y: object = None) -> Self:
        """Cluster points.

        Args:
            X: ``(n, D)`` features, an array or a tensor; or ``(n, n)`` sparse non-negative weights, row i holding the
                links that leave i.
            y: Ignored; scikit-learn's conventions ask for it.

        Raises:
            InputError: There are fewer points than clusters, or values are not finite.
            UsageError: Precomputed links leave more than K unconnected parts.
        """
        points, graph = self._links(X)
        labels = start_clusters(graph, self.n_clusters)
        self.labels_ = merge_clusters(
            graph, labels, self.n_clusters, points, self.local_neighbors, self.local_weight, strays=_MANY
        )
        return self

    def _links(self, X: Any) -> tuple[Tensor | None, csr_array]:
        if self.affinity == "precomputed":
            graph = _checked_graph(X)
            check_clusters(self.n_clusters, graph.shape[0])
            self.n_features_in_ = graph.shape[1]
            return None, graph
        points = checked_points(self, X, reset=True)
        check_clusters(self.n_clusters, len(points))
        alone = len(points) == 1
        return points, csr_array((1, 1)) if alone else knn_graph(points, self.n_neighbors, self.scale).affinity

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = tags.input_tags.sparse = self.affinity == "precomputed"
        return tags


def start_clusters(graph: csr_array, num_clusters: int) -> NDArray[np.int64]:
    """Return the clusters of nearest neighbours, ``(n,)``, or single points if there are fewer of those than K."""
    labels = nearest_chains(graph)
    return labels if labels.max() + 1 >= num_clusters else np.arange(graph.shape[0])


def merge_clusters(
    graph: csr_array,
    labels: NDArray[np.int64],
    num_clusters: int,
    points: Tensor | None = None,
    local_neighbors: int = 1,
    local_weight: float = 1.0,
    strays: int | None = None,
    suspect: float = 0.0,
) -> NDArray[np.int64]:
    """Merge clusters until the wanted number is left.

    Args:
        graph: ``(n, n)`` weights of links.
        labels: ``(n,)`` clusters to start from, in [0, c), none empty.
        num_clusters: The wanted number, at most c.
        points: ``(n, D)`` features, by whose means clusters without links are merged.
        local_neighbors: K_c of ``ClusterGraph``.
        local_weight: Weight of the local term.
        strays: With more than this times ``num_clusters`` clusters to start from, a cluster without links first joins
            the one with the nearest mean: otherwise a few outliers would remain as clusters while real clusters merge.
            The published program does so at 20; None never does.
        suspect: Share of the mean cluster size, n / ``num_clusters``, below which a final cluster is suspected to be
            outliers as well: a few points with negligible links would otherwise cost a real cluster. Its initial
            clusters join the nearest means, and merging starts over, until no cluster is that small. The partition is
            returned in which the cluster of a point tells most about where a random walk from it ends
            (``walk_information``). 0 suspects none.

    Returns:
        ``(n,)`` int64 in [0, num_clusters).

    Raises:
        UsageError: Without ``points``, links leave more clusters than are wanted.
    """
    count = int(labels.max()) + 1
    if points is not None and strays is not None and count > strays * num_clusters:
        links = cluster_links(graph, labels, count)
        alone = np.asarray(links.sum(axis=0) + links.sum(axis=1)).ravel() == 0
        labels = _join_by_means(points, labels, np.flatnonzero(alone), num_clusters)
    partitions = [_merged(graph, labels, num_clusters, points, local_neighbors, local_weight)]
    while points is not None:
        merged = partitions[-1]
        odd = np.bincount(merged)[merged] < suspect * len(merged) / num_clusters
        joined = _join_by_means(points, labels, np.unique(labels[odd]), num_clusters)
        if joined.max() == labels.max():
            break
        labels = joined
        partitions.append(_merged(graph, labels, num_clusters, points, local_neighbors, local_weight))
    if len(partitions) == 1:  # walks of many clusters take much memory
        return partitions[0]
    return max(partitions, key=lambda partition: walk_information(graph, partition))


def _merged(
    graph: csr_array,
    labels: NDArray[np.int64],
    num_clusters: int,
    points: Tensor | None,
    local_neighbors: int,
    local_weight: float,
) -> NDArray[np.int64]:
    """Merge along links, and by means when no link is left."""
    merging = ClusterGraph(graph, labels, local_neighbors, local_weight)
    merging.merge(num_clusters)
    labels = merging.labels()
    while (left := int(labels.max()) + 1) > num_clusters:
        if points is None:
            raise UsageError(
                f"no link is left to merge {left} clusters into {num_clusters}; "
                "give more neighbours, or ask for more clusters"
            )
        log.warning("no links between %d clusters: merging them by their means into %d", left, num_clusters)
        labels = _join_by_means(points, labels, np.arange(left), num_clusters)
    return labels


def _join_by_means(
    points: Tensor, labels: NDArray[np.int64], clusters: NDArray[np.int64], at_least: int
) -> NDArray[np.int64]:
    """Join some clusters with those of the nearest mean, the nearest pair first, while enough clusters are left."""
    count = int(labels.max()) + 1
    if count < 2 or not len(clusters):
        return labels
    of = torch.from_numpy(labels).to(points.device)
    sums = points.new_zeros(count, points.shape[1]).index_add_(0, of, points)
    means = sums / torch.bincount(of, minlength=count)[:, None]
    found, squared = nearest(means[torch.from_numpy(clusters).to(points.device)], means, 2, "euclidean")
    # of identical means another one may come first
    other = torch.where(found[:, 0].cpu() == torch.from_numpy(clusters), found[:, 1].cpu(), found[:, 0].cpu()).numpy()
    parent = np.arange(count)
    left = count
    for place in squared[:, 1].cpu().argsort(stable=True).tolist():
        if left <= at_least:
            break
        one, two = _root(parent, int(clusters[place])), _root(parent, int(other[place]))
        if one != two:
            parent[one] = two
            left -= 1
    joins = csr_array((np.ones(count), (np.arange(count), parent)), shape=(count, count))
    joined: NDArray[np.int64] = connected_components(joins, directed=False)[1].astype(np.int64)
    return joined[labels]


def _root(parent: NDArray[np.int64], cluster: int) -> int:
    while parent[cluster] != cluster:
        cluster = int(parent[cluster])
    return cluster


def _checked_graph(affinity: Any) -> csr_array:
    if not issparse(affinity) or affinity.shape[0] != affinity.shape[1]:
        raise InputError("a precomputed affinity is a square sparse matrix, as scipy.sparse makes them")
    graph = csr_array(affinity, dtype=np.float64)
    if not np.isfinite(graph.data).all() or (graph.data < 0).any():
        raise InputError("a precomputed affinity holds finite weights of at least 0")
    graph.eliminate_zeros()
    return graph
