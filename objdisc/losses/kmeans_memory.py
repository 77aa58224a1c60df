"""The k-means memory objective: Hickson et al., "Object category learning and retrieval with weak supervision" (2018).

Cluster centres are weights of the network (memory units), learned together with the embedding. The equations
are the paper's; where its text is ambiguous, the docstring says how it is read.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.base import Loss, positive

Counts = Literal["soft", "ste", "hard"]

_SLACK = 1e-2
"""How far the sum of shares may differ from 1, by rounding in half precision."""


class KMeansLoss(Loss):
    """The module form of ``kmeans_loss`` (equation 1); it has no hyperparameter."""

    def forward(self, distances: Tensor) -> Tensor:
        """Return the scalar loss of squared distances ``(N, K)``, as ``kmeans_loss`` says."""
        return kmeans_loss(distances)


class BalanceLoss(Loss):
    """The module form of ``balance_loss`` (equation 3).

    Args:
        prior: ``(K,)`` expected share of each cluster, at least 0 with sum 1. None is the paper's uniform prior. A
            tensor moves with the module to its device, and is not saved with its state.
    """

    prior: Tensor | None

    def __init__(self, prior: Tensor | None = None) -> None:
        super().__init__()
        if prior is not None and (prior.ndim != 1 or bool((prior < 0).any()) or abs(float(prior.sum()) - 1) > _SLACK):
            raise ValueError(f"prior is {prior.tolist()}; it must hold K shares of at least 0 that sum to 1")
        self.register_buffer("prior", prior, persistent=False)

    def forward(self, counts: Tensor) -> Tensor:
        """Return the scalar loss of the samples per cluster ``(K,)``, as ``balance_loss`` says."""
        return balance_loss(counts, self.prior)


class AgreementLoss(Loss):
    """The module form of ``agreement_loss``: one view predicts the target that the other one gave.

    Args:
        temperature: Scores are divided by it before the softmax; it is above 0.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = positive("temperature", temperature)

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar loss of scores and targets ``(N, K)``, as ``agreement_loss`` says."""
        return agreement_loss(scores, targets, self.temperature)


def squared_distances(embeddings: Tensor, memories: Tensor) -> Tensor:
    """Compute the squared Euclidean distance of every embedding to every memory unit.

    Args:
        embeddings: ``(N, D)``, of any floating dtype. Distances are computed in float32, under autocast too.
        memories: ``(K, D)`` memory units.

    Returns:
        Distances ``(N, K)`` in float32, at least 0.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        x, w = embeddings.float(), memories.float()
        return (x.square().sum(1, keepdim=True) - 2 * x @ w.T + w.square().sum(1)).clamp_min(0)  # (N, K)


def kmeans_loss(distances: Tensor) -> Tensor:
    """Compute half the mean squared distance to the nearest memory unit: equation 1.

    Its gradient with respect to the memories is equation 2, with the assignment read as the nearest memory,
    ``s(x, w) = argmin_k ||x - w_k||^2``.

    Args:
        distances: ``(N, K)`` squared distances of the foreground samples; N may be 0.

    Returns:
        A scalar of at least 0. It is 0 for an empty batch.
    """
    if len(distances) == 0:
        return distances.sum()
    return 0.5 * distances.min(dim=1).values.mean()


def cluster_counts(distances: Tensor, counts: Counts, temperature: float = 0.1) -> Tensor:
    """Count the samples that each memory unit wins: equation 4 for any K.

    As printed, equation 4 fits K = 2 only and has no gradient. It is generalised to ``count_k = sum_n [s_n = k]``.

    Args:
        distances: ``(N, K)`` squared distances.
        counts: ``hard`` is the literal count (its gradient is zero), ``soft`` sums the softmax of the negative
            distances, ``ste`` gives the hard value forward and the soft gradient backward.
        temperature: Temperature of the softmax as a share of the mean squared distance; it is above 0.

    Returns:
        Counts ``(K,)`` in float32 that sum to N.
    """
    hard = F.one_hot(distances.argmin(dim=1), distances.shape[1]).to(distances.dtype).sum(0)
    if counts == "hard":
        return hard
    scale = temperature * distances.detach().mean().clamp_min(1e-8)
    soft = torch.softmax(-distances / scale, dim=1).sum(0)
    return soft if counts == "soft" else hard + soft - soft.detach()


def balance_loss(counts: Tensor, prior: Tensor | None = None) -> Tensor:
    """Compute the mean absolute difference between the counts of all pairs of clusters: equation 3.

    Args:
        counts: ``(K,)`` samples per cluster, as ``cluster_counts`` gives them.
        prior: ``(K,)`` expected share of each cluster, with sum 1. None is the paper's uniform prior. Counts are
            divided by ``K * prior``, so that the loss is 0 when the shares equal the prior.

    Returns:
        A scalar, which lies in ``[0, (K - 1) / K]`` for the uniform prior (the range 0..K printed in the paper is
            wrong).
    """
    num_clusters = len(counts)
    total = counts.detach().sum().clamp_min(1)
    if prior is not None:
        counts = counts / (num_clusters * prior.to(counts.dtype)).clamp_min(1e-8)
    pairs = torch.triu((counts[:, None] - counts[None, :]).abs(), diagonal=1)
    return pairs.sum() / (total * num_clusters)


@torch.no_grad()
def balanced_targets(scores: Tensor, prior: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Find soft assignments whose column masses follow a prior.

    This is Sinkhorn-Knopp as in SwAV (Caron et al. 2020, section 3.1).

    Args:
        scores: ``(N, K)`` similarities to the memories, higher where nearer.
        prior: ``(K,)`` share that each cluster is to receive, with sum 1.
        epsilon: Weight of the transport's entropy, above 0. A smaller weight gives harder assignments.
        iterations: Alternations of column and row scaling.

    Returns:
        Assignments ``(N, K)`` in float32, whose rows sum to 1.
    """
    logits = scores.float() / epsilon  # (N, K)
    log_prior = prior.float().clamp_min(1e-8).log()
    for _ in range(iterations):
        logits = logits - logits.logsumexp(dim=0, keepdim=True) + log_prior
        logits = logits - logits.logsumexp(dim=1, keepdim=True)
    return logits.exp()


def agreement_loss(scores: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """Compute the cross-entropy between one view's assignment and the target that the other view gave.

    This is the swapped prediction of SwAV (Caron et al. 2020, equation 2).

    Args:
        scores: ``(N, K)`` similarities of this view to the memories.
        targets: ``(N, K)`` assignments of the other view, such as ``balanced_targets`` gives. Rows sum to 1; no
            gradient flows into them.
        temperature: Scores are divided by it before the softmax; it is above 0.

    Returns:
        A scalar of at least 0. It is 0 for an empty batch.
    """
    if len(scores) == 0:
        return scores.sum()
    return -(targets.detach() * F.log_softmax(scores.float() / temperature, dim=1)).sum(1).mean()
