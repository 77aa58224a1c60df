"""Objectness of single-object images: the whole image is one region."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample


class Whole(ObjectnessSource):
    """Each image is an object, or background if the data set says that it is none (CIFAR-10: other classes)."""

    outlines: ClassVar[bool] = False

    @classmethod
    def serves(cls, dataset: ImageDataset) -> bool:
        """Whether the data set's knowledge is of whole images: their classes, or that they are objects."""
        return dataset.labels_whole_images or dataset.is_foreground(dataset.samples[0]) is not None

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Make one region of the image, as ``ObjectnessSource`` describes."""
        height, width = image.shape[:2]
        foreground = dataset.is_foreground(sample) is not False
        return [Region((0, 0, width, height), height * width, foreground=foreground, score=float(foreground))]

    def fingerprint(self) -> dict[str, Any]:
        """Return the source's name: it has no settings."""
        return {"source": "whole"}
