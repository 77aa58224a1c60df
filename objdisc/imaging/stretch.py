"""Depth, thermal and other measured images: which values become black and white in all images of a data set."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objdisc.imaging.spread import spread_evenly

PERCENTILES = (1.0, 99.0)

_TIFF = frozenset({".tif", ".tiff"})
_MEASURED_MODES = frozenset({"F", "I", "I;16", "I;16B", "I;16L", "I;16N", "I;16S", "I;32"})
_IMAGES, _VALUES = 32, 100_000  # that are looked at: images of a data set, values of an image


def is_measured(values: NDArray[np.generic]) -> bool:
    """Whether decoded pixels hold measured values: floats of any number of channels, or one channel of 16 bits."""
    return values.dtype.kind == "f" or (values.ndim == 2 and values.dtype in (np.uint16, np.int16, np.int32))


def stretch_to_rgb(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    """Map measured values to 8 bits, evenly between two of them.

    Args:
        values: ``(H, W)`` or ``(H, W, 3)`` numbers; NaN and infinite ones become black, which stands for no
            measurement.
        low: The value that becomes black, with all below it.
        high: The value that becomes white, with all above it.

    Returns:
        ``(H, W, 3)`` uint8; one channel becomes three equal ones.
    """
    known = np.where(np.isfinite(values), values, low).astype(np.float64)
    grey = np.rint(np.clip((known - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)


def measure_stretch(paths: Sequence[Path]) -> tuple[float, float] | None:
    """Find the values of a data set's images that become black and white.

    They are the percentiles 1 and 99 of all values that are finite and not 0 (depth cameras write 0 where they measured
    nothing), in a sample that depends only on the order of the paths.

    Args:
        paths: The images; only TIFF files are read.

    Returns:
        Both values, the first below the second; None if the images are 8-bit or RGB and need none.
    """
    tiffs = [path for path in paths if path.suffix.lower() in _TIFF]
    sample = [tiffs[place] for place in spread_evenly(len(tiffs), _IMAGES).tolist()]
    found = [values for path in sample if _may_be_measured(path) and (values := _measured_values(path)) is not None]
    if not found:
        return None
    values = np.concatenate(found)
    if not values.size:
        return 0.0, 1.0
    low, high = (float(np.float32(value)) for value in np.percentile(values, PERCENTILES))
    return low, (high if high > low else low + 1)


def _may_be_measured(path: Path) -> bool:
    """Say from the header alone whether a file may hold measured values."""
    try:
        with Image.open(path) as image:
            return image.mode in _MEASURED_MODES
    except (OSError, SyntaxError, ValueError):
        return True  # kinds that Pillow does not know, such as 64-bit floats


def _measured_values(path: Path) -> NDArray[np.float64] | None:
    """Read a spread sample of a file's values; None if they are not measured values, or cannot be read."""
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):
        return None
    if pixels is None or not is_measured(pixels):
        return None
    values: NDArray[np.float64] = pixels.ravel()[:: max(1, pixels.size // _VALUES)].astype(np.float64)
    values = values[np.isfinite(values) & (values != 0)]
    return values
