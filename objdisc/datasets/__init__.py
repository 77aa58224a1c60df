"""Data sets, one layout a module: opening a folder as the first layout of ``LAYOUTS`` that recognises it."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.search import files_at, files_beside
from objdisc.datasets.ade20k import Ade20k
from objdisc.datasets.base import ImageDataset
from objdisc.datasets.bdd100k import Bdd100k
from objdisc.datasets.cityscapes import Cityscapes
from objdisc.datasets.cocostuff import CocoStuff
from objdisc.datasets.globs import FileOptions, Globs
from objdisc.datasets.grouping import DataOptions
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.datasets.kitti import Kitti
from objdisc.datasets.labelmaps import LabelMaps
from objdisc.datasets.potsdam import Potsdam
from objdisc.datasets.vaihingen import Vaihingen
from objdisc.datasets.video import Video
from objdisc.datasets.vistas import Vistas
from objdisc.datasets.voc import Voc
from objdisc.errors import UsageError
from objdisc.imaging.stretch import PERCENTILES, measure_stretch
from objdisc.io.paths import is_text

__all__ = [
    "Ade20k",
    "Bdd100k",
    "Cityscapes",
    "CocoStuff",
    "DataOptions",
    "FileOptions",
    "Globs",
    "ImageDataset",
    "ImageFolder",
    "Kitti",
    "LabelMaps",
    "Potsdam",
    "Vaihingen",
    "Video",
    "Vistas",
    "Voc",
    "available_splits",
    "open_dataset",
]

log = logging.getLogger("objdisc")

LAYOUTS: tuple[type[ImageDataset], ...] = (
    Cityscapes,
    CocoStuff,
    Potsdam,
    Vaihingen,
    Vistas,
    Bdd100k,
    Kitti,
    Ade20k,
    Voc,
    LabelMaps,
    Video,
    ImageFolder,
)
"""All known layouts, the most specific first."""


def open_dataset(
    path: Path,
    split: str,
    foreground: Sequence[str] | None = None,
    options: DataOptions | None = None,
    files: FileOptions | None = None,
) -> ImageDataset:
    """Open one split of a folder as a data set of the layout that it has.

    Each layout's ``recognises`` says what such a folder holds; any folder is at least a folder of images.

    Args:
        path: The data set's folder.
        split: Name of the split. A folder of images without split subfolders is read as a whole; the result's ``split``
            is then ``""``.
        foreground: Names of the classes that are objects. None takes the layout's own choice: the eight moving classes
            of Cityscapes and the things of COCO-Stuff; unknown for the others.
        options: Groups of classes, scale, and images to leave out; None for the data set as it is.
        files: Which files are images, label maps and so on, if the layout does not say so. Annotations are found by
            looking at a few files, and read when they are needed.

    Returns:
        The data set, with at least one sample.

    Raises:
        UsageError: The folder is missing, the split is missing or empty, a foreground name is unknown, ``options`` does
            not fit the data set, or annotations have no known format.
    """
    _check_folder(path)
    _check_text(path.absolute())
    files = files or FileOptions()
    asked = files.annotations is not None
    found = files_at(files.annotations) if files.annotations is not None else files_beside(path)
    dataset = _open(path, split, foreground, options or DataOptions(), files)
    for sample in dataset.samples:
        if not sample.name.isascii():
            _check_text(sample.image_path)
    options = _with_stretch(dataset, options)
    dataset = dataset if options is None else dataset.with_options(options)
    dataset.annotations = tuple(Annotations(each, dataset.samples, path, asked=asked) for each in found)
    return dataset


def _open(
    path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions, files: FileOptions
) -> ImageDataset:
    if files.name_files:
        return Globs.open_files(path, split, foreground, files, options)
    layout = layout_of(path)
    if files.class_names is not None:
        if layout is not LabelMaps:
            raise UsageError(
                f"--class-names: {path} is taken for {layout.__name__}, which has names of its own; give them with "
                "--labels, or leave them out."
            )
        return LabelMaps(path, split if LabelMaps.splits_of(path) else "", foreground, files.class_names)
    return Video(path, files.every) if layout is Video else layout.open(path, split, foreground, options)


def _with_stretch(dataset: ImageDataset, options: DataOptions | None) -> DataOptions | None:
    """Set the values of black and white if the images need them and the user has not given them."""
    if options is not None and options.stretch is not None:
        return options
    stretch = measure_stretch([sample.image_path for sample in dataset.samples])
    if stretch is None:
        return options
    log.info(
        "%s: measured values, %g to %g become black to white in all images (percentiles %g and %g of a sample; "
        "--data.stretch)",
        dataset.root,
        *stretch,
        *PERCENTILES,
    )
    return replace(options or DataOptions(), stretch=stretch)


def available_splits(path: Path, files: FileOptions | None = None) -> tuple[str, ...]:
    """Return the splits of a folder, train first; empty for a folder of images without split subfolders.

    Args:
        path: The folder.
        files: Which files are images, label maps and so on, if the layout does not say so.

    Raises:
        UsageError: The folder is missing.
    """
    _check_folder(path)
    if files is not None and files.name_files:
        return Globs.splits_named(path, files)
    return layout_of(path).splits_of(path)


def layout_of(path: Path) -> type[ImageDataset]:
    """Return the first layout that recognises an existing folder."""
    return next(layout for layout in LAYOUTS if layout.recognises(path))


def _check_text(path: Path) -> None:
    """Refuse a name that is not valid text: no list, map or page could hold it."""
    if not is_text(str(path)):
        raise UsageError(f"{str(path)!a}: the name is not UTF-8; rename it.")


def _check_folder(path: Path) -> None:
    if not path.is_dir() and not Video.recognises(path):
        what = "is a file, not a folder" if path.exists() else "no such folder"
        raise UsageError(f"{path}: {what}; give a folder of images or one in Cityscapes layout")
