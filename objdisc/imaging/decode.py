"""Image files: listing them, decoding them, and knowing their size without decoding."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.formats import (
    IMAGE_SUFFIXES,
    image_suffixes,
    is_heif_or_avif,
    missing_for,
    register_heif,
)
from objdisc.imaging.leftout import HIDDEN, NO_IMAGE, RUNS, LeftOut
from objdisc.imaging.stretch import is_measured, stretch_to_rgb
from objdisc.io.marks import is_marked

__all__ = ["IMAGE_SUFFIXES", "image_size", "list_images", "read_index_map", "read_rgb"]

_EXIF_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_COLOR_TYPE, _PNG_PALETTE = 25, 3  # offset of the header's colour type; its value for an indexed image

# A broken file is reported once, by UnreadableImageError with its path; OpenCV's own lines name no file.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def list_images(folder: Path, left_out: LeftOut | None = None) -> Iterator[Path]:
    """Yield every image below a folder, at any depth, in no particular order.

    Hidden files are left out, and so are folders that this program has written, such as runs in a folder of photos.

    Args:
        folder: An existing folder.
        left_out: Counts the files that are not images, or cannot be read by this installation.

    Yields:
        Paths whose suffix, in any case, is one that this installation reads.

    Raises:
        UsageError: A folder cannot be listed.
    """
    yield from _list_images(folder, image_suffixes(), LeftOut() if left_out is None else left_out)


def _list_images(folder: Path, suffixes: frozenset[str], left_out: LeftOut) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1].lower()
                if entry.name.startswith("."):
                    left_out.add([Path(entry.path)], HIDDEN)
                elif suffix in suffixes and entry.is_file():
                    yield Path(entry.path)
                elif not entry.is_dir():
                    left_out.add([Path(entry.path)], missing_for(suffix) or NO_IMAGE)
                elif is_marked(Path(entry.path)):
                    left_out.add([Path(entry.path)], RUNS)
                else:
                    yield from _list_images(Path(entry.path), suffixes, left_out)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be listed ({error.strerror}); check the path and its permissions"
        ) from error


def read_rgb(path: Path, stretch: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Decode an image of any common format to 8-bit RGB.

    EXIF rotation is applied, grey becomes three equal channels, alpha is dropped, a palette is looked up,
    and 16 bits are scaled to 8 (divided by 257, rounded).

    Args:
        path: The file; its name may hold spaces and characters outside ASCII.
        stretch: Values that become black and white in TIFFs of floats or of one channel of 16 bits; it has no effect on
            other images.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Raises:
        UnreadableImageError: The file is missing, truncated, or not an image.
    """
    data = _read_bytes(path)
    if is_heif_or_avif(data[:32].tobytes()):
        return _read_by_pillow(path)
    if data[:4].tobytes() in _TIFF_STARTS:
        image = _decode_tiff(path, data, stretch)
    else:
        image = _decode(path, data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    raise UnreadableImageError(
        path, f"its pixels are {image.dtype}; say which values are black and white, or save it with 8 or 16 bits"
    )


def read_index_map(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode a map of ids: one number a pixel, never changed by a palette, a colour profile or EXIF rotation.

    Args:
        path: A single-channel PNG (8 or 16 bits, or indexed: the indices are the ids). Three equal channels pass too.

    Returns:
        ``(H, W)`` uint8 or uint16 ids.

    Raises:
        UnreadableImageError: The file is missing, truncated, not an image, or a colour image.
    """
    data = _read_bytes(path)
    header = data[: _PNG_COLOR_TYPE + 1].tobytes()
    if header.startswith(_PNG_START) and header[-1] == _PNG_PALETTE:
        return _read_palette_indices(path)
    image = _decode(path, data, cv2.IMREAD_UNCHANGED)
    if image.ndim == 3:
        if not (image[..., 0] == image[..., 1]).all() or not (image[..., 0] == image[..., 2 % image.shape[2]]).all():
            raise UnreadableImageError(
                path, "this is a colour image; expected one channel of ids (labelIds, not color)"
            )
        image = np.ascontiguousarray(image[..., 0])
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    if image.dtype == np.uint16:
        return image.astype(np.uint16, copy=False)
    raise UnreadableImageError(path, f"its pixels are {image.dtype}; expected ids of 8 or 16 bits")


def image_size(path: Path) -> tuple[int, int]:
    """Return the size that ``read_rgb`` would give, from the file's header alone if Pillow knows the format.

    Args:
        path: The image file.

    Returns:
        ``(height, width)`` in pixels, EXIF rotation applied.

    Raises:
        UnreadableImageError: The file is missing or not an image.
    """
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        register_heif()
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(_EXIF_ORIENTATION) in _SIDEWAYS
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError):
        height, width = read_rgb(path).shape[:2]
        return height, width
    except OSError as error:
        raise UnreadableImageError(path, _reason(error)) from error
    return (width, height) if sideways else (height, width)


def _read_bytes(path: Path) -> NDArray[np.uint8]:
    """Read a whole file; unlike ``cv2.imread``, this works with names outside the system's code page."""
    try:
        data: NDArray[np.uint8] = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UnreadableImageError(path, _reason(error)) from error
    if data.size == 0:
        raise UnreadableImageError(path, "the file is empty")
    return data


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _decode(path: Path, data: NDArray[np.uint8], flags: int) -> NDArray[np.generic]:
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise UnreadableImageError(path, f"cannot be decoded ({error.err or error})") from error
    if image is None or _is_cut_jpeg(data):
        raise UnreadableImageError(path, "cannot be decoded: not an image, truncated, or of an unknown format")
    return image


def _is_cut_jpeg(data: NDArray[np.uint8]) -> bool:
    """Say whether a JPEG lacks the end marker after its last scan; decoders fill up such an image with grey."""
    if data[:2].tobytes() != _JPEG_START:
        return False
    content = data.tobytes()
    end = content.rfind(_JPEG_END)
    return end < 0 or content.find(_JPEG_SCAN, end) >= 0


def _decode_tiff(path: Path, data: NDArray[np.uint8], stretch: tuple[float, float] | None) -> NDArray[np.generic]:
    """Decode a TIFF to ``(H, W, 3)`` RGB; measured values become 8 bits if ``stretch`` is given."""
    if stretch is not None:
        values = _decode(path, data, cv2.IMREAD_UNCHANGED)
        if is_measured(values):
            return stretch_to_rgb(values if values.ndim == 2 else values[..., 2::-1], *stretch)
    try:
        # OpenCV 5.0 mixes up neighbouring pixels where it is asked for 16 bits as RGB; as BGR it does not
        image = _decode(path, data, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH)[..., ::-1]
    except UnreadableImageError:
        image = _decode(path, data, cv2.IMREAD_UNCHANGED)  # one channel of floats, which has no colour
    return _without_tiff_alpha(path, np.ascontiguousarray(image))


def _without_tiff_alpha(path: Path, decoded: NDArray[np.generic]) -> NDArray[np.generic]:
    """Read the stored colours of an RGBA TIFF with Pillow, because OpenCV's decoder multiplies them by alpha."""
    try:
        with Image.open(path) as image:
            if image.mode != "RGBA":
                return decoded
            return np.array(ImageOps.exif_transpose(image))[..., :3]
    except (OSError, SyntaxError, ValueError):
        return decoded  # kinds that Pillow does not know, such as 16 bits a channel, have no such trouble


def _read_by_pillow(path: Path) -> NDArray[np.uint8]:
    register_heif()
    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        missing = missing_for(path.suffix.lower())
        reason = f"cannot be decoded without it: {missing}" if missing else f"cannot be decoded ({error})"
        raise UnreadableImageError(path, reason) from error


def _read_palette_indices(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return np.array(image, np.uint8)
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableImageError(path, f"cannot be decoded ({error})") from error
