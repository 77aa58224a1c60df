"""Consensus clustering: samples that most of several clusterings keep together are put into one cluster."""

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.hierarchy import ward_cuts


@torch.no_grad()
def consensus(partitions: Tensor, num_clusters: int) -> Tensor:
    """Cluster samples by their clusters in several partitions, as in evidence accumulation.

    Each partition gives a sample an indicator vector of its cluster, in which a cluster of m samples counts 1 /
    sqrt(m). Two samples then differ by the chi-squared distance of multiple correspondence analysis, in which small
    clusters weigh as much as large ones, and Ward's method clusters them (Fred and Jain, "Combining multiple
    clusterings using evidence accumulation", 2005, take the mean of indicator products, and other linkages).

    Args:
        partitions: ``(p, n)`` int64 clusters in [0, m) of n samples in each of p partitions; m may differ.
        num_clusters: K, 1 to n.

    Returns:
        Clusters ``(n,)`` int64 in [0, K).
    """
    indicators = []
    for labels in partitions:
        members = F.one_hot(labels).float()  # (n, m)
        indicators.append(members / members.sum(0).clamp_min(1).sqrt())
    (found,) = ward_cuts(torch.cat(indicators, 1), [num_clusters])
    return found
