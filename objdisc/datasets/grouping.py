"""How pixels are read: which classes are scored separately, which pixels take part, and at what scale."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError

Scalar = TypeVar("Scalar", bound=np.generic)

IGNORED = 255  # label id of every pixel that no group holds


@dataclass(frozen=True)
class DataOptions:
    """How the pixels of a data set are read.

    Attributes:
        classes: Groups of label ids that are scored as one class each, by name, such as
            {sky: [23], ground: [7, 8], plants: [21]}; all other pixels are left out of training (which learns nothing
            more about them) and of scoring. Without groups, the data set's own classes and all pixels are used.
        scale: Factor by which images and maps are scaled.
        channels: Number of bands to read, such as 4 for red, green, blue and infrared; by default all of the data set's
            layout, usually red, green and blue.
        stretch: Two values, separated by a comma, that become black and white in TIFFs of floats or of one channel of
            16 bits (depth, thermal); by default percentiles 1 and 99 of a sample of the images.
        only: Text file with one image name a line; all other images are left out.
        min_side: Leave out images with a side of fewer pixels, before scaling.
        min_share: Leave out images in which a smaller share of pixels takes part, 0 to 1.
        folder_classes: Whether the subfolders of a folder of images without splits are classes for scoring; with
            splits, ``SPLIT/CLASS/``, they always are.
    """

    classes: dict[str, list[int]] | None = None
    scale: float = 1.0
    channels: int | None = None
    stretch: tuple[float, float] | None = None
    only: str | None = None
    min_side: int = 0
    min_share: float = 0.0
    folder_classes: bool = False

    def __post_init__(self) -> None:
        """Check the values that can be checked without data.

        Raises:
            UsageError: A number is out of its range, or a group is empty, shares an id with another, or holds an id
                outside 0 to 255.
        """
        if not 0 < self.scale <= 8:
            raise UsageError(f"--data.scale {self.scale}: give a factor above 0 and at most 8, such as 0.5.")
        if self.channels is not None and self.channels < 1:
            raise UsageError(f"--data.channels {self.channels}: give the number of bands to read, at least 1.")
        if self.min_side < 0 or not 0 <= self.min_share <= 1:
            raise UsageError(
                f"--data.min-side {self.min_side}, --data.min-share {self.min_share}: "
                "give pixels of at least 0 and a share from 0 to 1."
            )
        if self.stretch is not None and not (
            all(map(math.isfinite, self.stretch)) and self.stretch[0] < self.stretch[1]
        ):
            raise UsageError(f"--data.stretch {self.stretch}: give two values, the lower first, such as 0.5,80.")
        if self.classes is not None:
            check_groups(self.classes)

    @property
    def valid_ids(self) -> tuple[int, ...] | None:
        """All grouped label ids, sorted, without the grouping; None without groups."""
        return None if self.classes is None else tuple(sorted(label for ids in self.classes.values() for label in ids))

    def of_any_images(self) -> "DataOptions":
        """Return the options for other images: scale, bands and stretch, without classes and choice of images."""
        return DataOptions(scale=self.scale, channels=self.channels, stretch=self.stretch)

    def fingerprint(self) -> dict[str, Any]:
        """Return what images and valid pixels depend on, for cache keys: no class, no order."""
        known: dict[str, Any] = {"valid_ids": self.valid_ids, "scale": self.scale}
        return known if self.stretch is None else known | {"stretch": list(self.stretch)}


def check_groups(classes: Mapping[str, Sequence[int]]) -> None:
    """Check that there is at least one group, that none is empty, and that ids are unique and from 0 to 255.

    Raises:
        UsageError: One of these does not hold.
    """
    if not classes:
        raise UsageError("--data.classes is empty; name at least one group of label ids, such as {sky: [23]}.")
    owner: dict[int, str] = {}
    for name, ids in classes.items():
        if not ids:
            raise UsageError(f"--data.classes: group {name!r} has no label id; give some, or leave it out.")
        for label in ids:
            if not 0 <= label <= IGNORED:
                raise UsageError(f"--data.classes: group {name!r} holds {label}; label ids go from 0 to {IGNORED}.")
            if label in owner:
                raise UsageError(
                    f"--data.classes: label id {label} is in {owner[label]!r} and in {name!r}; choose one."
                )
            owner[label] = name


def group_ids(labels: NDArray[np.uint8], classes: Mapping[str, Sequence[int]]) -> NDArray[np.uint8]:
    """Turn label ids into the numbers of their groups.

    Args:
        labels: ``(H, W)`` label ids.
        classes: Group name to label ids; groups are numbered 0, 1, ... in this order.

    Returns:
        ``(H, W)`` group numbers; ``IGNORED`` where no group holds the id.
    """
    table = np.full(256, IGNORED, np.uint8)
    for number, ids in enumerate(classes.values()):
        table[list(ids)] = number
    return cv2.LUT(labels, table).astype(np.uint8, copy=False)


def ids_among(labels: NDArray[np.uint8], ids: Iterable[int]) -> NDArray[np.bool_]:
    """Say where a map holds one of some label ids; ``(H, W)`` bool."""
    table = np.zeros(256, np.uint8)
    table[list(ids)] = 1
    return cv2.LUT(labels, table).astype(np.uint8, copy=False).view(np.bool_)


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return the size of a scaled image, rounded, at least one pixel a side."""
    return max(round(height * scale), 1), max(round(width * scale), 1)


def scale_image(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Scale an image: averages over the covered area when it shrinks, bilinear when it grows.

    Args:
        image: ``(H, W, C)`` uint8.
        scale: Factor; 1 returns the image itself.
    """
    if scale == 1:
        return image
    height, width = scaled_size(image.shape[0], image.shape[1], scale)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=way).reshape(height, width, -1).astype(np.uint8, copy=False)


def scale_map(ids: NDArray[Scalar], scale: float) -> NDArray[Scalar]:
    """Scale a ``(H, W)`` map of ids or a mask: each pixel takes the value at its centre, so no new id appears."""
    if scale == 1:
        return ids
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for old, new in zip(ids.shape, scaled_size(ids.shape[0], ids.shape[1], scale), strict=True)
    )
    scaled: NDArray[Scalar] = ids[rows[:, None], columns]
    return scaled
