"""COCO-Stuff: everyday photographs with a pixel map of things and stuff (Caesar et al., CVPR 2018)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import IGNORED, Reading, ids_among, scale_map
from objdisc.datasets.maps import read_label_map
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.colors import even_hues
from objdisc.imaging.decode import list_images
from objdisc.types import Sample

# Coarse classes in the numbering of invariant information clustering: 12 of things, then 15 of stuff.
_THINGS: Mapping[str, str] = {
    "electronic": "tv, laptop, mouse, remote, keyboard, cell phone",
    "appliance": "microwave, oven, toaster, sink, refrigerator, blender",
    "food": "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake",
    "furniture": "chair, couch, potted plant, bed, mirror, dining table, window, desk, toilet, door",
    "indoor": "book, clock, vase, scissors, teddy bear, hair drier, toothbrush, hair brush",
    "kitchen": "bottle, plate, wine glass, cup, fork, knife, spoon, bowl",
    "accessory": "hat, backpack, umbrella, shoe, eye glasses, handbag, tie, suitcase",
    "animal": "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
    "outdoor": "traffic light, fire hydrant, street sign, stop sign, parking meter, bench",
    "person": "person",
    "sports": (
        "frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, "
        "tennis racket"
    ),
    "vehicle": "bicycle, car, motorcycle, airplane, bus, train, truck, boat",
}
_STUFF: Mapping[str, str] = {
    "ceiling": "ceiling-tile, ceiling-other",
    "floor": "carpet, floor-tile, floor-wood, floor-marble, floor-stone, floor-other",
    "food": "fruit, salad, vegetable, food-other",
    "furniture": (
        "door-stuff, desk-stuff, table, shelf, cabinet, cupboard, mirror-stuff, counter, light, stairs, furniture-other"
    ),
    "raw material": "cardboard, paper, plastic, metal",
    "textile": "rug, mat, towel, napkin, clothes, cloth, curtain, blanket, pillow, banner, textile-other",
    "wall": "wall-tile, wall-panel, wall-wood, wall-brick, wall-stone, wall-concrete, wall-other",
    "window": "window-blind, window-other",
    "building": "house, skyscraper, bridge, tent, roof, building-other",
    "ground": ("sand, snow, dirt, mud, gravel, road, pavement, railroad, platform, playingfield, ground-other"),
    "plant": "grass, tree, bush, leaves, flower, branch, moss, straw, plant-other",
    "sky": "clouds, sky-other",
    "solid": "wood, rock, stone, mountain, hill, solid-other",
    "structural": "fence, cage, net, railing, structural-other",
    "water": "fog, river, sea, waterdrops, water-other",
}
# Fine ids 0 to 90 are things in this order of their groups, 91 to 181 are stuff in alphabetical order.
_THING_ORDER = (
    "person", "vehicle", "outdoor", "animal", "accessory", "sports",
    "kitchen", "food", "furniture", "electronic", "appliance", "indoor",
)  # fmt: skip

_FINE_THINGS = [name for coarse in _THING_ORDER for name in _THINGS[coarse].split(", ")]
_FINE_STUFF = sorted(name for names in _STUFF.values() for name in names.split(", "))
FINE_NAMES: Sequence[str] = (*_FINE_THINGS, *_FINE_STUFF)
NUM_FINE = len(FINE_NAMES)

THINGS: Sequence[str] = tuple(f"{coarse} (thing)" for coarse in _THINGS)
COARSE_NAMES: Sequence[str] = (*THINGS, *_STUFF)

_COARSE_OF = {
    name: number for number, names in enumerate([*_THINGS.values(), *_STUFF.values()]) for name in names.split(", ")
}
COARSE_IDS: Sequence[int] = tuple(_COARSE_OF[name] for name in FINE_NAMES)  # by fine id


CLASS_NAMES: Mapping[int, str] = dict(enumerate(COARSE_NAMES))
CLASS_COLORS = even_hues(len(COARSE_NAMES))

_FOLDERS = {"train": "train2017", "val": "val2017"}
_MAPS = ("annotations", "stuffthingmaps_trainval2017", "annotations/stuffthingmaps_trainval2017", "stuffthingmaps")
_COARSE_TABLE = np.full(256, IGNORED, np.uint8)
_COARSE_TABLE[:NUM_FINE] = COARSE_IDS


class CocoStuff(ImageDataset):
    """One split of COCO 2017 with the maps of ``stuffthingmaps_trainval2017.zip``.

    Layout (as the data set's page unpacks it; ``images/`` may be missing around the image folders, and the maps may
    lie in a folder named as their zip file)::

        images/train2017/000000000009.jpg
        annotations/train2017/000000000009.png   fine ids 0 to 181, 255 unlabelled

    Labels are read as the 27 coarse classes of the label hierarchy, 0 to 11 things, 12 to 26 stuff; 255 is unlabelled.
    The 15 stuff classes, or sky, plants and ground alone, are groups of these (``Reading.classes``), which also mask
    things and unlabelled pixels.

    Args:
        root: The folder that holds ``images/`` and ``annotations/``, or its parent.
        split: ``train`` or ``val``.
        foreground: Names of the coarse classes that are objects.

    Raises:
        UsageError: Folder or split missing, or an unknown class name.
    """

    def __init__(self, root: Path, split: str = "train", foreground: Sequence[str] = THINGS) -> None:
        found = find_coco_root(root)
        if found is None:
            raise UsageError(
                f"{root}: no images/train2017/ or images/val2017/ there; give the folder that holds images/"
            )
        self.root = found
        self.split = split
        self.foreground = tuple(foreground)
        self._foreground_ids = _ids_of(self.foreground)
        self.samples = _find_samples(found, split)
        self._maps = _find_maps(found, split)
        self._has_ground_truth = any(sample.name in self._maps for sample in self.samples)
        self.class_names = CLASS_NAMES if self._has_ground_truth else {}
        self.class_colors = CLASS_COLORS if self._has_ground_truth else {}
        self.unlabelled_ids = self.ignore_ids = frozenset({IGNORED})

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or its only such child, holds ``images/train2017/`` (or val)."""
        return find_coco_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train and val have images."""
        return coco_splits(find_coco_root(path) or path)

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, reading: Reading) -> ImageDataset:
        """Open a split, as ``ImageDataset`` describes."""
        return cls(path, split, THINGS if foreground is None else foreground)

    @property
    def has_ground_truth(self) -> bool:
        """Whether any image has a map."""
        return self._has_ground_truth

    def read_instances(self, sample: Sample) -> NDArray[np.int32] | None:
        """Return None: the maps tell no instances apart."""
        return None

    def read_foreground(self, sample: Sample) -> NDArray[np.bool_] | None:
        """Read where the map holds a foreground class, as ``ImageDataset`` describes."""
        labels = self._read_class_ids(sample)
        return None if labels is None else scale_map(ids_among(labels, self._foreground_ids), self.reading.scale)

    def is_foreground(self, sample: Sample) -> bool | None:
        """Return None: a photograph is no single object."""
        return None

    def mask_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the map, where there is one."""
        path = self._maps.get(sample.name)
        return () if path is None else (path,)

    def _read_class_ids(self, sample: Sample) -> NDArray[np.uint8] | None:
        path = self._maps.get(sample.name)
        if path is None:
            return None
        fine = read_label_map(sample, path)
        unknown = fine[(fine >= NUM_FINE) & (fine != IGNORED)]
        if unknown.size:
            raise UnreadableImageError(
                path, f"holds the id {unknown[0]}; stuffthingmaps hold 0 to {NUM_FINE - 1}, and 255 for unlabelled"
            )
        return _COARSE_TABLE[fine]


