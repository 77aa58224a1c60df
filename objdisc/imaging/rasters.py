"""Rasters with any number of bands, such as RGB and infrared TIFF tiles: reading their size, and any window."""

import importlib.util
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from objdisc.errors import UnreadableImageError

Window = tuple[int, int, int, int]  # x, y, width, height in pixels

_TIFF = frozenset({".tif", ".tiff"})
_EXTRA_SAMPLES, _UNASSOCIATED_ALPHA = 338, (2,)  # TIFF tag; its value for a fourth band stored beside RGB as opacity
_NEEDS_RASTERIO = "cannot be decoded without rasterio: pip install 'objdisc[geo]', or save it as an RGB TIFF or PNG"


def has_rasterio() -> bool:
    """Say whether rasterio (extra ``geo``) is installed."""
    return importlib.util.find_spec("rasterio") is not None


def raster_size(path: Path) -> tuple[int, int]:
    """Return ``(height, width)`` in pixels, from the file's header alone if its format allows that.

    Raises:
        UnreadableImageError: The file is missing or is not a raster.
    """
    if _by_rasterio(path):
        import rasterio

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
                with rasterio.open(path) as file:
                    return int(file.height), int(file.width)
        except rasterio.errors.RasterioError as error:
            raise UnreadableImageError(path, _reason(path, error)) from error
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (UnidentifiedImageError, SyntaxError, ValueError):
        bands = _all_bands(path)
        return bands.shape[0], bands.shape[1]
    except OSError as error:
        raise UnreadableImageError(path, _reason(path, error)) from error


def read_bands(path: Path, count: int, names: str, window: Window | None = None) -> NDArray[np.uint8]:
    """Decode the first bands of a raster, as they are stored: no rotation, no opacity applied, no colours changed.

    With rasterio, a window costs the memory of the blocks that it touches; without, the whole file is decoded.

    Args:
        path: The file; 16 bits are scaled to 8 (divided by 257, rounded).
        count: Number of bands to read.
        names: What they are, for messages, such as ``"red, green, blue, infrared"``.
        window: ``(x, y, width, height)`` inside the raster; None for all of it.

    Returns:
        ``(H, W, count)`` uint8.

    Raises:
        UnreadableImageError: The file is missing, truncated or not a raster, has too few bands, or has pixels that are
            not of 8 or 16 bits.
    """
    bands = _window_by_rasterio(path, count, window) if _by_rasterio(path) else _all_bands(path)
    if bands.shape[2] < count:
        partly = path.suffix.lower() in _TIFF and not has_rasterio()
        hint = "; if it has more, they need rasterio: pip install 'objdisc[geo]'" if partly else ""
        raise UnreadableImageError(path, f"has {_channels(bands.shape[2])}; expected {count} ({names}){hint}")
    if window is not None and not _by_rasterio(path):
        x, y, width, height = window
        bands = bands[y : y + height, x : x + width]
    bands = bands[..., :count]
    if bands.dtype == np.uint8:
        return np.ascontiguousarray(bands, np.uint8)
    if bands.dtype == np.uint16:
        return ((bands.astype(np.uint32) + 128) // 257).astype(np.uint8)
    raise UnreadableImageError(path, f"its pixels are {bands.dtype}; save it with 8 or 16 bits a channel")


def _by_rasterio(path: Path) -> bool:
    return path.suffix.lower() in _TIFF and has_rasterio()


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _reason(path: Path, error: Exception) -> str:
    if not path.is_file():
        return "no such file"
    return f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})"


def _window_by_rasterio(path: Path, count: int, window: Window | None) -> NDArray[np.generic]:
    import rasterio
    from rasterio.windows import Window as RasterWindow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                wanted = list(range(1, min(count, file.count) + 1))
                part = None if window is None else RasterWindow(*window)
                bands: NDArray[np.generic] = file.read(wanted, window=part)
    except rasterio.errors.RasterioError as error:
        raise UnreadableImageError(path, _reason(path, error)) from error
    return bands.transpose(1, 2, 0)


def _all_bands(path: Path) -> NDArray[np.generic]:
    """Decode a whole file without rasterio; ``(H, W, C)`` with colours as RGB."""
    try:
        with Image.open(path) as image:
            # OpenCV's TIFF decoder multiplies colours by such a band; Pillow leaves them alone.
            if path.suffix.lower() in _TIFF and getattr(image, "tag_v2", {}).get(_EXTRA_SAMPLES) == _UNASSOCIATED_ALPHA:
                pixels = np.array(image)
                return pixels if pixels.ndim == 3 else pixels[..., None]
    except (UnidentifiedImageError, SyntaxError, ValueError):
        pass  # kinds that Pillow does not know
    except OSError as error:
        raise UnreadableImageError(path, _reason(path, error)) from error
    try:
        decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error) as error:
        raise UnreadableImageError(path, _reason(path, error)) from error
    if decoded is None:
        raise UnreadableImageError(path, _NEEDS_RASTERIO)
    if decoded.ndim == 2:
        return decoded[..., None]
    order = [2, 1, 0, *range(3, decoded.shape[2])] if decoded.shape[2] >= 3 else list(range(decoded.shape[2]))
    return decoded[..., order]
