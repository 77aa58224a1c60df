"""The base of the losses' module forms, which print their hyperparameters and refuse values out of range."""

import inspect

from torch import Tensor, nn


class Loss(nn.Module):
    """A loss function with fixed hyperparameters: it has no parameters to learn, and ``forward`` takes the tensors.

    A subclass stores each argument of its constructor under the argument's name.
    """

    def __init__(self) -> None:
        super().__init__()

    def extra_repr(self) -> str:
        """Return the hyperparameters as they would be given to the constructor; a tensor is shown by its shape."""
        names = inspect.signature(type(self)).parameters
        return ", ".join(f"{name}={_shown(getattr(self, name))}" for name in names)


def positive(name: str, value: float) -> float:
    """Return a hyperparameter that must be above 0.

    Raises:
        ValueError: It is not.
    """
    if not value > 0:
        raise ValueError(f"{name} is {value}; it must be above 0")
    return value


def at_least_zero(name: str, value: float) -> float:
    """Return a hyperparameter that must be at least 0.

    Raises:
        ValueError: It is not.
    """
    if not value >= 0:
        raise ValueError(f"{name} is {value}; it must be at least 0")
    return value


def _shown(value: object) -> str:
    return f"tensor{tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
