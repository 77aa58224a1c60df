"""The k-means memory objective: Hickson et al., "Object category learning and retrieval with weak supervision" (2018).

Cluster centres are weights of the network (memory units), learned together with the embedding. The equations
are the paper's; where its text is ambiguous, the docstring says how it is read.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Counts = Literal["soft", "ste", "hard"]


def squared_distances(embeddings: Tensor, memories: Tensor) -> Tensor:
    """Squared Euclidean distance of every embedding to every memory unit.

    Args:
        embeddings: ``(N, D)``, any floating dtype; computed in float32, under autocast too.
        memories: ``(K, D)``.

    Returns:
        ``(N, K)`` float32, >= 0.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        x, w = embeddings.float(), memories.float()
        return (x.square().sum(1, keepdim=True) - 2 * x @ w.T + w.square().sum(1)).clamp_min(0)  # (N, K)


def kmeans_loss(distances: Tensor) -> Tensor:
    """Equation 1: half the mean squared distance to the nearest memory unit.

    Its gradient with respect to the memories is equation 2, with the assignment read as the nearest memory,
    ``s(x, w) = argmin_k ||x - w_k||^2``.

    Args:
        distances: ``(N, K)`` squared distances of the foreground samples; N may be 0.

    Returns:
        Scalar; 0 for an empty batch.
    """
    if len(distances) == 0:
        return distances.sum()
    return 0.5 * distances.min(dim=1).values.mean()


def cluster_counts(distances: Tensor, counts: Counts, temperature: float = 0.1) -> Tensor:
    """How many samples each memory unit wins: equation 4 for any K.

    As printed, equation 4 fits K = 2 only and has no gradient. It is generalised to ``count_k = sum_n [s_n = k]``.

    Args:
        distances: ``(N, K)`` squared distances.
        counts: ``hard`` is the literal count (its gradient is zero), ``soft`` sums the softmax of the negative
            distances, ``ste`` gives the hard value forward and the soft gradient backward.
        temperature: Of the softmax, relative to the mean squared distance; > 0.

    Returns:
        ``(K,)`` float32 that sums to N.
    """
    hard = F.one_hot(distances.argmin(dim=1), distances.shape[1]).to(distances.dtype).sum(0)
    if counts == "hard":
        return hard
    scale = temperature * distances.detach().mean().clamp_min(1e-8)
    soft = torch.softmax(-distances / scale, dim=1).sum(0)
    return soft if counts == "soft" else hard + soft - soft.detach()


def balance_loss(counts: Tensor, prior: Tensor | None = None) -> Tensor:
    """Equation 3: mean absolute difference between the counts of all pairs of clusters.

    Args:
        counts: ``(K,)`` samples per cluster.
        prior: ``(K,)`` expected share of each cluster, sum 1. None is the paper's uniform prior. Counts are divided by
            ``K * prior``, so that the loss is 0 when the shares equal the prior.

    Returns:
        Scalar in ``[0, (K - 1) / K]`` for the uniform prior (the range 0..K that the paper prints is off).
    """
    num_clusters = len(counts)
    total = counts.detach().sum().clamp_min(1)
    if prior is not None:
        counts = counts / (num_clusters * prior.to(counts.dtype)).clamp_min(1e-8)
    pairs = torch.triu((counts[:, None] - counts[None, :]).abs(), diagonal=1)
    return pairs.sum() / (total * num_clusters)


@torch.no_grad()
def balanced_targets(scores: Tensor, prior: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Soft assignments whose column masses follow a prior: Sinkhorn-Knopp as in SwAV (Caron et al. 2020, section 3.1).

    Args:
        scores: ``(N, K)`` similarities to the memories, higher is nearer.
        prior: ``(K,)`` share that each cluster is to receive, sum 1.
        epsilon: Entropy of the transport; smaller is harder. > 0.
        iterations: Alternations of column and row scaling.

    Returns:
        ``(N, K)`` float32 rows that sum to 1.
    """
    logits = scores.float() / epsilon  # (N, K)
    log_prior = prior.float().clamp_min(1e-8).log()
    for _ in range(iterations):
        logits = logits - logits.logsumexp(dim=0, keepdim=True) + log_prior
        logits = logits - logits.logsumexp(dim=1, keepdim=True)
    return logits.exp()


def agreement_loss(scores: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """Cross-entropy between one view's assignment and the target that the other view gave.

    Args:
        scores: ``(N, K)`` similarities of this view to the memories.
        targets: ``(N, K)`` rows that sum to 1, taken as constants.
        temperature: Of the softmax over the scores; > 0.

    Returns:
        Scalar; 0 for an empty batch.
    """
    if len(scores) == 0:
        return scores.sum()
    return -(targets.detach() * F.log_softmax(scores.float() / temperature, dim=1)).sum(1).mean()
