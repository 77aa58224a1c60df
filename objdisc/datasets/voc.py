"""Pascal VOC: photographs of twenty classes (Everingham et al., IJCV 2010, host.robots.ox.ac.uk/pascal)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.grouping import IGNORED, DataOptions
from objdisc.datasets.listing import SPLITS, find_root, images_of_split, maps_by_name
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UsageError
from objdisc.imaging.colors import even_hues
from objdisc.types import Sample

OBJECTS: Sequence[str] = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
CLASS_NAMES: Mapping[int, str] = dict(enumerate(("background", *OBJECTS)))

_IMAGES, _MAPS, _INSTANCES, _LISTS = "JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"


class Voc(SegmentationDataset):
    """One split of the segmentation task of Pascal VOC, 2007 to 2012, or of a set in its layout.

    Layout (below ``VOCdevkit/VOC2012/``)::

        JPEGImages/2007_000032.jpg
        SegmentationClass/2007_000032.png     indexed: 0 background, 1 to 20, 255 border
        SegmentationObject/2007_000032.png    indexed: 0 background, 1, 2, ... objects, 255 border
        ImageSets/Segmentation/train.txt      names, one a line; val.txt, test.txt

    The border of five pixels between objects, 255, belongs to no object and is left out of scoring.

    Args:
        root: The folder that holds ``JPEGImages/``, or up to two folders above it.
        split: ``train``, ``val`` or ``test``, as lists name it; ``""`` for all images if there are no lists.
        foreground: Names of the classes that are objects; by default all twenty.

    Raises:
        UsageError: Folder or split missing, a list cannot be read, or an unknown class name.
    """

    title = "VOC"
    ignore_ids = frozenset({IGNORED})

    def __init__(self, root: Path, split: str = "train", foreground: Sequence[str] = OBJECTS) -> None:
        found = _find_root(root)
        if found is None:
            raise UsageError(f"{root}: no {_IMAGES}/ there; give the folder that holds {_IMAGES}/ and {_MAPS}/")
        images = images_of_split(found / _IMAGES, "")
        if split:
            images = {name: images[name] for name in _listed(found, split) if name in images}
        maps, instances = (maps_by_name(found / kind) for kind in (_MAPS, _INSTANCES))
        colors = even_hues(len(CLASS_NAMES))
        super().__init__(found, split, images, maps, CLASS_NAMES, colors, foreground, instances)
        self._instance_ids = np.ones(1 << 16, np.bool_)
        self._instance_ids[[0, IGNORED]] = False

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder or its ``VOCdevkit/``, or the only suitable folder in these, holds images beside maps."""
        return _find_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, val and test have a list."""
        root = _find_root(path) or path
        return tuple(split for split in SPLITS if (root / _LISTS / f"{split}.txt").is_file())

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions) -> Self:
        """Open a split, as ``ImageDataset`` describes; all images if there are no lists."""
        return super().open(path, split if cls.splits_of(path) else "", foreground, options)

    def _read_instance_ids(self, sample: Sample) -> NDArray[np.integer] | None:
        ids = super()._read_instance_ids(sample)
        if ids is None or len(self._foreground_ids) == len(OBJECTS):
            return ids
        wanted = self.read_foreground(sample)  # an object of one of the other classes is none
        return None if wanted is None else np.where(wanted, ids, 0).astype(ids.dtype)


def _find_root(path: Path) -> Path | None:
    for top in (path, path / "VOCdevkit"):
        root = find_root(top, f"{_IMAGES}/") if top.is_dir() else None
        if root is not None and any((root / kind).is_dir() for kind in (_MAPS, _INSTANCES)):
            return root
    return None


def _listed(root: Path, split: str) -> list[str]:
    path = root / _LISTS / f"{split}.txt"
    try:
        return [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        there = ", ".join(Voc.splits_of(root)) or "none"
        raise UsageError(f"{path}: no such list of a split ({error}); splits: {there} (--split)") from error
