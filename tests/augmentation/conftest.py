"""A patch that several tests look at."""

import os

import numpy as np
import pytest
from numpy.typing import NDArray

# albumentations asks PyPI for a newer version while it is imported: a delay, and an error line on a closed network
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


@pytest.fixture
def patch() -> NDArray[np.uint8]:
    """32 pixels square; the region is the left half, drawn in greens."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8)
    pixels[..., 3] = 0
    pixels[:, :16, 3] = 255
    return pixels
