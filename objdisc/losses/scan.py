"""SCAN: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels", ECCV 2020 (arXiv 2005.12320)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.base import Loss, at_least_zero

_TINY = torch.finfo(torch.float32).tiny


class ScanTerms(NamedTuple):
    """The SCAN loss and its terms, each with one value per head (a scalar, or ``(S,)``).

    Attributes:
        loss: ``consistency - entropy_weight * entropy``, the value to minimise.
        consistency: Mean of -log of the dot product of a sample's and its neighbour's probabilities, in nats, at
            least 0.
        entropy: Entropy of the mean probabilities, in nats, from 0 to log K.
    """

    loss: Tensor
    consistency: Tensor
    entropy: Tensor


class SCANLoss(Loss):
    """The module form of ``scan_loss`` (equation 2).

    It returns what the function returns: ``ScanTerms``, whose ``loss`` is the value to minimise.

    Args:
        entropy_weight: Lambda, at least 0: how strongly clusters of equal size are favoured.
    """

    def __init__(self, entropy_weight: float = 5.0) -> None:
        super().__init__()
        self.entropy_weight = at_least_zero("entropy_weight", entropy_weight)

    def forward(self, anchors: Tensor, neighbors: Tensor) -> ScanTerms:
        """Return the terms for the probabilities ``(..., B, K)`` of samples and neighbours, as ``scan_loss`` says."""
        return scan_loss(anchors, neighbors, self.entropy_weight)


class SelfLabelLoss(Loss):
    """The module form of ``self_label_loss`` (section 2.3).

    It returns what the function returns: the scalar loss, and ``(B,)`` bool, True for the confident samples.

    Args:
        threshold: Probability above which a sample is confident, in [0, 1]. A tensor ``(K,)`` holds one for each
            cluster, as ``curriculum_thresholds`` gives them; it moves with the module to its device, and is not saved
            with its state.
    """

    threshold: float | Tensor

    def __init__(self, threshold: float | Tensor = 0.99) -> None:
        super().__init__()
        levels = torch.as_tensor(threshold)
        if not bool(((levels >= 0) & (levels <= 1)).all()):
            raise ValueError(f"threshold is {threshold}; it must lie in [0, 1]")
        if isinstance(threshold, Tensor):
            self.register_buffer("threshold", threshold, persistent=False)
        else:
            self.threshold = threshold

    def forward(self, confident: Tensor, learning: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the confident samples, for probabilities ``(B, K)``, as ``self_label_loss`` says."""
        return self_label_loss(confident, learning, self.threshold)


def scan_loss(anchors: Tensor, neighbors: Tensor, entropy_weight: float = 5.0) -> ScanTerms:
    """Compute the loss that puts neighbours confidently into one cluster and keeps all clusters filled (equation 2).

    Args:
        anchors: ``(..., B, K)`` probabilities with any leading dimensions, such as heads. The loss is computed in
            float32.
        neighbors: ``(..., B, K)`` probabilities of one neighbour of each sample.
        entropy_weight: Lambda, at least 0: how strongly clusters of equal size are favoured.

    Returns:
        The loss and its two terms. The loss of one head lies in ``[-entropy_weight * log K, -log(tiny)]``, where tiny
        is the smallest float32 number.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        first, second = anchors.float(), neighbors.float()
        alike = (first * second).sum(dim=-1)
        consistency = -alike.clamp_min(_TINY).log().mean(dim=-1)
        entropy = marginal_entropy(first)
    return ScanTerms(consistency - entropy_weight * entropy, consistency, entropy)


def marginal_entropy(probabilities: Tensor) -> Tensor:
    """Compute the entropy in nats, 0 to log K, of the mean over samples of ``(..., B, K)`` probabilities."""
    mean = probabilities.float().mean(dim=-2)
    return -(mean * mean.clamp_min(_TINY).log()).sum(dim=-1)


def self_label_loss(confident: Tensor, learning: Tensor, threshold: float | Tensor = 0.99) -> tuple[Tensor, Tensor]:
    """Compute the cross-entropy with the pseudo-labels of the samples that a network is sure of (section 2.3).

    A cluster that holds count of the batch's n confident samples has the weight n / count, and 1 if it holds none, so
    that large clusters do not take over. The mean is weighted too, as in PyTorch.

    Args:
        confident: ``(B, K)`` probabilities of plain views; no gradient flows into them.
        learning: ``(B, K)`` probabilities of strongly augmented views of the same samples.
        threshold: Probability above which a sample is confident. A tensor ``(K,)`` holds one for each cluster.

    Returns:
        The scalar loss, at least 0, which is 0 without a confident sample; and ``(B,)`` bool, True for the confident
            samples.
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
    """Lower the threshold of seldom confident clusters: FlexMatch (Zhang et al., NeurIPS 2021, arXiv 2110.08263).

    This is its convex mapping without the warm-up, counted on all samples at once. With one threshold for all clusters,
    a cluster that is never confident teaches nothing, and the confident ones take its samples.

    Args:
        confident: ``(N, K)`` probabilities of plain views of all samples.
        threshold: Tau, which the cluster with the most confident samples keeps.

    Returns:
        Thresholds ``(K,)`` in [0, tau]: tau b / (2 - b), where b is the number of a cluster's samples above tau,
            relative to the cluster with the most. Without any such sample all thresholds are tau.
    """
    surest, targets = confident.float().max(dim=1)
    counts = torch.bincount(targets[surest > threshold], minlength=confident.shape[1]).float()
    share = counts / counts.max() if bool(counts.any()) else torch.ones_like(counts)
    return threshold * share / (2 - share)
