"""ISPRS Potsdam: aerial tiles of 6000 x 6000 pixels, red, green, blue and infrared, with colour-coded label maps.

Rottensteiner et al., The ISPRS benchmark on urban object classification, ISPRS Annals I-3, 2012.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.grouping import IGNORED, scale_image
from objdisc.datasets.maps import hold_to_size
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import read_rgb
from objdisc.imaging.rasters import raster_size, read_bands
from objdisc.types import Sample

CLASS_NAMES: Mapping[int, str] = dict(enumerate(("road", "building", "low vegetation", "tree", "car", "clutter")))
CLASS_COLORS: Mapping[int, tuple[int, int, int]] = {
    0: (255, 255, 255),
    1: (0, 0, 255),
    2: (0, 255, 255),
    3: (0, 255, 0),
    4: (255, 255, 0),
    5: (255, 0, 0),
}

# Tiles by row and column of the benchmark's grid: 24 whose labels participants got, 14 that were kept back
_TILES: Mapping[str, Mapping[int, Sequence[int]]] = {
    "train": {row: range(7 if row > 5 else 10, 13) for row in range(2, 8)},
    "test": {2: (13, 14), 3: (13, 14), 4: (13, 14, 15), 5: (13, 14, 15), 6: (13, 14, 15), 7: (13,)},
}
TRAIN_TILES, TEST_TILES = (
    frozenset(f"top_potsdam_{row}_{column}" for row, columns in rows.items() for column in columns)
    for rows in _TILES.values()
)

# Two published label maps hold other colours than the six: 6_7 paints most cars (252, 255, 0), 4_12 was re-encoded
# with loss. How far a channel may be off there; what is still no class at the seams of 4_12 is left unlabelled.
_OFF_COLORS: Mapping[str, int] = {"top_potsdam_6_7": 3, "top_potsdam_4_12": 127}
_MAX_SEAMS = 0.02

_IMAGES, _IMAGE_END, _LABEL_END = "4_Ortho_RGBIR", "_RGBIR.tif", "_label.tif"
_LABELS = ("5_Labels_all", "5_Labels_for_participants", "", "5_Labels_all_noBoundary")
_BANDS = "red, green, blue, infrared; give the tiles of 4_Ortho_RGBIR"


class Potsdam(SegmentationDataset):
    """Tiles of one split, labelled or not.

    Layout (the benchmark's zip files, unpacked side by side; label maps may also lie beside the folders)::

        4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif   38 tiles, four bands of 8 bits
        5_Labels_all/top_potsdam_2_10_label.tif    RGB; or 5_Labels_for_participants/ with 24 of them

    Labels are six ids, 0 to 5 (``CLASS_NAMES``); the eroded borders in ``*_noBoundary`` maps are 255.

    Args:
        root: The folder that holds ``4_Ortho_RGBIR/``, or the tiles themselves.
        split: ``train`` is the benchmark's 24 tiles, ``test`` its other 14, and ``all`` every tile, labelled or not, on
            which invariant information clustering trains.
        foreground: Names of the classes that are objects; an empty list or None chooses none.

    Raises:
        UsageError: No tile, no such split, or an unknown class name.
    """

    title = "Potsdam"
    num_channels = 4
    ignore_ids = frozenset({IGNORED})

    def __init__(self, root: Path, split: str = "all", foreground: Sequence[str] | None = None) -> None:
        folder = _find_images(root)
        if folder is None:
            raise UsageError(f"{root}: no tile *{_IMAGE_END} there; give the folder that holds {_IMAGES}/")
        tiles = _tiles_of(folder, split)
        if not tiles:
            there = ", ".join(self.splits_of(root))
            raise UsageError(f"{folder}: no tile of split {split!r}; splits with tiles: {there} (--split)")
        root = folder.parent if folder.name == _IMAGES else folder
        maps = {name: path for name in tiles if (path := _find_map(root, name)) is not None}
        super().__init__(root, split, tiles, maps, CLASS_NAMES, CLASS_COLORS, foreground or None)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder holds ``4_Ortho_RGBIR/``, or tiles."""
        return _find_images(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, test and all have a tile."""
        folder = _find_images(path)
        return () if folder is None else tuple(split for split in ("train", "test", "all") if _tiles_of(folder, split))

    def read_window(self, sample: Sample, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Decode a part of a tile, as ``ImageDataset`` describes.

        If the scale is one over a whole number, only that part is read from the disk (with rasterio).
        """
        step = round(1 / self.options.scale)
        if self.options.scale * step != 1 or any(side % step for side in self._full_size(sample)):
            return super().read_window(sample, x, y, width, height)
        window = (x * step, y * step, width * step, height * step)
        return scale_image(read_bands(sample.image_path, self.num_channels, _BANDS, window), self.options.scale)

    def _decode_labels(self, sample: Sample, path: Path) -> NDArray[np.uint8]:
        colors = read_rgb(path)
        hold_to_size(sample, path, colors.shape, self._full_size(sample))
        has_borders = path.parent.name.endswith("noBoundary")
        return decode_colors(colors, path, off=_OFF_COLORS.get(sample.name, 0), black_is_unlabelled=has_borders)

    def _decode(self, sample: Sample) -> NDArray[np.uint8]:
        return read_bands(sample.image_path, self.num_channels, _BANDS)

    def _full_size(self, sample: Sample) -> tuple[int, int]:
        return raster_size(sample.image_path)


def decode_colors(
    colors: NDArray[np.uint8], path: Path, *, off: int = 0, black_is_unlabelled: bool = False
) -> NDArray[np.uint8]:
    """Turn the benchmark's label colours into ids; each colour is a corner of the RGB cube.

    Args:
        colors: ``(H, W, 3)`` RGB.
        path: The file, for messages.
        off: How far a channel may be from 0 or 255. If above 0, up to 2 % of pixels with the colour of no class are
            unlabelled.
        black_is_unlabelled: Whether black stands for eroded borders.

    Returns:
        ``(H, W)`` ids from ``CLASS_NAMES``, ``IGNORED`` where unlabelled.

    Raises:
        UnreadableImageError: Colours belong to no class; the message gives the number of such pixels and the first.
    """
    unknown_id = IGNORED - 1
    table = np.full(256, unknown_id, np.uint8)
    for label, color in CLASS_COLORS.items():
        table[_corner(color)] = label
    if black_is_unlabelled:
        table[0] = IGNORED
    values = np.arange(256)
    high = (values >= 128).astype(np.uint8)
    corner = cv2.LUT(colors, np.stack([high * bit for bit in (4, 2, 1)], -1)[None]).sum(-1, dtype=np.uint8)
    ids = cv2.LUT(corner, table).astype(np.uint8, copy=False)
    is_off = (np.minimum(values, 255 - values) > off).astype(np.uint8)
    ids[cv2.LUT(colors, is_off).any(-1)] = unknown_id
    unknown = ids == unknown_id
    count = np.count_nonzero(unknown)
    if off and count <= _MAX_SEAMS * unknown.size:
        ids[unknown] = IGNORED
    elif count:
        row, column = divmod(int(unknown.argmax()), unknown.shape[1])
        found = tuple(colors[row, column].tolist())
        known = ", ".join(f"{CLASS_NAMES[label]} {value}" for label, value in CLASS_COLORS.items())
        pixels = "1 pixel" if count == 1 else f"{count} pixels"
        raise UnreadableImageError(
            path, f"{pixels} of no class's colour, the first {found} at column {column}, row {row}; expected {known}"
        )
    return ids


def _find_images(path: Path) -> Path | None:
    """Find the folder of tiles: ``4_Ortho_RGBIR`` in the path or one folder below, or the path itself."""
    below = [folder for folder in sorted(path.glob(f"*/{_IMAGES}")) if folder.is_dir()]
    for folder in (path / _IMAGES, path, *below[:1]):
        if next(folder.glob(f"*{_IMAGE_END}"), None) is not None:
            return folder
    return None


def _tiles_of(folder: Path, split: str) -> dict[str, Path]:
    wanted = {"train": TRAIN_TILES, "test": TEST_TILES}.get(split, frozenset())
    tiles = {path.name.removesuffix(_IMAGE_END): path for path in folder.glob(f"*{_IMAGE_END}")}
    return {name: path for name, path in tiles.items() if split == "all" or name in wanted}


def _find_map(root: Path, name: str) -> Path | None:
    paths = (root / folder / f"{name}{_LABEL_END}" for folder in _LABELS)
    return next((path for path in paths if path.is_file()), None)


def _corner(color: tuple[int, int, int]) -> int:
    return sum(bit for bit, value in zip((4, 2, 1), color, strict=True) if value >= 128)
