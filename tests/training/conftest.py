"""Patches of the toy city, and a network small enough to train on them in a moment."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from objdisc.datasets import open_dataset
from objdisc.models.encoder import Encoder
from objdisc.objectness.instances import Instances
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions


@pytest.fixture(scope="session")
def toy_store(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    """Cut the toy city's train split into patches of 32 pixels; tests only read it."""
    folder = tmp_path_factory.mktemp("patches")
    return PatchStore.build(open_dataset(toy_city, "train"), Instances(), PatchOptions(size=32), folder, workers=0)


@pytest.fixture
def make_encoder() -> Callable[[], Encoder]:
    """Give a function that makes the same small network again and again; its weights are random, so it learns."""

    def make() -> Encoder:
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 16, 5, stride=4), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        return Encoder(nn.Sequential(*layers), 64)

    return make