def find_coco_root(path: Path) -> Path | None:
    """Find the folder that holds ``images/train2017`` or ``train2017`` (or val): the path, or its only such child."""
    if _image_folders(path):
        return path
    below = [folder for folder in sorted(path.glob("*")) if folder.is_dir() and _image_folders(folder)]
    return below[0] if len(below) == 1 else None


def coco_splits(root: Path) -> tuple[str, ...]:
    """Return which of ``train`` and ``val`` have a folder of images."""
    return tuple(_image_folders(root))


def _image_folders(root: Path) -> dict[str, Path]:
    found = {}
    for split, name in _FOLDERS.items():
        folders = (root / "images" / name, root / name)
        # Maps lie in folders of the same names; they are PNG
        folder = next((folder for folder in folders if next(folder.glob("*.jpg"), None) is not None), None)
        if folder is not None:
            found[split] = folder
    return found


def _find_samples(root: Path, split: str) -> tuple[Sample, ...]:
    folder = _image_folders(root).get(split.removesuffix("2017"))
    if folder is None:
        raise UsageError(f"{root}: no split {split!r}; splits with images: {', '.join(coco_splits(root))} (--split)")
    paths = {path.stem: path for path in list_images(folder) if path.parent == folder}
    return tuple(Sample(name, paths[name], split) for name in sorted(paths))


def _find_maps(root: Path, split: str) -> dict[str, Path]:
    """Map each image's name to its map, listing one folder instead of probing 118,000 names."""
    name = _FOLDERS[split.removesuffix("2017")]
    folders = [folder for maps in _MAPS if (folder := root / maps / name).is_dir()]
    return {path.stem: path for path in list_images(folders[0]) if path.suffix == ".png"} if folders else {}


def _ids_of(names: Sequence[str]) -> frozenset[int]:
    known = {name: label for label, name in CLASS_NAMES.items()}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(f"foreground: {', '.join(unknown) or 'empty'}; COCO-Stuff classes are {', '.join(known)}")
    return frozenset(known[name] for name in names)
