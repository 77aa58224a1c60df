"""Fixtures that tests of several rooms share."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from objdisc.cli import main
from objdisc.datasets import open_dataset
from objdisc.datasets.toycity.generate import generate_toy_city
from objdisc.io.run import Run
from objdisc.models.encoder import Encoder
from objdisc.objectness.instances import Instances
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


# Writes one frame: root, "<city>/<city>_<seq>_<frame>", RGB pixels, labelIds, instanceIds; keywords: split, suffix.
FrameWriter = Callable[..., Path]


@pytest.fixture(scope="session")
def toy_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a toy city in Cityscapes layout, 12 train and 6 val frames of 256x128 pixels; tests only read it."""
    return generate_toy_city(
        tmp_path_factory.mktemp("data") / "toy city", seed=0, num_train=12, num_val=6, size=(256, 128)
    )


@pytest.fixture(scope="session")
def write_cityscapes_frame() -> FrameWriter:
    """Give a function that writes RGB pixels and maps of ids as ``name`` = ``<city>/<city>_<seq>_<frame>``."""

    def write(
        root: Path,
        name: str,
        image: Pixels,
        labels: Pixels | None = None,
        instances: Pixels | None = None,
        *,
        split: str = "train",
        suffix: str = ".png",
    ) -> Path:
        path = root / "leftImg8bit" / split / f"{name}_leftImg8bit{suffix}"
        _write(path, image[..., ::-1])
        for kind, ids in (("labelIds", labels), ("instanceIds", instances)):
            if ids is not None:
                _write(root / "gtFine" / split / f"{name}_gtFine_{kind}.png", ids)
        return path

    return write


def _write(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(pixels))
    assert done, path
    data.tofile(path)


@pytest.fixture(scope="session")
def small_run(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a finished run on the toy city, 4 clusters, evaluated on val; tests only read it."""
    folder = tmp_path_factory.mktemp("runs") / "kleine größe"
    settings = ["--patches.size", "32", "--epochs", "1", "--lr", "1e-6", "--batch-size", "32"]
    settings += ["--workers", "0", "--device", "cpu", "--num-clusters", "4", "--overlays", "2"]
    assert main(["discover", str(toy_city), *settings, "--output-dir", str(folder)]) == 0
    return Run.open(folder)


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
