"""ISPRS Vaihingen: 33 aerial tiles of infrared, red and green, with colour-coded label maps.

Rottensteiner et al., The ISPRS benchmark on urban object classification, ISPRS Annals I-3, 2012.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.grouping import IGNORED
from objdisc.datasets.listing import find_root
from objdisc.datasets.maps import hold_to_size
from objdisc.datasets.potsdam import CLASS_COLORS, CLASS_NAMES, decode_colors
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.imaging.decode import read_rgb
from objdisc.types import Sample

TRAIN_AREAS = frozenset((1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37))
"""The areas whose labels were given to participants of the benchmark."""

_IMAGES, _TILE = "top", "top_mosaic_09cm_area*.tif"
_LABELS = (
    "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE",
    "gts_for_participants",
    "ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE",
)
_ERODED = "eroded"


class Vaihingen(SegmentationDataset):
    """Tiles of one split, labelled or not, read as they are stored: infrared, red and green in place of RGB.

    Layout (the benchmark's zip files, unpacked side by side)::

        top/top_mosaic_09cm_area1.tif
        ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE/top_mosaic_09cm_area1.tif    or gts_for_participants/

    Labels are the six of Potsdam; the eroded borders of ``*_eroded_*`` maps are 255, which is left out of scoring.

    Args:
        root: The folder that holds ``top/``.
        split: ``train`` is the benchmark's 16 areas, ``test`` its other 17, and ``all`` both.
        foreground: Names of the classes that are objects; an empty list or None chooses none.

    Raises:
        UsageError: No tile, no such split, or an unknown class name.
    """

    title = "Vaihingen"
    ignore_ids = frozenset({IGNORED})

    def __init__(self, root: Path, split: str = "all", foreground: Sequence[str] | None = None) -> None:
        found = _find_root(root) or root
        tiles = _tiles_of(found, split)
        maps = {name: path for name in tiles if (path := _find_map(found, name)) is not None}
        super().__init__(found, split, tiles, maps, CLASS_NAMES, CLASS_COLORS, foreground or None)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or the only suitable folder in it, holds tiles in ``top/``."""
        return _find_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, test and all have a tile."""
        root = _find_root(path)
        return () if root is None else tuple(split for split in ("train", "test", "all") if _tiles_of(root, split))

    def _decode_labels(self, sample: Sample, path: Path) -> NDArray[np.uint8]:
        colors = read_rgb(path)
        hold_to_size(sample, path, colors.shape, self._full_size(sample))
        return decode_colors(colors, path, black_is_unlabelled=_ERODED in path.parent.name)


def _find_root(path: Path) -> Path | None:
    return find_root(path, f"{_IMAGES}/{_TILE}")


def _tiles_of(root: Path, split: str) -> dict[str, Path]:
    def is_wanted(path: Path) -> bool:
        number = path.stem.rpartition("area")[2]
        is_train = number.isdigit() and int(number) in TRAIN_AREAS
        return split == "all" or is_train == (split == "train")

    tiles = (root / _IMAGES).glob(_TILE) if split in {"train", "test", "all"} else ()
    return {path.stem: path for path in tiles if is_wanted(path)}


def _find_map(root: Path, name: str) -> Path | None:
    paths = (root / folder / f"{name}.tif" for folder in _LABELS)
    return next((path for path in paths if path.is_file()), None)
