"""Principal components scaled to unit variance: what DeepCluster clusters."""

import torch
from torch import Tensor

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
    centred = points - mean
    covariance = centred.T @ centred / len(points)
    variances, vectors = torch.linalg.eigh(covariance)  # ascending
    variances, directions = variances[-dim:].flip(0), vectors[:, -dim:].flip(1).T  # (dim,), (dim, D)
    # an eigenvector's sign is arbitrary and may differ between machines
    directions = directions * directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    kept = variances > (_LEAST_VARIANCE * variances[0]).clamp_min(torch.finfo(points.dtype).tiny)
    projection = directions * (kept / variances.clamp_min(torch.finfo(points.dtype).tiny).sqrt())[:, None]
    return projection, -projection @ mean
