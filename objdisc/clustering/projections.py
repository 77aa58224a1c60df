"""Linear maps in closed form: whitened principal components, Fisher's discriminant of views, a ridge classifier."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.inputs import InputError, checked_points, like

_LEAST_VARIANCE = 1e-5  # of the largest; what lies below is rounding, which whitening would blow up


class _Projection(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A linear map that is fitted to points and keeps tensors on their device."""

    components_: Tensor | NDArray[np.float32]
    offset_: Tensor | NDArray[np.float32]
    n_features_in_: int

    def _project(self, X: Any) -> Tensor:
        check_is_fitted(self)
        points = checked_points(self, X)
        components, offset = (torch.as_tensor(part, device=points.device) for part in (self.components_, self.offset_))
        return points @ components.T + offset

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class PCAWhitening(_Projection):
    """Project points to their principal components and whiten them, as a scikit-learn estimator.

    It is ``pca_whitening`` with the conventions of an estimator: a tensor stays a tensor on its device.

    Args:
        n_components: Directions to keep, 1 to D; None keeps all D.

    Attributes:
        components_: ``(n_components, D)`` float32, a direction in each row, scaled so that points have variance 1 along
            it; zeros where they do not differ. It is a tensor if X is one, otherwise an array.
        offset_: ``(n_components,)`` float32: ``X @ components_.T + offset_`` is what ``transform`` returns.
        n_features_in_: D.
    """

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def fit(self, X: Any, y: object = None) -> Self:
        """Find the directions of largest variance.

        Args:
            X: ``(n, D)`` points, a tensor or an array.
            y: Ignored; scikit-learn's conventions ask for it.

        Raises:
            InputError: ``n_components`` is not in 1 to D, or values are not finite.
        """
        points = checked_points(self, X, reset=True)
        components, offset = pca_whitening(points, _directions(self.n_components, points.shape[1]))
        self.components_, self.offset_ = like(X, components), like(X, offset)
        return self

    def transform(self, X: Any) -> Tensor | NDArray[np.float32]:
        """Return the whitened components ``(n, n_components)`` of points ``(n, D)``.

        Raises:
            InputError: D differs from ``fit``, or values are not finite.
        """
        return like(X, self._project(X))


class ViewDiscriminant(_Projection):
    """Project to the directions that separate samples but not the views of a sample, as a scikit-learn estimator.

    It is ``view_discriminant`` with the conventions of an estimator, except that it is fitted to features of several
    augmented views of each sample; no class label is involved.

    Args:
        n_components: Directions to keep, 1 to D; None keeps all D.
        shrinkage: Ridge on the scatter within samples, relative to its mean variance, above 0.

    Attributes:
        components_: ``(n_components, D)`` float32, a direction in each row, the most discriminative first; zeros where
            samples do not differ. It is a tensor if X is one, otherwise an array.
        offset_: ``(n_components,)`` float32: ``X @ components_.T + offset_`` is what ``transform`` returns.
        n_features_in_: D.
    """

    def __init__(self, n_components: int | None = None, *, shrinkage: float = 0.1) -> None:
        self.n_components = n_components
        self.shrinkage = shrinkage

    def fit(self, X: Any, y: object = None) -> Self:
        """Find the directions.

        Args:
            X: ``(V, n, D)`` features of V views of n samples, V >= 2, a tensor or an array.
            y: Ignored; scikit-learn's conventions ask for it.

        Raises:
            InputError: X is of another form, ``n_components`` is not in 1 to D, ``shrinkage`` is not above 0, or values
                are not finite.
        """
        shape = tuple(np.shape(X))
        if len(shape) != 3 or shape[0] < 2:
            raise InputError(f"X is of shape {shape}; expected (V, n, D), at least 2 views of each of n samples")
        if not self.shrinkage > 0:
            raise InputError(f"shrinkage={self.shrinkage} must be above 0")
        views = checked_points(self, _flat(X), reset=True).reshape(shape)
        components, offset = view_discriminant(views, _directions(self.n_components, shape[2]), self.shrinkage)
        self.components_, self.offset_ = like(X, components), like(X, offset)
        return self

    def transform(self, X: Any) -> Tensor | NDArray[np.float32]:
        """Return the projection ``(..., n_components)`` of features ``(..., D)`` of views or of samples.

        Raises:
            InputError: D differs from ``fit``, or values are not finite.
        """
        return like(X, self._project(_flat(X)).reshape(*np.shape(X)[:-1], -1))


def _directions(n_components: int | None, width: int) -> int:
    if n_components is None:
        return width
    if not 1 <= n_components <= width:
        raise InputError(f"n_components={n_components} of {width} features: give 1 to {width}, or None for all")
    return n_components


def _flat(X: Any) -> Any:
    """Return ``(..., D)`` as ``(n, D)``."""
    values = X if isinstance(X, Tensor) else np.asarray(X)
    return values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values


