"""A small world for methods: patches of three kinds whose views differ in pixels that say nothing."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objdisc.methods.base import Method
from objdisc.models.encoder import Encoder
from objdisc.models.origin import WeightsOrigin
from objdisc.types import Batch, Prediction

from ..support.ranks import OneProcess

SIDE = 4


def told(method: Method, images: Tensor) -> Prediction:
    """Predict a method about images whose background is left in."""
    return method.infer(images, images)


def clusters_of(method: Method, images: Tensor) -> Tensor:
    """Return the likeliest cluster ``(B,)`` of each image."""
    return told(method, images).probabilities[:, :, 0, 0].argmax(dim=1)


def shares_of(terms: dict[str, Tensor]) -> list[float]:
    """Return the share that each cluster holds, of what a training step or the end of an epoch returned."""
    occupancy = terms["occupancy"]
    shares: list[float] = (occupancy / occupancy.sum()).tolist()
    return shares


def owner_of(function: Callable[[Tensor], Tensor]) -> nn.Module:
    """Return the module that a function is, belongs to or closes over; the trainer knows the method without that."""
    if isinstance(function, nn.Module):
        return function
    owner: nn.Module = getattr(function, "__self__", None) or inspect.getclosurevars(function).nonlocals["self"]
    return owner


@dataclass
class World(OneProcess):
    """Stands in for the trainer: images by row, and views of them.

    Attributes:
        images: ``(N, 3, 4, 4)`` float32; the last third is background.
        kinds: ``(N,)`` int64, which of the three kinds; no method gets to see it.
        foreground: ``(N,)`` bool.
        seen: Every ``view`` that was asked for.
        generator: Of ``begin_epoch``.
    """

    images: Tensor
    kinds: Tensor
    foreground: Tensor
    seen: list[int | None] = field(default_factory=list)
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def encode(self, function: Callable[[Tensor], Tensor], rows: Tensor, view: int | None = None) -> Tensor:
        self.seen.append(view)
        images = self.images[rows] if view is None else self.view(rows, view)
        owner_of(function).eval()
        with torch.no_grad():
            return function(images).float()

    def calm(self) -> None:
        """Take most of what says nothing out of the images, so that their clusters are plain to see."""
        self.images[:, :, 2:] *= 0.05

    def view(self, rows: Tensor, view: int) -> Tensor:
        """Change the last two rows of pixels much, all others little."""
        noise = torch.randn(self.images[rows].shape, generator=torch.Generator().manual_seed(1000 + view))
        strength = torch.tensor([0.1, 0.1, 4.0, 4.0])[:, None]
        return self.images[rows] + noise * strength

    def batch(self, rows: Tensor, num_views: int = 1) -> Batch:
        views = tuple(self.view(rows, view) for view in range(num_views))
        return Batch(views, rows, self.foreground[rows], views[0])


@pytest.fixture
def world() -> World:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(90) % 3
    centers = torch.randn(3, 3, SIDE, SIDE, generator=generator)
    centers[:, :, 2:] = 0
    images = centers[kinds] + 0.3 * torch.randn(90, 3, SIDE, SIDE, generator=generator)
    images[:, :, 2:] += 4 * torch.randn(90, 3, 2, SIDE, generator=generator)
    foreground = torch.arange(90) < 60
    return World(images, kinds, foreground)


@pytest.fixture
def pixels() -> Encoder:
    """An encoder that hands the 48 pixels on, and counts as pretrained."""
    return Encoder(nn.Flatten(), 48, origin=WeightsOrigin("file", "nothing, it is a test"))


@pytest.fixture
def learner() -> Encoder:
    """A small network with batch normalisation; random, so it learns."""
    torch.manual_seed(0)
    return Encoder(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()), 128)
