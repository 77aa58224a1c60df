"""Fixtures that tests of several rooms share."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.toycity import generate_toy_city

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
