"""COCO-Stuff: everyday photographs with a pixel map of things and stuff (Caesar et al., CVPR 2018)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.grouping import IGNORED
from objdisc.datasets.listing import find_root, maps_by_name
from objdisc.datasets.maps import read_label_map
from objdisc.datasets.segmentation import SegmentationDataset
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
_PHOTOS = "*.jpg"  # maps lie in folders of the same names; they are PNG
_MAPS = ("annotations", "stuffthingmaps_trainval2017", "annotations/stuffthingmaps_trainval2017", "stuffthingmaps")
_COARSE_TABLE = np.full(256, IGNORED, np.uint8)
_COARSE_TABLE[:NUM_FINE] = COARSE_IDS


class CocoStuff(SegmentationDataset):
    """One split of COCO 2017 with the maps of ``stuffthingmaps_trainval2017.zip``.

    Layout (as the data set's page describes it; the image folders may lie outside ``images/``, and the maps may lie in
    a folder named after their zip file)::

        images/train2017/000000000009.jpg
        annotations/train2017/000000000009.png   fine ids 0 to 181, 255 unlabelled

    Labels are read as the 27 coarse classes of the label hierarchy: 0 to 11 are things, 12 to 26 stuff, and 255 is
    unlabelled. The 15 stuff classes, or only sky, plants and ground, are groups of these (``DataOptions.classes``),
    which also mask things and unlabelled pixels.

    Args:
        root: The folder that holds ``images/`` and ``annotations/``, or its parent.
        split: ``train`` or ``val``.
        foreground: Names of the coarse classes that are objects.

    Raises:
        UsageError: Folder or split missing, or an unknown class name.
    """

    title = "COCO-Stuff"
    unlabelled_ids = ignore_ids = frozenset({IGNORED})

    def __init__(self, root: Path, split: str = "train", foreground: Sequence[str] = THINGS) -> None:
        found = _find_root(root)
        if found is None:
            raise UsageError(
                f"{root}: no images/train2017/ or images/val2017/ there; give the folder that holds images/"
            )
        folder = _image_folders(found).get(split.removesuffix("2017"))
        paths = [] if folder is None else [path for path in list_images(folder) if path.parent == folder]
        maps = {} if folder is None else _find_maps(found, folder.name)
        images = {path.stem: path for path in paths}
        super().__init__(found, split, images, maps, CLASS_NAMES, CLASS_COLORS, foreground)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or the only suitable folder in it, holds ``images/train2017/`` (or val)."""
        return _find_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train and val have images."""
        return tuple(_image_folders(_find_root(path) or path))

    def _decode_labels(self, sample: Sample, path: Path) -> NDArray[np.uint8]:
        fine = read_label_map(sample, path)
        unknown = fine[(fine >= NUM_FINE) & (fine != IGNORED)]
        if unknown.size:
            raise UnreadableImageError(
                path, f"holds the id {unknown[0]}; stuffthingmaps hold 0 to {NUM_FINE - 1}, and 255 for unlabelled"
            )
        return _COARSE_TABLE[fine]


def _find_root(path: Path) -> Path | None:
    """Find the folder that holds ``images/train2017`` or ``train2017`` (or val): the path or a folder in it."""
    return find_root(path, *(f"{above}{name}/{_PHOTOS}" for name in _FOLDERS.values() for above in ("images/", "")))


def _image_folders(root: Path) -> dict[str, Path]:
    found = {}
    for split, name in _FOLDERS.items():
        folders = (root / "images" / name, root / name)
        folder = next((folder for folder in folders if next(folder.glob(_PHOTOS), None) is not None), None)
        if folder is not None:
            found[split] = folder
    return found


def _find_maps(root: Path, name: str) -> dict[str, Path]:
    folders = (root / maps / name for maps in _MAPS)
    return next((maps_by_name(folder) for folder in folders if folder.is_dir()), {})
