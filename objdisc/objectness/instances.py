"""Objectness from a data set's own instance masks: one region per instance, its class unread."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.masks import regions_from_runs
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample


class Instances(ObjectnessSource):
    """Instance masks of the data set (Cityscapes: instanceIds of the foreground classes)."""

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Make one region of each instance, as ``ObjectnessSource`` describes."""
        runs = dataset.read_instance_runs(sample)
        if runs is None:
            raise UnreadableImageError(
                sample.image_path, "it has no instance mask; add one or use --objectness windows"
            )
        regions = regions_from_runs(runs)
        return [regions[number] for number in runs.order]

    def fingerprint(self) -> dict[str, Any]:
        """Return the source's name: it has no settings."""
        return {"source": "instances"}

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the data set's mask files."""
        return dataset.mask_paths(sample)

    def check(self, dataset: ImageDataset) -> None:
        """Ask for at least one image with masks.

        Raises:
            UsageError: No image of the data set has any.
        """
        if not any(dataset.mask_paths(sample) for sample in dataset.samples):
            raise UsageError(
                f"{dataset.root}: no instance masks; use --objectness folder (masks of another program), "
                "windows (no masks needed) or whole (each image is one object)."
            )
