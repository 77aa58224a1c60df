"""Weighted triplets of joint unsupervised learning: Yang, Parikh and Batra, CVPR 2016 (https://arxiv.org/abs/1604.03628)."""

from typing import NamedTuple

import torch
from torch import Tensor

from objdisc.losses.base import Loss, at_least_zero, positive


class TripletTerms(NamedTuple):
    """A loss over the triplets of a batch.

    Attributes:
        loss: The scalar to minimise; 0, with a gradient of 0, where the batch has no triplet.
        triplets: The number of triplets, a float32 scalar.
        active: The share of the triplets that have a gradient, a float32 scalar in [0, 1].
    """

    loss: Tensor
    triplets: Tensor
    active: Tensor


class HingeTripletLoss(Loss):
    """The module form of ``hinge_triplets``: the loss of the published program.

    It returns what the function returns: ``TripletTerms``, whose ``loss`` is the value to minimise.

    Args:
        margin: How much farther away a negative should be than the positive, in squared distances, at least 0.
        gamma: Weight of the positive's distance, above 0.
    """

    def __init__(self, margin: float = 0.2, gamma: float = 1.0) -> None:
        super().__init__()
        self.margin = at_least_zero("margin", margin)
        self.gamma = positive("gamma", gamma)

    def forward(self, features: Tensor, clusters: Tensor) -> TripletTerms:
        """Return the loss of features ``(B, D)`` in clusters ``(B,)``, as ``hinge_triplets`` says."""
        return hinge_triplets(features, clusters, self.margin, self.gamma)


class AffinityTripletLoss(Loss):
    """The module form of ``affinity_triplets``: the loss of the paper, equation 16.

    It returns what the function returns: ``TripletTerms``, whose ``loss`` is the value to minimise.

    Args:
        gamma: Weight of the positive's affinity, above 0.
        local_weight: w, lambda in the paper, above 0.
    """

    def __init__(self, gamma: float = 2.0, local_weight: float = 1.0) -> None:
        super().__init__()
        self.gamma = positive("gamma", gamma)
        self.local_weight = positive("local_weight", local_weight)

    def forward(self, features: Tensor, clusters: Tensor, neighbors: Tensor, bandwidth: Tensor) -> TripletTerms:
        """Return the loss of features ``(B, D)`` in clusters ``(B,)``, as ``affinity_triplets`` says."""
        return affinity_triplets(features, clusters, neighbors, bandwidth, self.gamma, self.local_weight)


def hinge_triplets(features: Tensor, clusters: Tensor, margin: float = 0.2, gamma: float = 1.0) -> TripletTerms:
    """Compute the mean of max(0, gamma |a - p|^2 - |a - n|^2 + margin): the form of the published program.

    Anchor a and positive p are any two samples of one cluster, in both orders, and the negative n is any sample of
    another one: the program draws 20 negatives at random for each pair, which estimates the same mean.

    Args:
        features: ``(B, D)`` embeddings of unit length.
        clusters: ``(B,)`` int64 cluster of each sample; below 0 for samples that are in no triplet.
        margin: How much farther away a negative should be than the positive, in squared distances.
        gamma: Weight of the positive's distance.

    Returns:
        The loss, at least 0, with the number of triplets and the share that is active.
    """
    squared = _squared_distances(features)
    pairs, negative = _pairs(clusters), _apart(clusters)
    anchors, positives = pairs.nonzero(as_tuple=True)
    terms = gamma * squared[anchors, positives][:, None] - squared[anchors] + margin  # (P, B)
    wanted = negative[anchors]
    count = wanted.sum().float()
    hinged = terms.clamp_min(0) * wanted
    active = ((terms > 0) & wanted).sum() / count.clamp_min(1)
    return TripletTerms(hinged.sum() / count.clamp_min(1) + features.sum() * 0, count, active)


def affinity_triplets(
    features: Tensor,
    clusters: Tensor,
    neighbors: Tensor,
    bandwidth: Tensor,
    gamma: float = 2.0,
    local_weight: float = 1.0,
) -> TripletTerms:
    """Compute the mean of -w (gamma A(a, p) - A(a, n)): the form of the paper, equation 16.

    The affinity of two samples is that of two clusters with one sample each, A(i, j) = 2 W(i, j) W(j, i) = 2 exp(-2 |i
    - j|^2 / sigma^2). Every pair is taken as linked: a missing link would have the weight 0, and nothing could be
    learned from it.

    Args:
        features: ``(B, D)`` embeddings of unit length.
        clusters: ``(B,)`` int64 cluster of each sample; below 0 for samples that are in no triplet.
        neighbors: ``(B, k)`` int64 clusters whose samples are negatives of each anchor, -1 for none.
        bandwidth: Scalar sigma^2 of the graph that the clusters were found in.
        gamma: Weight of the positive's affinity.
        local_weight: w; lambda in the paper. The paper's division by K_c - 1 is the mean over negatives here.

    Returns:
        The loss, in ``[-2 w gamma, 2 w]``, with the number of triplets and the share that is active.
    """
    affinity = 2 * torch.exp(-2 * _squared_distances(features) / bandwidth.clamp_min(1e-12))
    pairs = _pairs(clusters)
    negative = (neighbors[:, :, None] == clusters).any(dim=1) & _apart(clusters)  # (B, B)
    anchors, positives = pairs.nonzero(as_tuple=True)
    wanted = negative[anchors]
    terms = gamma * affinity[anchors, positives][:, None] - affinity[anchors]  # (P, B)
    count = wanted.sum().float()
    loss = -local_weight * (terms * wanted).sum() / count.clamp_min(1)
    return TripletTerms(loss + features.sum() * 0, count, (count > 0).float())


def _squared_distances(features: Tensor) -> Tensor:
    """Return squared distances ``(B, B)`` in float32, whose gradient is finite everywhere."""
    features = features.float()
    lengths = features.square().sum(dim=1)
    return (lengths[:, None] + lengths - 2 * features @ features.T).clamp_min(0)


def _pairs(clusters: Tensor) -> Tensor:
    """Return which pairs ``(B, B)`` are in one cluster; no sample is paired with itself."""
    same = (clusters[:, None] == clusters) & (clusters >= 0)[:, None]
    return same.fill_diagonal_(False)


def _apart(clusters: Tensor) -> Tensor:
    """Return which pairs ``(B, B)`` are in different clusters."""
    taking_part = clusters >= 0
    return (clusters[:, None] != clusters) & taking_part[:, None] & taking_part
