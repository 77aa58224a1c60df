"""A linear classifier of given clusters in closed form."""

import torch
from torch import Tensor
from torch.nn import functional as F

_REGULARISATION = 0.1  # of the features' mean variance


@torch.no_grad()
def ridge_classifier(
    features: Tensor, clusters: Tensor, num_clusters: int, scale: float = 10.0
) -> tuple[Tensor, Tensor]:
    """Fit logits to one-hot clusters by ridge regression.

    Args:
        features: ``(N, F)`` float32.
        clusters: ``(N,)`` int64 in [0, K).
        num_clusters: K.
        scale: Logit of a sure answer above that of a cluster that is ruled out.

    Returns:
        ``(K, F)`` weights and ``(K,)`` biases of a softmax classifier, float32.
    """
    targets = F.one_hot(clusters, num_clusters).to(features.dtype)
    shares, center = targets.mean(0), features.mean(0)
    x = features - center
    covariance = x.T @ x / len(x)
    strength = _REGULARISATION * covariance.diagonal().mean().clamp_min(torch.finfo(features.dtype).eps)
    ridge = covariance + strength * torch.eye(len(covariance), device=features.device, dtype=features.dtype)
    weights = torch.linalg.solve(ridge, x.T @ (targets - shares) / len(x)).T  # (K, F)
    return scale * weights, scale * (shares - weights @ center)
