"""The directed graph of nearest neighbours that graph degree linkage works on, and the clusters it starts from."""

import logging
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from objdisc.clustering.neighbors import nearest
from objdisc.errors import UsageError

log = logging.getLogger(__name__)


class NeighborGraph(NamedTuple):
    """Links of points to their nearest neighbours.

    Attributes:
        affinity: ``(n, n)`` float64 weights in [0, 1], row i holding the links that leave i.
        bandwidth: sigma^2, the squared distance at which a weight falls to 1/e, or its mean for a self-tuned graph; 0
            if all neighbours coincide.
    """

    affinity: csr_array
    bandwidth: float


def knn_graph(
    points: Tensor, num_neighbors: int = 20, scale: float = 1.0, *, self_tuning: bool = False
) -> NeighborGraph:
    """Link every point to its nearest neighbours, with weights that fall with the distance.

    Zhang, Wang, Zhao and Tang 2012 (https://arxiv.org/abs/1208.5092), equation 1, with the squared bandwidth of Yang,
    Parikh and Batra 2016 (https://arxiv.org/abs/1604.03628), section 3.2: W(i, j) = exp(-d(i, j)^2 / sigma^2) for the
    K_s nearest j of i, and sigma^2 = ``scale`` times the mean of these d^2.

    Args:
        points: ``(n, D)``, n >= 2, floating, on any device.
        num_neighbors: K_s; with more than n - 1, all other points are linked.
        scale: a, above 0.
        self_tuning: Whether links reach farther where points lie farther apart: sigma^2 is then sigma_i sigma_j, where
            sigma_i^2 is a times the mean of d^2 from i to its own neighbours (Zelnik-Manor and Perona, NIPS 2004, who
            take the seventh).

    Returns:
        The links. If all neighbours coincide, all weights are 1.

    Raises:
        UsageError: There are fewer than two points, or a value is not finite.
    """
    count = len(points)
    if count < 2:
        raise UsageError(f"{count} points: at least 2 are needed to link anything")
    finite = torch.isfinite(points).all(dim=1)
    if not bool(finite.all()):
        broken = int((~finite).nonzero()[0])
        raise UsageError(f"point {broken} of {count} holds values that are not finite; remove it, or train again")
    neighbors = min(num_neighbors, count - 1)
    if neighbors < num_neighbors:
        log.warning("%d neighbours of %d points: linking all of them", num_neighbors, count)
    rows, squared = nearest(points, points, neighbors, "euclidean", exclude_self=True)
    distances = squared.double().cpu().numpy()
    bandwidth = scale * float(distances.mean())
    columns = rows.cpu().numpy()
    reach = np.full_like(distances, bandwidth)
    if self_tuning:
        own = np.sqrt(scale * distances.mean(axis=1))
        reach = own[:, None] * own[columns]
    # where nothing reaches, only what coincides is linked
    relative = np.divide(distances, reach, out=np.where(distances > 0, np.inf, 0.0), where=reach > 0)
    starts = np.arange(0, count * neighbors + 1, neighbors)
    affinity = csr_array((np.exp(-relative).ravel(), columns.ravel(), starts), shape=(count, count))
    return NeighborGraph(affinity, bandwidth)


def nearest_chains(affinity: csr_array) -> NDArray[np.int64]:
    """Join every point with the target of its strongest link, which gives many small clusters to start from.

    Args:
        affinity: ``(n, n)`` weights; a row without links is a cluster of its own.

    Returns:
        ``(n,)`` int64 cluster of each point, in [0, number of clusters).
    """
    graph = csr_array(affinity)
    linked = np.flatnonzero(np.diff(graph.indptr))
    # a row's first link is not always its strongest: sort by row, then by falling weight
    row_of = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    order = np.lexsort((graph.indices, -graph.data, row_of))
    strongest = graph.indices[order[graph.indptr[linked]]]
    chain = csr_array((np.ones(len(linked)), (linked, strongest)), shape=graph.shape)
    labels: NDArray[np.int64] = connected_components(chain, directed=True, connection="weak")[1].astype(np.int64)
    return labels
