"""What every source of class-agnostic regions offers."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.imaging.masks import decode_mask, encode_mask, region_from_mask
from objdisc.types import Region, Sample

__all__ = ["ObjectnessSource", "decode_mask", "encode_mask", "region_from_mask"]


class ObjectnessSource(ABC):
    """Finds the parts of an image that may hold an object; it reads no class.

    Sources are pickled to the processes that build patches: keep settings in them, not data.

    Attributes:
        outlines: True where the regions are outlines of objects: small ones may then be dropped, and what the outlines
            leave free is background. False where a region is only a place to look at.
        in_process: True where the source cannot travel to another process, such as one that holds a network.
    """

    outlines: ClassVar[bool] = True
    in_process: bool = False

    @abstractmethod
    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Find the regions of one image.

        Args:
            dataset: Where masks are read from.
            sample: The image.
            image: ``(H, W, 3)`` uint8 RGB, what ``dataset.read_image(sample)`` returned.

        Returns:
            Regions in an order that depends on the image alone; empty where there is none.

        Raises:
            UnreadableImageError: The image's mask is missing, unreadable, or of another size than the image.
        """

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Return every setting that changes the regions, as JSON values: part of the key of a ``PatchStore``."""

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the existing files, beside the image, that the sample's regions are read from."""
        del dataset, sample
        return ()

    def check(self, dataset: ImageDataset) -> None:  # noqa: B027 - most sources need nothing of the data set
        """Say before any work whether the data set can serve this source at all.

        Raises:
            UsageError: It cannot; the message names the sources that can.
        """
