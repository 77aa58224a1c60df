"""How much two clusterings of the same samples say about each other."""

import torch
from torch import Tensor


@torch.no_grad()
def normalized_mutual_information(one: Tensor, other: Tensor) -> float:
    """Mutual information over the arithmetic mean of the entropies.

    Memory grows with the samples, not with the product of the numbers of clusters.

    Args:
        one: ``(N,)`` int64 ids >= 0, N >= 1.
        other: ``(N,)`` int64 ids >= 0 on the same device.

    Returns:
        From 0, independent, to 1, the same but for the names; 1 where both hold a single cluster.
    """
    pairs = one * (int(other.max()) + 1) + other
    entropies = [_entropy(ids) for ids in (one, other, pairs)]
    mean = (entropies[0] + entropies[1]) / 2
    return min(max((entropies[0] + entropies[1] - entropies[2]) / mean, 0.0), 1.0) if mean > 0 else 1.0


def _entropy(ids: Tensor) -> float:
    shares = torch.unique(ids, return_counts=True)[1].double() / len(ids)
    return float(-torch.special.xlogy(shares, shares).sum())
