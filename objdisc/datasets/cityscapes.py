"""Cityscapes layout: street scenes with class and instance maps (Cordts et al., CVPR 2016, cityscapes-dataset.com)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import labels as cityscapes_labels
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import Reading, ids_among, scale_map
from objdisc.datasets.maps import read_label_map, read_map_of
from objdisc.errors import UsageError
from objdisc.imaging.decode import list_images
from objdisc.imaging.runs import InstanceRuns, find_runs
from objdisc.types import Sample

LABEL_NAMES: Mapping[int, str] = {label.id: label.name for label in cityscapes_labels if label.id >= 0}
LABEL_COLORS: Mapping[int, tuple[int, int, int]] = {
    label.id: label.color for label in cityscapes_labels if label.id >= 0
}
LABEL_IDS: Mapping[str, int] = {name: label_id for label_id, name in LABEL_NAMES.items()}
IGNORED_IDS = frozenset(label.id for label in cityscapes_labels if label.id >= 0 and label.ignoreInEval)
MOVING_CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")

_IMAGES, _GROUND_TRUTH = "leftImg8bit", "gtFine"
_IMAGE_END = "_leftImg8bit"
_INSTANCE_BASE = 1000  # instanceIds: class id * 1000 + number; a bare class id is stuff or a group
_SPLIT_ORDER = ("train", "val", "test")


class Cityscapes(ImageDataset):
    """One split of a folder in Cityscapes layout.

    Layout (``png`` may be ``jpg`` or ``jpeg`` for the images)::

        leftImg8bit/<split>/<city>/<city>_<seq>_<frame>_leftImg8bit.png
        gtFine/<split>/<city>/<city>_<seq>_<frame>_gtFine_labelIds.png      8 bits
        gtFine/<split>/<city>/<city>_<seq>_<frame>_gtFine_instanceIds.png   16 bits

    Ground truth may be missing for any image, or altogether. Labels, names and colours: cityscapesscripts.

    Args:
        root: The folder that holds ``leftImg8bit/``, that folder itself, or its grandparent if it holds only one.
        split: A subfolder of ``leftImg8bit/``.
        foreground: Names of the classes that are objects; their union is all that a class-agnostic mask tells.
        cities: Only these cities; None for all.

    Raises:
        UsageError: Folder, split or city missing, no image in it, or an unknown class name.
    """

    def __init__(
        self,
        root: Path,
        split: str = "train",
        foreground: Sequence[str] = MOVING_CLASSES,
        cities: Sequence[str] | None = None,
    ) -> None:
        found = find_cityscapes_root(root)
        if found is None:
            raise UsageError(
                f"{root}: no {_IMAGES}/ folder there; give the folder that holds {_IMAGES}/ and {_GROUND_TRUTH}/"
            )
        self.root = found
        self.split = split
        self.foreground = tuple(foreground)
        self._foreground_ids = _ids_of(self.foreground)
        self._instance_ids = np.zeros(1 << 16, np.bool_)  # whether an id of 16 bits is an instance of these
        for class_id in self._foreground_ids:
            self._instance_ids[class_id * _INSTANCE_BASE : (class_id + 1) * _INSTANCE_BASE] = True
        self.samples = _find_samples(found, split, cities)
        self._ground_truth = _find_ground_truth(found, split)
        self._has_ground_truth = any(self._map_path(sample, "labelIds") is not None for sample in self.samples)
        self.class_names = LABEL_NAMES if self._has_ground_truth else {}
        self.class_colors = LABEL_COLORS if self._has_ground_truth else {}
        self.ignore_ids = IGNORED_IDS

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or its only child, holds ``leftImg8bit/``."""
        return find_cityscapes_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return the splits with images: train, val, test, then any others."""
        return cityscapes_splits(find_cityscapes_root(path) or path)

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, reading: Reading) -> ImageDataset:
        """Open a split, as ``ImageDataset`` describes."""
        return cls(path, split, MOVING_CLASSES if foreground is None else foreground)

    @property
    def has_ground_truth(self) -> bool:
        """Whether any sample has a labelIds map."""
        return self._has_ground_truth

    @property
    def has_instances(self) -> bool:
        """Whether any sample has an instanceIds map."""
        return any(self._map_path(sample, "instanceIds") is not None for sample in self.samples)

    def read_instances(self, sample: Sample) -> NDArray[np.int32] | None:
        """Read the instances of the foreground classes from instanceIds, as ``ImageDataset`` describes.

        Ids below 1000 are left out: they are stuff, or groups that the annotators could not separate.
        """
        path = self._map_path(sample, "instanceIds")
        if path is None:
            return None
        ids: NDArray[np.integer] = scale_map(read_map_of(sample, path), self.reading.scale)
        return number_instances(ids, self._foreground_ids)

    def read_instance_runs(self, sample: Sample) -> InstanceRuns | None:
        """Read the runs from instanceIds at once: most of the time of a map of numbers goes into painting it."""
        path = self._map_path(sample, "instanceIds")
        if path is None:
            return None
        return find_runs(scale_map(read_map_of(sample, path), self.reading.scale), self._instance_ids)

    def read_foreground(self, sample: Sample) -> NDArray[np.bool_] | None:
        """Read where labelIds holds any foreground class, as ``ImageDataset`` describes."""
        labels = self._read_class_ids(sample)
        return None if labels is None else scale_map(ids_among(labels, self._foreground_ids), self.reading.scale)

    def is_foreground(self, sample: Sample) -> bool | None:
        """Return None: a street scene is no single object."""
        return None

    def mask_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the labelIds and instanceIds files that exist."""
        paths = (self._map_path(sample, "labelIds"), self._map_path(sample, "instanceIds"))
        return tuple(path for path in paths if path is not None)

    def _read_class_ids(self, sample: Sample) -> NDArray[np.uint8] | None:
        path = self._map_path(sample, "labelIds")
        return None if path is None else read_label_map(sample, path)

    def _map_path(self, sample: Sample, kind: str) -> Path | None:
        return self._ground_truth.get(f"{sample.name}_{_GROUND_TRUTH}_{kind}")


