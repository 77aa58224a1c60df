"""Objectness from the union of the foreground classes: one region per connected component."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.masks import regions_from_binary
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample


class Foreground(ObjectnessSource):
    """8-connected components of the foreground map; objects that touch become one region."""

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Make one region of each component, as ``ObjectnessSource`` describes."""
        foreground = dataset.read_foreground(sample)
        if foreground is None:
            raise UnreadableImageError(sample.image_path, "it has no label map; add one or use --objectness windows")
        return regions_from_binary(foreground)

    def fingerprint(self) -> dict[str, Any]:
        """Return the source's name: it has no settings."""
        return {"source": "foreground"}

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the data set's mask files."""
        return dataset.mask_paths(sample)

    def check(self, dataset: ImageDataset) -> None:
        """Ask for at least one image whose foreground is known.

        Raises:
            UsageError: No image of the data set has any.
        """
        if not any(dataset.mask_paths(item) or dataset.is_foreground(item) is not None for item in dataset.samples):
            raise UsageError(
                f"{dataset.root}: no label maps; use --objectness folder (masks of another program), "
                "windows (no masks needed) or whole (each image is one object)."
            )
