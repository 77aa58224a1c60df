"""BDD100K: frames of dashboard cameras in the USA (Yu et al., CVPR 2020, bdd-data.berkeley.edu)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import trainId2label
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import MOVING_CLASSES
from objdisc.datasets.grouping import IGNORED
from objdisc.datasets.listing import find_root, folders_by_split, images_of_split, maps_by_name
from objdisc.datasets.maps import hold_to_size
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import image_size
from objdisc.types import Sample

CLASS_NAMES: Mapping[int, str] = {label: trainId2label[label].name for label in range(19)}
CLASS_COLORS: Mapping[int, tuple[int, int, int]] = {label: trainId2label[label].color for label in range(19)}

# Folders of images and, each by preference, of class maps; the second row is how the first release was unpacked
_TREES: Mapping[str, Sequence[str]] = {
    "images/10k": ("labels/sem_seg/masks",),
    "images/100k": ("labels/sem_seg/masks",),
    "seg/images": ("seg/labels",),
}
_BITMASKS = "labels/ins_seg/bitmasks"
_OLD_END = "_train_id"
_UNCOUNTED = 0b11  # of a bitmask's attributes: ignored, crowd


class Bdd100k(SegmentationDataset):
    """One split of the images of BDD100K that have pixel labels (10k), or of all of them (100k).

    Layout (as its zip files unpack into one folder)::

        images/10k/<split>/NAME.jpg                    or images/100k/, or seg/images/
        labels/sem_seg/masks/<split>/NAME.png          8 bits, 19 classes in the order of Cityscapes' trainIds, 255
        labels/ins_seg/bitmasks/<split>/NAME.png       RGBA: class, attributes, number (two bytes)
        seg/labels/<split>/NAME_train_id.png           in place of sem_seg in the first release

    Args:
        root: The folder that holds ``images/`` and ``labels/``, or ``seg/``.
        split: ``train``, ``val`` or ``test``.
        foreground: Names of the classes that are objects; by default the eight moving ones.

    Raises:
        UsageError: Folder or split missing, or an unknown class name.
    """

    title = "BDD100K"
    ignore_ids = frozenset({IGNORED})

    def __init__(self, root: Path, split: str = "train", foreground: Sequence[str] = MOVING_CLASSES) -> None:
        found = _find_root(root)
        tree = None if found is None else _tree_of(found)
        folder = None if found is None or tree is None else folders_by_split(found / tree).get(split)
        if found is None or tree is None or folder is None:
            raise UsageError(f"{root}: no split {split!r} there; splits: {', '.join(self.splits_of(root)) or 'none'}")
        maps: dict[str, Path] = {}
        for place in _TREES[tree]:
            for name, path in maps_by_name(found / place / folder.name).items():
                maps.setdefault(name.removesuffix(_OLD_END), path)
        instances = maps_by_name(found / _BITMASKS / folder.name)
        images = images_of_split(folder, "")
        super().__init__(found, split, images, maps, CLASS_NAMES, CLASS_COLORS, foreground, instances)
        # A bitmask counts its eight classes from 1 on, in the same order
        chosen = [name for name in MOVING_CLASSES if name in foreground]
        self._bitmask_classes = [MOVING_CLASSES.index(name) + 1 for name in chosen]

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or the only suitable folder in it, holds one of the data set's folders of images."""
        return _find_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, val and test exist."""
        root = _find_root(path) or path
        tree = _tree_of(root)
        return () if tree is None else tuple(folders_by_split(root / tree))

    def _decode_instances(self, sample: Sample, path: Path) -> NDArray[np.integer]:
        try:
            pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        except (OSError, cv2.error) as error:
            raise UnreadableImageError(path, f"cannot be decoded ({error})") from error
        if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4:
            raise UnreadableImageError(path, "is no RGBA image; expected class, attributes and number of each object")
        hold_to_size(sample, path, pixels.shape, image_size(sample.image_path))
        high, attributes, class_id, low = (pixels[..., channel].astype(np.int64) for channel in range(4))  # BGRA
        counts = np.isin(class_id, self._bitmask_classes) & (attributes & _UNCOUNTED == 0)
        objects = np.where(counts, (class_id << 16) | (high << 8) | low, 0)
        values, places = np.unique(objects, return_inverse=True)
        numbers = np.arange(values.size) + (values[0] != 0)
        found: NDArray[np.uint16] = numbers[places.reshape(objects.shape)].astype(np.uint16)
        return found


def _find_root(path: Path) -> Path | None:
    return find_root(path, *(f"{tree}/*/" for tree in _TREES))


def _tree_of(root: Path) -> str | None:
    """Choose the folder of images; that of labelled images comes first."""
    return next((tree for tree in _TREES if folders_by_split(root / tree)), None)
