"""A linear projection that keeps what differs between objects and drops what differs between views of one object."""

import torch
from torch import Tensor


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
