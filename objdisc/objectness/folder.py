"""Objectness from a folder of masks that another program wrote: a PNG per image."""

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.maps import hold_to_size
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import read_index_map
from objdisc.imaging.masks import regions_from_binary, regions_from_map
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample


class Folder(ObjectnessSource):
    """Masks in a folder of their own, matched to the images by name.

    The mask of ``munich/munich_000001_000019_leftImg8bit.png`` is the first of these that exists:
    ``munich/munich_000001_000019.png``, ``munich/munich_000001_000019_leftImg8bit.png``, and the same two without
    ``munich/``. Names without their subfolder are only used if no other image of the data set has the same name.

    A mask has one channel of 8 or 16 bits, 0 = no object. ``auto`` distinguishes two codings image by image: a single
    value besides 0 (0/1, 0/255) is ``binary``, several are ``instances``. Instance masks in which an image may hold a
    single instance of several parts need an explicit ``instances``; grey-level maps need a threshold first.

    Args:
        masks: The folder.
        mode: ``binary``: pixels other than 0 are objects, one region per 8-connected component. ``instances``: one
            region per value, connected or not. ``auto``: see above.
    """

    def __init__(self, masks: Path, mode: Literal["auto", "binary", "instances"] = "auto") -> None:
        if mode not in {"auto", "binary", "instances"}:
            raise UsageError(f"mode {mode!r} of the mask folder {masks}: choose auto, binary or instances.")
        self.masks = masks
        self.mode = mode
        self._shared_names: frozenset[str] | None = None

    @property
    def supervision(self) -> str:
        """What is known about the masks: only their folder."""
        return f"whatever made the masks in {self.masks}"

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Read the sample's mask, as ``ObjectnessSource`` describes."""
        paths = self.files(dataset, sample)
        if not paths:
            wanted = self.masks / f"{sample.name}.png"
            raise UnreadableImageError(wanted, f"no mask for {sample.image_path}; write one (all 0: no object) there")
        values = read_index_map(paths[0])
        hold_to_size(sample, paths[0], values.shape, (image.shape[0], image.shape[1]))
        present = np.flatnonzero(np.bincount(values.ravel()))
        numbers = present[present > 0]
        if self.mode == "binary" or (self.mode == "auto" and numbers.size <= 1):
            return regions_from_binary(values > 0)
        rank = np.zeros(int(present[-1]) + 1, dtype=np.int32)
        rank[numbers] = np.arange(1, numbers.size + 1)
        return regions_from_map(rank[values])

    def fingerprint(self) -> dict[str, Any]:
        """Return the coding; the mask files themselves are in the key by name, size and time."""
        return {"source": "folder", "mode": self.mode}

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the sample's mask, if there is one."""
        name, stem = PurePosixPath(sample.name), sample.image_path.stem
        candidates = [self.masks / f"{name}.png", self.masks / name.parent / f"{stem}.png"]
        if name.name not in self._names_of_several(dataset):
            candidates += [self.masks / f"{name.name}.png", self.masks / f"{stem}.png"]
        return next(((path,) for path in candidates if path.is_file()), ())

    def check(self, dataset: ImageDataset) -> None:
        """Check that the folder exists and that at least one mask in it fits an image.

        Raises:
            UsageError: The folder or a fitting mask is missing.
        """
        if not self.masks.is_dir():
            raise UsageError(f"{self.masks}: no such folder of masks; check the path given with --objectness folder.")
        if not any(self.files(dataset, sample) for sample in dataset.samples):
            wanted = self.masks / f"{dataset.samples[0].name}.png"
            raise UsageError(f"{self.masks}: no PNG there has the name of an image; expected for instance {wanted}")

    def _names_of_several(self, dataset: ImageDataset) -> frozenset[str]:
        """Return the last parts of names that several samples share, which are ambiguous in a flat folder."""
        if self._shared_names is None:
            counts = Counter(PurePosixPath(sample.name).name for sample in dataset.samples)
            self._shared_names = frozenset(name for name, count in counts.items() if count > 1)
        return self._shared_names
