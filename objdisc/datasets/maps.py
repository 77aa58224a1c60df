"""Reading of maps of ids that belong to an image, with a check of their size."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UnreadableImageError
from objdisc.imaging.decode import image_size, read_index_map
from objdisc.types import Sample

_LARGEST_LABEL = 255


def read_map_of(sample: Sample, path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read a map of ids that belongs to an image, and check that it has the image's size.

    A map is never rotated by guess: if an image has EXIF rotation, the map must have the size of the upright image, and
    the error for a map of the stored, unrotated size says so.

    Args:
        sample: The image.
        path: Its map of ids.

    Returns:
        ``(H, W)`` uint8 or uint16.

    Raises:
        UnreadableImageError: The map cannot be decoded or has another size than its image.
    """
    ids = read_index_map(path)
    hold_to_size(sample, path, ids.shape, image_size(sample.image_path))
    return ids


def read_label_map(sample: Sample, path: Path) -> NDArray[np.uint8]:
    """Read a map of 8-bit label ids that belongs to an image.

    Returns:
        ``(H, W)`` uint8.

    Raises:
        UnreadableImageError: As ``read_map_of``, or an id is above 255.
    """
    ids = read_map_of(sample, path)
    if ids.dtype != np.uint8 and ids.max(initial=0) > _LARGEST_LABEL:
        raise UnreadableImageError(path, f"holds the id {ids.max()}; label ids go up to 255 (is this instanceIds?)")
    return ids.astype(np.uint8, copy=False)


def hold_to_size(sample: Sample, path: Path, size: tuple[int, ...], wanted: tuple[int, int]) -> None:
    """Refuse a map that does not fit its image.

    Args:
        sample: The image.
        path: Its map.
        size: ``(height, width)`` of the map in pixels.
        wanted: ``(height, width)`` of the image.

    Raises:
        UnreadableImageError: The image has another size.
    """
    height, width = wanted
    if size[:2] != (height, width):
        found = f"{size[1]}x{size[0]} pixels, but its image {sample.image_path} has {width}x{height}"
        if size[:2] == (width, height):
            fix = "if the image carries EXIF rotation, rotate the map with it or remove the tag from the image"
        else:
            fix = "export the map in the image's size (nearest neighbour) or remove it"
        raise UnreadableImageError(path, f"{found}; {fix}")
