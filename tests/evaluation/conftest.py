"""A small folder in Cityscapes layout whose ground truth holds every label id, ignored ones and groups among them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels

SIZE = (48, 96)  # height, width
FRAMES = ("aachen/aachen_000000_000019", "aachen/aachen_000001_000019", "ulm/ulm_000000_000019")
FRAME_WITHOUT_TRUTH = "ulm/ulm_000003_000019"


@pytest.fixture(scope="session")
def label_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three ``val`` frames with ground truth and one without."""
    root = tmp_path_factory.mktemp("label_city")
    rng = np.random.default_rng(3)
    ids = np.array([label.id for label in labels if label.id >= 0])
    for name in (*FRAMES, FRAME_WITHOUT_TRUTH):
        image = root / "leftImg8bit/val" / f"{name}_leftImg8bit.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
        if name == FRAME_WITHOUT_TRUTH:
            continue
        truth = np.kron(rng.choice(ids, (SIZE[0] // 8, SIZE[1] // 8)), np.ones((8, 8), np.int64))
        numbers = np.kron(np.arange(truth.size // 64).reshape(SIZE[0] // 8, -1), np.ones((8, 8), np.int64))
        instances = np.where((truth >= 24) & (numbers % 5 > 0), truth * 1000 + numbers, truth)
        stem = root / "gtFine/val" / f"{name}_gtFine"
        stem.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"{stem}_labelIds.png", truth.astype(np.uint8))
        cv2.imwrite(f"{stem}_instanceIds.png", instances.astype(np.uint16))
    return root
