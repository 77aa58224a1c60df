"""SCAN: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels", ECCV 2020 (arXiv 2005.12320)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_TINY = torch.finfo(torch.float32).tiny


class ScanTerms(NamedTuple):
    """What the SCAN loss consists of, each of the shape that the heads have (a scalar, or ``(S,)``).

    Attributes:
        loss: ``consistency - entropy_weight * entropy``.
        consistency: Mean of -log of the dot product of a sample's and its neighbour's probabilities, in nats, >= 0.
        entropy: Of the mean probabilities, in nats, 0 to log K.
    """

    loss: Tensor
    consistency: Tensor
    entropy: Tensor


def scan_loss(anchors: Tensor, neighbors: Tensor, entropy_weight: float = 5.0) -> ScanTerms:
    """Equation 2: neighbours should fall into one cluster with confidence, and all clusters be filled.

    Args:
        anchors: ``(..., B, K)`` probabilities, any leading dimensions such as heads; computed in float32.
        neighbors: The same of one neighbour of each sample.
        entropy_weight: Lambda: how strongly clusters of equal size are asked for.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        first, second = anchors.float(), neighbors.float()
        alike = (first * second).sum(dim=-1)
        consistency = -alike.clamp_min(_TINY).log().mean(dim=-1)
        entropy = marginal_entropy(first)
    return ScanTerms(consistency - entropy_weight * entropy, consistency, entropy)


def marginal_entropy(probabilities: Tensor) -> Tensor:
    """Entropy in nats of the mean over samples of ``(..., B, K)`` probabilities."""
    mean = probabilities.float().mean(dim=-2)
    return -(mean * mean.clamp_min(_TINY).log()).sum(dim=-1)


def self_label_loss(confident: Tensor, learning: Tensor, threshold: float | Tensor = 0.99) -> tuple[Tensor, Tensor]:
    """Section 2.3: cross-entropy with the classes of the samples that a network is sure of.

    Classes weigh n / count among the n confident samples of the batch, those without one 1, so that large clusters do
    not take over. The mean is weighted too, as in PyTorch.

    Args:
        confident: ``(B, K)`` probabilities of plain views; no gradient flows into them.
        learning: ``(B, K)`` probabilities of strongly augmented views of the same samples.
        threshold: Least probability that counts as confident; a sample needs more than it. One, or ``(K,)``, one for
            each cluster.

    Returns:
        The loss, 0 without a confident sample, and ``(B,)`` bool, who was confident.
    """
    with torch.autocast(learning.device.type, enabled=False):
        surest, targets = confident.detach().float().max(dim=1)
        sure = surest > (threshold[targets] if isinstance(threshold, Tensor) else threshold)
        logs = learning.float().clamp_min(_TINY).log()
        if not bool(sure.any()):
            return logs.sum() * 0, sure
        counts = torch.bincount(targets[sure], minlength=confident.shape[1])
        weights = torch.where(counts > 0, counts.sum() / counts.clamp_min(1), 1.0).to(logs.dtype)
        return F.nll_loss(logs[sure], targets[sure], weights), sure


def curriculum_thresholds(confident: Tensor, threshold: float) -> Tensor:
    """FlexMatch: clusters that are seldom sure are believed with less (Zhang et al., NeurIPS 2021, arXiv 2110.08263).

    Its convex mapping, without its warm-up, and counted on all samples at once. With one threshold for all, a cluster
    that is never sure teaches nothing, and those that are take its samples.

    Args:
        confident: ``(N, K)`` probabilities of plain views of all samples.
        threshold: tau, for the cluster that most samples are sure of.

    Returns:
        ``(K,)`` tau b / (2 - b), where b is how many samples are surer than tau of a cluster, relative to the cluster
        that most are sure of; tau for all where nobody is sure.
    """
    surest, targets = confident.float().max(dim=1)
    counts = torch.bincount(targets[surest > threshold], minlength=confident.shape[1]).float()
    share = counts / counts.max() if bool(counts.any()) else torch.ones_like(counts)
    return threshold * share / (2 - share)
