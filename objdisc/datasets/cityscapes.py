"""Cityscapes layout: street scenes with class and instance maps (Cordts et al., CVPR 2016, cityscapes-dataset.com)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import labels as cityscapes_labels
from numpy.typing import NDArray

from objdisc.datasets.grouping import scale_map
from objdisc.datasets.listing import SPLITS, find_root, maps_by_name, samples_of
from objdisc.datasets.maps import read_map_of
from objdisc.datasets.segmentation import SegmentationDataset
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


class Cityscapes(SegmentationDataset):
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

    title = "Cityscapes"
    foreground: tuple[str, ...]
    ignore_ids = IGNORED_IDS

    def __init__(
        self,
        root: Path,
        split: str = "train",
        foreground: Sequence[str] = MOVING_CLASSES,
        cities: Sequence[str] | None = None,
    ) -> None:
        found = _find_root(root)
        if found is None:
            raise UsageError(
                f"{root}: no {_IMAGES}/ folder there; give the folder that holds {_IMAGES}/ and {_GROUND_TRUTH}/"
            )
        images = _find_images(found, split, cities)
        labels, self._instance_maps = _find_maps(found, split)
        super().__init__(found, split, images, labels, LABEL_NAMES, LABEL_COLORS, foreground)
        self._instance_ids = np.zeros(1 << 16, np.bool_)  # whether an id of 16 bits is an instance of these
        for class_id in self._foreground_ids:
            self._instance_ids[class_id * _INSTANCE_BASE : (class_id + 1) * _INSTANCE_BASE] = True

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or its only child, holds ``leftImg8bit/``."""
        return _find_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return the splits with images: train, val, test, then any others."""
        folders = sorted(folder for folder in ((_find_root(path) or path) / _IMAGES).iterdir() if folder.is_dir())
        names = [folder.name for folder in folders if next(_left_images(folder), None) is not None]
        return tuple(sorted(names, key=lambda name: (name not in SPLITS, *map(name.__ne__, SPLITS), name)))

    @property
    def has_instances(self) -> bool:
        """Whether any sample has an instanceIds map."""
        return any(sample.name in self._instance_maps for sample in self.samples)

    def read_instances(self, sample: Sample) -> NDArray[np.int32] | None:
        """Read the instances of the foreground classes from instanceIds, as ``ImageDataset`` describes.

        Ids below 1000 are left out: they are stuff, or groups that the annotators could not separate.
        """
        ids = self._read_instance_ids(sample)
        return None if ids is None else number_instances(ids, self._foreground_ids)

    def read_instance_runs(self, sample: Sample) -> InstanceRuns | None:
        """Read the runs from instanceIds at once: most of the time of a map of numbers goes into painting it."""
        ids = self._read_instance_ids(sample)
        return None if ids is None else find_runs(ids, self._instance_ids)

    def label_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the labelIds and instanceIds files that exist."""
        path = self._instance_maps.get(sample.name)
        return (*super().label_paths(sample), *(() if path is None else (path,)))

    def _read_instance_ids(self, sample: Sample) -> NDArray[np.integer] | None:
        path = self._instance_maps.get(sample.name)
        return None if path is None else scale_map(read_map_of(sample, path), self.options.scale)


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


def _find_root(path: Path) -> Path | None:
    """Find the folder that holds ``leftImg8bit/``: the path, its parent where it is that one, or its only child."""
    is_images = path.name == _IMAGES and path.is_dir() and not (path / _IMAGES).is_dir()
    return path.parent if is_images else find_root(path, f"{_IMAGES}/")


def _left_images(folder: Path) -> "filter[Path]":
    return filter(lambda path: path.stem.endswith(_IMAGE_END), list_images(folder))


def _find_images(root: Path, split: str, cities: Sequence[str] | None) -> dict[str, Path]:
    folder = root / _IMAGES / split
    if not split or not folder.is_dir():
        there = ", ".join(Cityscapes.splits_of(root)) or "none"
        raise UsageError(f"{folder}: no such split; splits with images: {there} (--split)")
    # Sorted by suffix too: where a frame is there both as .jpg and .png, the lossless .png comes last and stays.
    paths = sorted(_left_images(folder))
    names = (path.relative_to(folder).as_posix().removesuffix(path.suffix).removesuffix(_IMAGE_END) for path in paths)
    images = dict(zip(names, paths, strict=True))
    if not images:
        raise UsageError(
            f"{folder}: no image named *{_IMAGE_END}.png or .jpg in it; check the path or choose another --split"
        )
    if cities is None:
        return images
    samples = samples_of(images, split)
    known = sorted({sample.city for sample in samples})
    missing = [city for city in cities if city not in known]
    if missing or not cities:
        raise UsageError(f"{folder}: no city {', '.join(missing) or 'was named'}; cities there: {', '.join(known)}")
    return {sample.name: sample.image_path for sample in samples if sample.city in cities}


def _find_maps(root: Path, split: str) -> tuple[dict[str, Path], dict[str, Path]]:
    """Find the labelIds and the instanceIds maps of a split, each by the name of its image."""
    # The zip files of cityscapes-dataset.com, unpacked each into its own folder, put the two trees side by side.
    tops = (root / _GROUND_TRUTH, root.parent / "gtFine_trainvaltest" / _GROUND_TRUTH)
    found = next((maps_by_name(top / split) for top in tops if (top / split).is_dir()), {})
    labels, instances = (
        {name.removesuffix(end): path for name, path in found.items() if name.endswith(end)}
        for end in (f"_{_GROUND_TRUTH}_labelIds", f"_{_GROUND_TRUTH}_instanceIds")
    )
    return labels, instances
