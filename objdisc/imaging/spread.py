"""Evenly spread choices, such as the frames to draw or the images to look at."""

import numpy as np
from numpy.typing import NDArray


def spread_evenly(count: int, most: int) -> NDArray[np.int64]:
    """Return at most ``most`` of the numbers 0 to ``count`` - 1, spread evenly, with both ends."""
    return np.linspace(0, count - 1, max(min(most, count), 0), dtype=np.int64)
