"""What every data set offers: images, class-agnostic masks, and, apart from them, class labels for the evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.images import image_size, read_index_map, read_rgb
from objdisc.errors import UnreadableImageError
from objdisc.types import Sample


class ImageDataset(ABC):
    """A split of a data set on disk: its samples, and how to read what belongs to each.

    Training code reads images, instances and foreground; none of them carries a class.
    ``read_labels`` is for ``objdisc.evaluation`` alone.

    Attributes:
        root: The data set's folder.
        split: ``train``, ``val``, ``test``, or ``""`` where the data set has no splits.
        samples: The images, sorted by name.
        class_names: Label id to name, all ids; empty without ground truth.
        class_colors: Label id to RGB, 0 to 255; the keys of ``class_names``.
        ignore_ids: Label ids that an evaluation leaves out.
    """

    root: Path
    split: str
    samples: tuple[Sample, ...]
    class_names: Mapping[int, str]
    class_colors: Mapping[int, tuple[int, int, int]]
    ignore_ids: frozenset[int]

    @property
    @abstractmethod
    def has_ground_truth(self) -> bool:
        """Whether any sample has class labels."""

    def read_image(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode a sample's image as ``images.read_rgb`` does.

        Returns:
            ``(H, W, 3)`` uint8 RGB.

        Raises:
            UnreadableImageError: The file is missing, truncated, or not an image.
        """
        return read_rgb(sample.image_path)

    @abstractmethod
    def read_instances(self, sample: Sample) -> NDArray[np.int32] | None:
        """Read the object instances of the chosen foreground classes, without their classes.

        Returns:
            ``(H, W)`` int32: 0 where there is no object, instances 1, 2, ... in raster order of their first pixel,
            so that the numbers tell nothing of the class. None without ground truth.

        Raises:
            UnreadableImageError: The mask cannot be decoded or has another size than its image.
        """

    @abstractmethod
    def read_foreground(self, sample: Sample) -> NDArray[np.bool_] | None:
        """Read the union of the chosen foreground classes.

        Returns:
            ``(H, W)`` bool; None without ground truth.

        Raises:
            UnreadableImageError: The mask cannot be decoded or has another size than its image.
        """

    @abstractmethod
    def is_foreground(self, sample: Sample) -> bool | None:
        """Say whether the whole image shows an object of the chosen classes; None where that is unknown."""

    @abstractmethod
    def mask_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the existing files that ``read_instances`` and ``read_foreground`` read, for cache keys."""

    @abstractmethod
    def read_labels(self, sample: Sample) -> NDArray[np.uint8] | None:
        """Read the class of each pixel. For the evaluation only: training code never calls this.

        Returns:
            ``(H, W)`` uint8 label ids; None without ground truth.

        Raises:
            UnreadableImageError: The label map cannot be decoded or has another size than its image.
        """


def read_map_of(sample: Sample, path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read a map of ids that belongs to an image, and hold it to the image's size.

    A map is never rotated by guess: where an image carries EXIF rotation, the map must have the size of the upright
    image, and a map of the stored, unrotated size is an error that says so.

    Args:
        sample: The image.
        path: Its map of ids.

    Returns:
        ``(H, W)`` uint8 or uint16.

    Raises:
        UnreadableImageError: The map cannot be decoded or has another size than its image.
    """
    ids = read_index_map(path)
    height, width = image_size(sample.image_path)
    if ids.shape != (height, width):
        found = f"{ids.shape[1]}x{ids.shape[0]} pixels, but its image {sample.image_path} has {width}x{height}"
        if ids.shape == (width, height):
            fix = "if the image carries EXIF rotation, rotate the map with it or remove the tag from the image"
        else:
            fix = "export the map in the image's size (nearest neighbour) or remove it"
        raise UnreadableImageError(path, f"{found}; {fix}")
    return ids
