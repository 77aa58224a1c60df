"""One clustering out of many: samples belong together that most of the clusterings keep together."""

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.hierarchy import ward_cuts


@torch.no_grad()
def consensus(partitions: Tensor, num_clusters: int) -> Tensor:
    """Cluster samples by the clusters that they were given before, in the manner of evidence accumulation.

    Each partition says of a sample in which of its clusters it lies: an indicator vector, in which a cluster of m
    samples counts 1 / sqrt(m). Two samples then differ by the chi-squared distance of multiple correspondence analysis,
    under which small clusters weigh as much as large ones, and Ward's method divides them (Fred and Jain, "Combining
    multiple clusterings using evidence accumulation", 2005, take the mean of indicator products, and other linkages).

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
