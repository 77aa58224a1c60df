"""Cityscapes layout: street scenes with class and instance maps (Cordts et al., CVPR 2016, cityscapes-dataset.com)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import labels as cityscapes_labels
from numpy.typing import NDArray

from objdisc.datasets.cityscapes_folders import IMAGES, CityscapesFolders, find_folders
from objdisc.datasets.listing import samples_of
from objdisc.datasets.maps import hold_to_size, read_label_map
from objdisc.datasets.polygons import draw_instance_ids, draw_label_ids
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import image_size
from objdisc.types import Sample

Ids = TypeVar("Ids", bound=np.integer)

LABEL_NAMES: Mapping[int, str] = {label.id: label.name for label in cityscapes_labels if label.id >= 0}
LABEL_COLORS: Mapping[int, tuple[int, int, int]] = {
    label.id: label.color for label in cityscapes_labels if label.id >= 0
}
LABEL_IDS: Mapping[str, int] = {name: label_id for label_id, name in LABEL_NAMES.items()}
IGNORED_IDS = frozenset(label.id for label in cityscapes_labels if label.id >= 0 and label.ignoreInEval)
MOVING_CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")

_NO_TRAIN_ID = 255
_OF_TRAIN_IDS = np.full(256, _NO_TRAIN_ID, np.uint8)  # labelIds by trainIds
_OF_TRAIN_IDS[255] = 0  # what is not evaluated becomes "unlabeled"
for _label in cityscapes_labels:
    if _label.trainId not in {-1, 255}:
        _OF_TRAIN_IDS[_label.trainId] = _label.id

_INSTANCE_BASE = 1000  # instanceIds: class id * 1000 + number; a bare class id is stuff or a group


class Cityscapes(SegmentationDataset):
    """One split of a folder in Cityscapes layout.

    Layout (``png`` may be ``jpg`` or ``jpeg`` for the images)::

        leftImg8bit/<split>/<city>/<city>_<seq>_<frame>_leftImg8bit.png
        gtFine/<split>/<city>/<city>_<seq>_<frame>_gtFine_labelIds.png      8 bits
        gtFine/<split>/<city>/<city>_<seq>_<frame>_gtFine_instanceIds.png   16 bits

    ``leftImg8bit_sequence``, ``_foggy``, ``_rain`` and ``_blurred`` are read as images if there are no plain ones or
    that folder itself is given; ``gtCoarse`` is used where ``gtFine`` has no map. Instead of labelIds there may be
    ``*_labelTrainIds.png`` (19 classes, 255 for all else) or ``*_polygons.json``, from which instances are drawn too.
    Ground truth may be missing for any image, or altogether. Labels, names and colours are those of cityscapesscripts.

    Args:
        root: The folder that holds ``leftImg8bit/``, that folder itself, a split in it, a folder with only one such
            folder in it, or a folder of unpacked zip files.
        split: A subfolder of ``leftImg8bit/``.
        foreground: Names of the classes that are objects; a class-agnostic mask shows only their union.
        cities: Only these cities; None for all.

    Attributes:
        has_single_frames: Whether no two images are variants of one frame, which the benchmark's evaluator requires.

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
        found = find_folders(root)
        if found is None:
            raise UsageError(f"{root}: no {IMAGES}/ folder there; give the folder that holds {IMAGES}/ and gtFine/")
        frames = _find_frames(found, split, cities)
        labels, instances = (
            {name: maps[frame] for name, (_, frame) in frames.items() if frame in maps}
            for maps in (found.maps(split), found.maps(split, of_instances=True))
        )
        images = {name: path for name, (path, _) in frames.items()}
        super().__init__(found.root, split, images, labels, LABEL_NAMES, LABEL_COLORS, foreground, instances)
        self.has_single_frames = all(name == frame for name, (_, frame) in frames.items())
        self._instance_ids = np.zeros(1 << 16, np.bool_)  # whether an id of 16 bits is an instance of these
        for class_id in self._foreground_ids:
            self._instance_ids[class_id * _INSTANCE_BASE : (class_id + 1) * _INSTANCE_BASE] = True

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether images of Cityscapes lie in the folder, in one folder in it, or in folders of its zip files."""
        return find_folders(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return the splits with images: train, val, test, then any others."""
        found = find_folders(path)
        return () if found is None else found.splits()

    def read_instances(self, sample: Sample) -> NDArray[np.int32] | None:
        """Read the instances of the foreground classes from instanceIds, as ``ImageDataset`` describes.

        Ids below 1000 are left out: they are stuff, or groups that the annotators could not separate.
        """
        ids = self._read_instance_ids(sample)
        return None if ids is None else number_instances(ids, self._foreground_ids)

    def _decode_labels(self, sample: Sample, path: Path) -> NDArray[np.uint8]:
        if path.suffix == ".json":
            return _held(sample, path, draw_label_ids(path))
        ids = read_label_map(sample, path)
        if not path.stem.endswith("_labelTrainIds"):
            return ids
        unknown = ids[_OF_TRAIN_IDS[ids] == _NO_TRAIN_ID]
        if unknown.size:
            raise UnreadableImageError(path, f"holds the id {unknown[0]}; trainIds go from 0 to 18, 255 is all else")
        return _OF_TRAIN_IDS[ids]

    def _decode_instances(self, sample: Sample, path: Path) -> NDArray[np.integer]:
        if path.suffix == ".json":
            return _held(sample, path, draw_instance_ids(path))
        return super()._decode_instances(sample, path)


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


def _held(sample: Sample, path: Path, ids: NDArray[Ids]) -> NDArray[Ids]:
    hold_to_size(sample, path, ids.shape, image_size(sample.image_path))
    return ids


def _find_frames(found: CityscapesFolders, split: str, cities: Sequence[str] | None) -> Mapping[str, tuple[Path, str]]:
    folder = found.images[0] / split
    if not split or not any((tree / split).is_dir() for tree in found.images):
        there = ", ".join(found.splits()) or "none"
        raise UsageError(f"{folder}: no such split; splits with images: {there} (--split)")
    frames = found.frames(split)
    if not frames:
        raise UsageError(
            f"{folder}: no image named *_{IMAGES}.png or .jpg in it; check the path or choose another --split"
        )
    if cities is None:
        return frames
    city_of = {
        sample.name: sample.city for sample in samples_of({name: path for name, (path, _) in frames.items()}, "")
    }
    known = sorted(set(city_of.values()))
    missing = [city for city in cities if city not in known]
    if missing or not cities:
        raise UsageError(f"{folder}: no city {', '.join(missing) or 'was named'}; cities there: {', '.join(known)}")
    return {name: frame for name, frame in frames.items() if city_of[name] in cities}
