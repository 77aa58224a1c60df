"""Mutual information between two clusterings of the same samples, or between the ends of random walks."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import xlogy
from torch import Tensor


@torch.no_grad()
def normalized_mutual_information(one: Tensor, other: Tensor) -> float:
    """Return the mutual information divided by the arithmetic mean of the entropies.

    Memory grows with the samples, not with the product of the numbers of clusters.

    Args:
        one: ``(N,)`` int64 ids >= 0, N >= 1.
        other: ``(N,)`` int64 ids >= 0 on the same device.

    Returns:
        From 0 (independent) to 1 (the same up to the names); 1 if both hold a single cluster.
    """
    pairs = one * (int(other.max()) + 1) + other
    entropies = [_entropy(ids) for ids in (one, other, pairs)]
    mean = (entropies[0] + entropies[1]) / 2
    return min(max((entropies[0] + entropies[1] - entropies[2]) / mean, 0.0), 1.0) if mean > 0 else 1.0


def walk_information(graph: csr_array, labels: NDArray[np.int64], steps: int = 16) -> float:
    """Return the mutual information between the clusters in which a random walk along links starts and ends.

    It is high if walks stay within clusters and clusters are of equal size, so it tells without labels which of several
    clusterings follows the gaps. Walks cross a cut through a dense part within a few steps, so that such a cut tells
    less the longer the walk; they do not cross a gap (Tishby and Slonim, NIPS 2000, "Data clustering by Markovian
    relaxation and the information bottleneck method"). Memory holds about n K numbers.

    Args:
        graph: ``(n, n)`` non-negative weights of links, which a walk takes both ways.
        labels: ``(n,)`` clusters in [0, K).
        steps: Steps of the walk, at least 1; few enough that it does not cross real gaps.

    Returns:
        Nats, from 0 to log K; 0 if there are no links.
    """
    both = csr_array(graph + graph.T)
    visits = np.asarray(both.sum(axis=1)).ravel()
    moves = both.multiply(1 / np.where(visits > 0, visits, 1)[:, None]).tocsr()
    starts = np.eye(int(labels.max()) + 1)[labels]
    ends = starts
    for _ in range(steps):
        ends = moves @ ends
    joint = starts.T @ (visits[:, None] * ends)
    joint = joint / (float(joint.sum()) or 1.0)
    return float(xlogy(joint, joint).sum() - sum(xlogy(joint.sum(axis), joint.sum(axis)).sum() for axis in (0, 1)))


def _entropy(ids: Tensor) -> float:
    shares = torch.unique(ids, return_counts=True)[1].double() / len(ids)
    return float(-torch.special.xlogy(shares, shares).sum())
