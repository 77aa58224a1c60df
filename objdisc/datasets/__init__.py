"""Data sets: opening a folder as what its layout says it is."""

from collections.abc import Sequence
from pathlib import Path

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.cityscapes import Cityscapes
from objdisc.datasets.cocostuff import CocoStuff
from objdisc.datasets.grouping import Reading
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.datasets.labelmaps import LabelMaps
from objdisc.datasets.potsdam import Potsdam
from objdisc.errors import UsageError
from objdisc.io.paths import is_text

__all__ = [
    "Cityscapes",
    "CocoStuff",
    "ImageDataset",
    "ImageFolder",
    "LabelMaps",
    "Potsdam",
    "Reading",
    "available_splits",
    "open_dataset",
]

LAYOUTS: tuple[type[ImageDataset], ...] = (Cityscapes, CocoStuff, Potsdam, LabelMaps, ImageFolder)
"""Every layout that is known, the most particular first."""


def open_dataset(
    path: Path, split: str, foreground: Sequence[str] | None = None, reading: Reading | None = None
) -> ImageDataset:
    """Open one split of a folder as what its layout says it is.

    A folder is in Cityscapes layout if it holds ``leftImg8bit/``, COCO-Stuff if ``images/train2017/`` (or val),
    Potsdam if ``4_Ortho_RGBIR/``, a folder with label maps if ``images/`` and ``labels/``; else a folder of images.

    Args:
        path: The data set's folder.
        split: Name of the split. A folder of images that has no split subfolders is taken whole; the result's
            ``split`` is then ``""``.
        foreground: Classes that are objects, by name. None: the eight moving classes of Cityscapes, the things of
            COCO-Stuff; unknown for the others.
        reading: Groups of classes, scale, and which images are left out; None for the data set as it is.

    Returns:
        The data set, with at least one sample.

    Raises:
        UsageError: The folder is missing, the split is missing or empty, a foreground name is unknown, or ``reading``
            does not fit the data set.
    """
    _check_folder(path)
    _check_text(path.absolute())
    dataset = layout_of(path).open(path, split, foreground, reading or Reading())
    for sample in dataset.samples:
        if not sample.name.isascii():
            _check_text(sample.image_path)
    return dataset if reading is None else dataset.with_reading(reading)


def available_splits(path: Path) -> tuple[str, ...]:
    """Return the splits of a folder, train first; empty for a folder of images without split subfolders.

    Raises:
        UsageError: The folder is missing.
    """
    _check_folder(path)
    return layout_of(path).splits_of(path)


def layout_of(path: Path) -> type[ImageDataset]:
    """Return the first layout that recognises an existing folder."""
    return next(layout for layout in LAYOUTS if layout.recognises(path))


def _check_text(path: Path) -> None:
    """Refuse a name that is no text: no list, map or page could hold it."""
    if not is_text(str(path)):
        raise UsageError(f"{str(path)!a}: the name is not UTF-8; rename it.")


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "no such folder"
        raise UsageError(f"{path}: {what}; give a folder of images or one in Cityscapes layout")
