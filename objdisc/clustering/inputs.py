"""Checks of the estimators' inputs as in scikit-learn: arrays, or tensors that stay on their device."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from torch import Tensor

from objdisc.errors import UsageError

RandomState = int | np.random.RandomState | None


class InputError(UsageError, ValueError):
    """An estimator cannot work with its input; for scikit-learn this is a ``ValueError``."""


def checked_points(estimator: BaseEstimator, X: Any, *, reset: bool = False) -> Tensor:
    """Check the points that an estimator is given.

    Args:
        estimator: The estimator, whose ``n_features_in_`` is written or compared.
        X: ``(n, D)`` tensor on any device, or anything that numpy turns into such an array.
        reset: Whether the estimator is being fitted, so that D may be new.

    Returns:
        The points ``(n, D)`` in float32, n >= 1, D >= 1, of finite values, on the device of a tensor or on the CPU.

    Raises:
        InputError: The points do not have this form, or D differs from that of the points the estimator was fitted to.
        TypeError: A sparse matrix was given.
    """
    points = _checked_tensor(X) if isinstance(X, Tensor) else _checked_array(X)
    width, name = points.shape[1], type(estimator).__name__
    if reset:
        estimator.n_features_in_ = width
    elif width != estimator.n_features_in_:
        raise InputError(
            f"X has {width} features, but {name} is expecting {estimator.n_features_in_} features as input"
        )
    return points


def check_clusters(num_clusters: int, count: int) -> None:
    """Refuse more clusters than points, and fewer than one.

    Raises:
        InputError: There are too few points, or no cluster is asked for.
    """
    if not 1 <= num_clusters <= count:
        raise InputError(f"n_clusters={num_clusters} of n_samples={count} points: give 1 to {count} clusters")


def like(X: Any, result: Tensor) -> Tensor | NDArray[np.float32]:
    """Return a result as a tensor if the input was one, otherwise as an array."""
    return result if isinstance(X, Tensor) else result.numpy()


def seed_of(random_state: RandomState) -> int:
    """Return the seed that scikit-learn's ``random_state`` stands for; None draws one from numpy's global state."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _checked_array(X: Any) -> Tensor:
    try:
        array = check_array(X, dtype=np.float32, order="C", ensure_2d=False, allow_nd=True)
    except ValueError as error:
        raise InputError(str(error).partition("\n")[0]) from error  # what follows is advice on other estimators
    _check_shape(array.shape)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _checked_tensor(X: Tensor) -> Tensor:
    _check_shape(X.shape)
    if not X.numel() or X.is_complex():
        raise InputError(f"X is a {X.dtype} tensor of shape {tuple(X.shape)}; expected real numbers, and at least one")
    points = X.detach().float()
    finite = points.isfinite().all(dim=1)
    if not bool(finite.all()):
        raise InputError(f"row {int(finite.int().argmin())} of X holds values that are not finite, NaN or inf")
    return points


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise InputError(f"X has the shape {tuple(shape)}. Reshape your data to (n, D).")
