"""Linear maps in closed form: whitened principal components, Fisher's discriminant of views, a ridge classifier."""

import torch
from torch import Tensor
from torch.nn import functional as F

_LEAST_VARIANCE = 1e-5  # of the largest; what lies below is rounding, which whitening would blow up


@torch.no_grad()
def pca_whitening(points: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Find the directions of largest variance, scaled so that the points have variance 1 along each.

    Directions along which the points do not differ (N points span at most N - 1; constant features span none) are
    zero.

    Args:
        points: ``(N, D)`` float32, finite, N >= 1.
        dim: Directions, 1 to D.

    Returns:
        Projection ``(dim, D)`` and offset ``(dim,)``, float32: ``points @ projection.T + offset`` has mean 0 and, but
        for directions that are zero, the identity as covariance (divided by N).
    """
    mean = points.mean(dim=0)
    variances, directions = _components(points - mean, dim)
    # an eigenvector's sign is arbitrary and may differ between machines
    directions = directions * directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    kept = variances > (_LEAST_VARIANCE * variances[0]).clamp_min(torch.finfo(points.dtype).tiny)
    projection: Tensor = directions * (kept / variances.clamp_min(torch.finfo(points.dtype).tiny).sqrt())[:, None]
    return projection, -projection @ mean


def _components(centred: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Variances ``(dim,)``, largest first, and directions ``(dim, D)`` of points around 0; zeros where there are none.

    In float64, because in float32 the solver gives up on matrices of many points that coincide.
    """
    count, width = centred.shape
    if count >= width:
        variances, vectors = torch.linalg.eigh((centred.T @ centred).double() / count)  # ascending
        return variances[-dim:].flip(0).float(), vectors[:, -dim:].flip(1).T.float()
    # of fewer points than features the table of inner products has the same variances and is smaller
    variances, vectors = torch.linalg.eigh((centred @ centred.T).double() / count)
    kept = min(dim, count)
    variances, vectors = variances[-kept:].flip(0).clamp_min(0), vectors[:, -kept:].flip(1)
    directions = F.normalize(vectors.T @ centred.double(), dim=1)
    missing = dim - kept
    return F.pad(variances, (0, missing)).float(), F.pad(directions, (0, 0, 0, missing)).float()


def view_discriminant(views: Tensor, dim: int, shrinkage: float = 0.1) -> tuple[Tensor, Tensor]:
    """Fisher's discriminant with every sample its own class and its augmented views as the class's members.

    Needs no label. Directions are ordered by the ratio of the scatter between the samples' mean views to the scatter
    within the views of a sample, and scaled to unit variance between samples, so that k-means weighs them alike.
    Directions in which the samples do not differ (N samples span at most N - 1) are zero: scaled up, they are noise.

    Args:
        views: ``(V, N, D)`` floating features, V >= 2 views of N samples.
        dim: Directions to keep, 1 to D.
        shrinkage: Ridge on the scatter within, relative to its mean variance; > 0.

    Returns:
        Projection ``(dim, D)`` and offset ``(dim,)``, both float32: ``x @ projection.T + offset`` has mean 0 and
        variance 1 over the mean views, 0 in the directions that are zero.
    """
    views = views.double()
    means = views.mean(0)  # (N, D)
    center = means.mean(0)  # (D,)
    residuals = (views - means).flatten(0, 1)  # (V * N, D)
    within = residuals.T @ residuals / len(residuals)
    ridge = (shrinkage * within.diagonal().mean()).clamp_min(1e-12)
    within = within + ridge * torch.eye(len(within), dtype=within.dtype, device=within.device)
    between = (means - center).T @ (means - center) / len(means)
    # solve the generalised symmetric problem between @ v = ratio * within @ v through the Cholesky factor of `within`
    factor = torch.linalg.cholesky(within)
    half = torch.linalg.solve_triangular(factor, between, upper=False)
    reduced = torch.linalg.solve_triangular(factor, half.T, upper=False)
    ratios, vectors = torch.linalg.eigh((reduced + reduced.T) / 2)  # ascending
    directions = torch.linalg.solve_triangular(factor.T, vectors[:, -dim:].flip(1), upper=True)  # (D, dim)
    # an eigenvector's sign is arbitrary and may differ between machines
    directions = directions * directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()
    spread = ((means - center) @ directions).std(0, correction=0).clamp_min(1e-12)
    kept = ratios[-dim:].flip(0) > 1e-9 * ratios[-1].clamp_min(1e-9)
    projection = (directions / spread * kept).T
    return projection.float(), (-projection @ center).float()


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
