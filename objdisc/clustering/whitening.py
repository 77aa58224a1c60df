"""Principal components scaled to unit variance: what DeepCluster clusters."""

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
