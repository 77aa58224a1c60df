"""Folders of images beside folders of label maps, as in most labelling programs and data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from objdisc.datasets.class_names import numbered_classes, read_class_names
from objdisc.datasets.grouping import IGNORED, DataOptions
from objdisc.datasets.listing import folders_by_split, images_of_split, maps_by_name
from objdisc.datasets.lookalikes import bare_name
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.colors import even_hues
from objdisc.imaging.decode import read_index_map
from objdisc.imaging.formats import image_suffixes
from objdisc.imaging.leftout import LeftOut
from objdisc.imaging.spread import spread_evenly

_CLASSES = "classes.json"
_IMAGES = ("images", "image", "img_dir", "imgs", "img", "rgb")
_LABELS = (
    "labels", "label", "masks", "mask", "ann_dir", "annotations", "annotation", "label_maps", "labelmaps", "gt",
    "ground_truth", "groundtruth", "segmentations", "segmentation", "semantic",
)  # fmt: skip
_BINARY = frozenset({"masks", "mask"})  # folders whose maps may say object or not
_LOOKED_AT = 4


@dataclass(frozen=True)
class _Pair:
    """A folder of images and the folder of their maps."""

    images: Path
    labels: Path


class LabelMaps(SegmentationDataset):
    """Images of any size in one folder, and a map of class ids for each, or for some, in another.

    Layout (splits are optional and may come first or last; the maps are 8-bit PNGs of their images' sizes)::

        images/[<split>/]NAME.jpg      or image, img_dir, imgs, img, rgb, in any case
        labels/[<split>/]NAME.png      or label, masks, mask, ann_dir, annotations, gt, ...; NAME_mask.png is found, too
        classes.json                   {"0": "unlabeled", "1": "road", ...}; without it classes are named by their ids

    With ``classes.json``, an id 255 that it does not name is left out of scoring.

    Args:
        root: The folder that holds both, or splits that do.
        split: ``train``, ``val`` or ``test``, or ``""``.
        foreground: Names of the classes that are objects; an empty list or None chooses none. Then all ids except 0 are
            objects if the folder is called ``masks`` and a few of its maps hold at most two ids.
        class_names: File with the names, instead of ``classes.json``.

    Raises:
        UsageError: A folder is missing or holds no image, ``classes.json`` cannot be read, or a class name is unknown.
    """

    def __init__(
        self,
        root: Path,
        split: str = "",
        foreground: Sequence[str] | None = None,
        class_names: Path | None = None,
    ) -> None:
        pairs = _pairs_of(root)
        if split not in pairs:
            there = ", ".join(filter(None, pairs)) or "none"
            folder = root / _IMAGES[0] / split
            raise UsageError(f"{folder}: no such folder; splits below {root}: {there} (--split)")
        pair = pairs[split]
        self.left_out = LeftOut()
        images = images_of_split(pair.images, "", self.left_out)
        maps = maps_of(images, maps_by_name(pair.labels, image_suffixes(), self.left_out))
        named = class_names or root / _CLASSES
        names = _class_names(named) if maps else {}
        colors = dict(zip(names, even_hues(len(names)).values(), strict=True))
        if not foreground and not named.is_file():
            foreground = _objects_of_masks(root, pair, maps, names)
        super().__init__(root, split, images, maps, names, colors, foreground or None)
        if named.is_file() and IGNORED not in names:
            self.ignore_ids = frozenset({IGNORED})

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it holds a folder of images beside one of label maps, or splits of these."""
        return bool(_pairs_of(path))

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, val and test have images."""
        return tuple(filter(None, _pairs_of(path)))

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions) -> Self:
        """Open a split, as ``ImageDataset`` describes."""
        return super().open(path, split if cls.splits_of(path) else "", foreground, options)


def maps_of(images: Mapping[str, Path], found: Mapping[str, Path]) -> dict[str, Path]:
    """Find the map of each image by its name, or else by both names without endings such as ``_mask``.

    Args:
        images: Name of each sample to its image; the name of "a.jpg" keeps its suffix if there is also an "a.png".
        found: Path below the folder of maps, without suffix, to the map.
    """
    bare = {bare_name(name): path for name, path in found.items()}
    maps = {}
    for name, image in images.items():
        stem = name.removesuffix(image.suffix)
        path = found.get(name) or found.get(stem) or bare.get(bare_name(stem))
        if path is not None:
            maps[name] = path
    return maps


def _pairs_of(root: Path) -> dict[str, _Pair]:
    """Find the pairs of folders by split; the split is ``""`` if there are no splits."""
    pair = _pair_in(root)
    if pair is None:
        found = {split: _pair_in(folder) for split, folder in folders_by_split(root).items()}
        return {split: below for split, below in found.items() if below is not None}
    splits = {
        split: _Pair(images, pair.labels / images.name) for split, images in folders_by_split(pair.images).items()
    }
    return splits or {"": pair}


def _pair_in(folder: Path) -> _Pair | None:
    if not folder.is_dir():
        return None
    there = {path.name.lower(): path for path in folder.glob("*/")}
    images = next((there[name] for name in _IMAGES if name in there), None)
    if images is None:
        return None
    usual = images.name == _IMAGES[0]
    for name in _LABELS:
        # Annotations of other kinds, such as JSON, lie in folders of these names, too
        if name in there and ((usual and name == _LABELS[0]) or _holds_maps(there[name])):
            return _Pair(images, there[name])
    return None


def _holds_maps(folder: Path) -> bool:
    suffixes = image_suffixes()
    return any(path.suffix.lower() in suffixes for path in [*_first(folder, "*"), *_first(folder, "*/*")])


def _first(folder: Path, pattern: str) -> list[Path]:
    found = (path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
    return [path for path, _ in zip(found, range(_LOOKED_AT), strict=False)]


def _objects_of_masks(root: Path, pair: _Pair, maps: Mapping[str, Path], names: Mapping[int, str]) -> list[str] | None:
    """Name all classes except 0 if maps are masks of object or background."""
    if not any(part.lower() in _BINARY for part in pair.labels.relative_to(root).parts):
        return None
    paths = list(maps.values())
    for place in spread_evenly(len(paths), _LOOKED_AT).tolist():
        try:
            if len(np.unique(read_index_map(paths[place]))) > 2:
                return None
        except UnreadableImageError:
            return None
    return [name for label, name in names.items() if label] or None


def _class_names(path: Path) -> dict[int, str]:
    return read_class_names(path) if path.is_file() else numbered_classes()