@torch.no_grad()
def pca_whitening(points: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Find the directions of largest variance, scaled so that the points have variance 1 along each.

    Directions along which the points do not differ (N points span at most N - 1; constant features span none) are
    zero.

    Args:
        points: ``(N, D)`` float32, finite, N >= 1.
        dim: Directions, 1 to D.

    Returns:
        Projection ``(dim, D)`` and offset ``(dim,)``, float32: ``points @ projection.T + offset`` has mean 0 and,
            except for directions that are zero, the identity as covariance (divided by N).
    """
    mean = points.mean(dim=0)
    variances, directions = _components(points - mean, dim)
    # an eigenvector's sign is arbitrary and may differ between machines
    directions = directions * directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    kept = variances > (_LEAST_VARIANCE * variances[0]).clamp_min(torch.finfo(points.dtype).tiny)
    projection: Tensor = directions * (kept / variances.clamp_min(torch.finfo(points.dtype).tiny).sqrt())[:, None]
    return projection, -projection @ mean


def _components(centred: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return variances ``(dim,)``, largest first, and directions ``(dim, D)`` of points around 0, padded by zeros.

    Computed in float64, because the float32 solver fails on matrices of many points that coincide.
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
    """Find Fisher's discriminant with every sample as a class of its own, whose members are its augmented views.

    No label is needed. Directions are ordered by the ratio of the scatter between the samples' mean views to the
    scatter within the views of a sample, and scaled to unit variance between samples, so that k-means weights them
    equally. Directions in which the samples do not differ (N samples span at most N - 1) are zero: scaled up, they are
    noise.

    Args:
        views: ``(V, N, D)`` floating features, V >= 2 views of N samples.
        dim: Directions to keep, 1 to D.
        shrinkage: Ridge on the scatter within, relative to its mean variance; > 0.

    Returns:
        Projection ``(dim, D)`` and offset ``(dim,)``, both float32: ``x @ projection.T + offset`` has mean 0 and
        variance 1 over the mean views, 0 in the directions that are zero.
    """
    means = views.mean(0, dtype=torch.float64)  # (N, D)
    center = means.mean(0)  # (D,)
    residuals = (views - means.to(views.dtype)).flatten(0, 1)  # (V * N, D)
    residuals /= len(residuals) ** 0.5
    ridge = (shrinkage * residuals.square().sum().double() / residuals.shape[1]).clamp_min(1e-12)
    ratios, directions = _largest_ratios((means - center) / len(means) ** 0.5, residuals, ridge, dim)
    # an eigenvector's sign is arbitrary and may differ between machines
    directions = directions * directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()
    spread = ((means - center) @ directions).std(0, correction=0).clamp_min(1e-12)
    kept = ratios > 1e-9 * ratios[0].clamp_min(1e-9)
    projection = F.pad((directions / spread * kept).T, (0, 0, 0, dim - len(ratios)))
    return projection.float(), (-projection @ center).float()


def _largest_ratios(between: Tensor, within: Tensor, ridge: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Solve ``M.T @ M @ v = ratio * (R.T @ R + ridge) @ v``, in as many dimensions as there are rows or columns.

    Args:
        between: M, ``(N, D)`` float64.
        within: R, ``(n, D)``; its products are summed in its own precision, which the ridge tolerates, and solved in
            float64.
        ridge: Above 0.
        dim: Number of largest ratios to find.

    Returns:
        Ratios, largest first, and vectors ``(D, m)`` of any length; m is ``dim``, or N if that is smaller.
    """
    count, width = between.shape
    if count < width:
        # with v = (R.T @ R + ridge)^-1 @ M.T @ u it is an eigenproblem of N x N
        solved = _solve_ridge(within, ridge, between.T)
        table = between @ solved
        ratios, vectors = torch.linalg.eigh((table + table.T) / 2)  # ascending
        return ratios[-dim:].flip(0), solved @ vectors[:, -dim:].flip(1)
    scatter = (within.T @ within).to(between.dtype)
    scatter.diagonal().add_(ridge)
    factor = torch.linalg.cholesky(scatter)
    half = torch.linalg.solve_triangular(factor, between.T @ between, upper=False)
    reduced = torch.linalg.solve_triangular(factor, half.T, upper=False)
    ratios, vectors = torch.linalg.eigh((reduced + reduced.T) / 2)
    return ratios[-dim:].flip(0), torch.linalg.solve_triangular(factor.T, vectors[:, -dim:].flip(1), upper=True)


def _solve_ridge(rows: Tensor, ridge: Tensor, targets: Tensor) -> Tensor:
    """Return ``(R.T @ R + ridge)^-1 @ targets`` for R ``(n, D)`` and targets ``(D, m)``, in the smaller of n and D."""
    count, width = rows.shape
    table = (rows @ rows.T if count < width else rows.T @ rows).to(targets.dtype)
    table.diagonal().add_(ridge)
    factor = torch.linalg.cholesky(table)
    if count >= width:
        return torch.cholesky_solve(targets, factor)
    # the identity of Woodbury
    rows = rows.to(targets.dtype)
    return (targets - rows.T @ torch.cholesky_solve(rows @ targets, factor)) / ridge


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
        scale: Difference between the logits of a certain cluster and of one that is ruled out.

    Returns:
        ``(K, F)`` weights and ``(K,)`` biases of a softmax classifier, float32.
    """
    targets = F.one_hot(clusters, num_clusters).to(features.dtype)
    shares, center = targets.mean(0), features.mean(0)
    x = (features - center) / len(features) ** 0.5
    variance = x.square().sum() / x.shape[1]
    strength = _REGULARISATION * variance.clamp_min(torch.finfo(features.dtype).eps)
    weights = _solve_ridge(x, strength, x.T @ (targets - shares) / len(features) ** 0.5).T  # (K, F)
    return scale * weights, scale * (shares - weights @ center)
