"""A stand-in for the processes of a training."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


class OneProcess:
    """One process, and no training set that could be encoded."""

    foreground: Tensor = torch.zeros(0, dtype=torch.bool)
    generator: np.random.Generator
    world: int = 1

    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)

    def encode(self, function: Callable[[Tensor], Tensor], rows: Tensor, view: int | None = None) -> Tensor:
        raise AssertionError("nothing was to be encoded")

    def gather(self, tensor: Tensor) -> Tensor:
        return tensor

    def sum(self, tensor: Tensor) -> Tensor:
        return tensor