def number_instances(ids: NDArray[np.integer], class_ids: frozenset[int]) -> NDArray[np.int32]:
    """Turn Cityscapes instanceIds into instance numbers that hold no class.

    Args:
        ids: ``(H, W)`` unsigned integers, ``class id * 1000 + number`` for an instance.
        class_ids: Classes to keep.

    Returns:
        ``(H, W)`` int32: 0, and 1, 2, ... in raster order of each instance's first pixel.
    """
    numbers = np.zeros(ids.shape, np.int32)
    # Only where instances are, and of each run its first pixel alone: most of a frame need not be looked at.
    x, y, width, height = cv2.boundingRect((ids >= _INSTANCE_BASE).view(np.uint8))
    if width:
        part = np.ascontiguousarray(ids[y : y + height, x : x + width])
        flat = part.ravel()
        heads = flat[np.append(True, flat[1:] != flat[:-1])]
        found = dict.fromkeys(heads[heads >= _INSTANCE_BASE].tolist())  # by first appearance
        kept = [instance for instance in found if instance // _INSTANCE_BASE in class_ids]
        table = np.zeros(int(heads.max()) + 1, np.int32)
        table[kept] = np.arange(1, len(kept) + 1)
        numbers[y : y + height, x : x + width] = table[part]
    return numbers


def find_cityscapes_root(path: Path) -> Path | None:
    """Find the folder that holds ``leftImg8bit/``: the path, its parent where it is that one, or its only child."""
    if (path / _IMAGES).is_dir():
        return path
    if path.name == _IMAGES and path.is_dir():
        return path.parent
    below = [folder.parent for folder in path.glob(f"*/{_IMAGES}") if folder.is_dir()]
    return below[0] if len(below) == 1 else None


def cityscapes_splits(root: Path) -> tuple[str, ...]:
    """Return the splits below ``root/leftImg8bit`` that hold an image: train, val, test first, then any others."""
    folders = sorted(folder for folder in (root / _IMAGES).iterdir() if folder.is_dir())
    names = [folder.name for folder in folders if next(_left_images(folder), None) is not None]
    return tuple(sorted(names, key=lambda name: (name not in _SPLIT_ORDER, *map(name.__ne__, _SPLIT_ORDER), name)))


def _ids_of(names: Sequence[str]) -> frozenset[int]:
    unknown = [name for name in names if name not in LABEL_IDS]
    if unknown or not names:
        raise UsageError(f"foreground: {', '.join(unknown) or 'empty'}; Cityscapes classes are {', '.join(LABEL_IDS)}")
    return frozenset(LABEL_IDS[name] for name in names)


def _left_images(folder: Path) -> "filter[Path]":
    return filter(lambda path: path.stem.endswith(_IMAGE_END), list_images(folder))


def _find_samples(root: Path, split: str, cities: Sequence[str] | None) -> tuple[Sample, ...]:
    folder = root / _IMAGES / split
    if not split or not folder.is_dir():
        there = ", ".join(cityscapes_splits(root)) or "none"
        raise UsageError(f"{folder}: no such split; splits with images: {there} (--split)")
    samples: dict[str, Sample] = {}
    # Sorted by suffix too: where a frame is there both as .jpg and .png, the lossless .png comes last and stays.
    for path in sorted(_left_images(folder)):
        below = path.relative_to(folder)
        name = below.as_posix().removesuffix(path.suffix).removesuffix(_IMAGE_END)
        city = below.parts[0] if len(below.parts) > 1 else ""
        samples[name] = Sample(name, path, split, city)
    if not samples:
        raise UsageError(
            f"{folder}: no image named *{_IMAGE_END}.png or .jpg in it; check the path or choose another --split"
        )
    if cities is not None:
        known = sorted({sample.city for sample in samples.values()})
        missing = [city for city in cities if city not in known]
        if missing or not cities:
            raise UsageError(f"{folder}: no city {', '.join(missing) or 'was named'}; cities there: {', '.join(known)}")
        samples = {name: sample for name, sample in samples.items() if sample.city in cities}
    return tuple(samples[name] for name in sorted(samples))


def _find_ground_truth(root: Path, split: str) -> dict[str, Path]:
    """Map ``<city>/<frame>_gtFine_<kind>`` to its file, listing each folder once instead of probing every name."""
    # The zip files of cityscapes-dataset.com, unpacked each into its own folder, put the two trees side by side.
    for top in (root / _GROUND_TRUTH, root.parent / "gtFine_trainvaltest" / _GROUND_TRUTH):
        folder = top / split
        if folder.is_dir():
            maps = (path for path in list_images(folder) if path.suffix.lower() == ".png")
            return {path.relative_to(folder).with_suffix("").as_posix(): path for path in maps}
    return {}
