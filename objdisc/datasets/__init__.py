"""Data sets: opening a folder as what its layout says it is."""

from collections.abc import Sequence
from pathlib import Path

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.cityscapes import MOVING_CLASSES, Cityscapes, cityscapes_splits, find_cityscapes_root
from objdisc.datasets.grouping import Reading
from objdisc.datasets.imagefolder import ImageFolder, folder_splits
from objdisc.errors import UsageError

__all__ = ["Cityscapes", "ImageDataset", "ImageFolder", "Reading", "available_splits", "open_dataset"]


def open_dataset(
    path: Path, split: str, foreground: Sequence[str] | None = None, reading: Reading | None = None
) -> ImageDataset:
    """Open one split of a folder: in Cityscapes layout if there is a ``leftImg8bit/``, else as a folder of images.

    Args:
        path: The data set's folder.
        split: Name of the split. A folder of images that has no split subfolders is taken whole; the result's
            ``split`` is then ``""``.
        foreground: Classes that are objects, by name. None: the eight moving classes of Cityscapes;
            unknown for a folder of images.
        reading: Groups of classes, scale, and which images are left out; None for the data set as it is.

    Returns:
        The data set, with at least one sample.

    Raises:
        UsageError: The folder is missing, the split is missing or empty, a foreground name is unknown, or ``reading``
            does not fit the data set.
    """
    dataset = _open(path, split, foreground)
    return dataset if reading is None else dataset.with_reading(reading)


def _open(path: Path, split: str, foreground: Sequence[str] | None) -> ImageDataset:
    _check_folder(path)
    if find_cityscapes_root(path) is not None:
        return Cityscapes(path, split, MOVING_CLASSES if foreground is None else foreground)
    splits = folder_splits(path)
    return ImageFolder(path, split if splits else "", foreground)


def available_splits(path: Path) -> tuple[str, ...]:
    """Return the splits of a folder, train first; empty for a folder of images without split subfolders.

    Raises:
        UsageError: The folder is missing.
    """
    _check_folder(path)
    root = find_cityscapes_root(path)
    return folder_splits(path) if root is None else cityscapes_splits(root)


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "no such folder"
        raise UsageError(f"{path}: {what}; give a folder of images or one in Cityscapes layout")
