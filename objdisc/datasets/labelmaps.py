"""A folder of images beside a folder of label maps, such as most labelling programs export."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from objdisc.datasets.grouping import DataOptions
from objdisc.datasets.listing import images_of_split, maps_by_name, split_folders
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UsageError
from objdisc.imaging.colors import even_hues
from objdisc.imaging.decode import IMAGE_SUFFIXES

_IMAGES, _LABELS, _CLASSES = "images", "labels", "classes.json"


class LabelMaps(SegmentationDataset):
    """Images of any size below ``images/``, and a map of class ids for each, or for some, below ``labels/``.

    Layout (splits are optional; the maps are 8-bit PNGs of their images' sizes)::

        images/[<split>/]NAME.jpg
        labels/[<split>/]NAME.png
        classes.json               {"0": "unlabeled", "1": "road", ...}; without it classes are named by their ids

    Args:
        root: The folder that holds ``images/`` and ``labels/``.
        split: A subfolder of ``images/``, or ``""``.
        foreground: Names of the classes that are objects; none, or None, where none is chosen.

    Raises:
        UsageError: A folder is missing, ``images/`` holds none, ``classes.json`` cannot be read, or a class name is
            unknown.
    """

    def __init__(self, root: Path, split: str = "", foreground: Sequence[str] | None = None) -> None:
        images = images_of_split(root / _IMAGES, split)
        found = maps_by_name(root / _LABELS / split, IMAGE_SUFFIXES)
        # "a.jpg" keeps its suffix in its name where an "a.png" lies beside it; dots within a name are no suffix
        stems = {name: Path(name).with_suffix("").as_posix() for name in images}
        maps = {name: path for name, stem in stems.items() if (path := found.get(name) or found.get(stem)) is not None}
        names = _class_names(root / _CLASSES) if maps else {}
        colors = dict(zip(names, even_hues(len(names)).values(), strict=True))
        super().__init__(root, split, images, maps, names, colors, foreground or None)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder holds ``images/`` and ``labels/``."""
        return (path / _IMAGES).is_dir() and (path / _LABELS).is_dir()

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, val and test are subfolders of ``images/``."""
        return split_folders(path / _IMAGES)

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions) -> Self:
        """Open a split, as ``ImageDataset`` describes."""
        return super().open(path, split if cls.splits_of(path) else "", foreground, options)


def _class_names(path: Path) -> dict[int, str]:
    if not path.is_file():
        return {label: f"class {label}" for label in range(256)}
    try:
        names = {int(label): str(name) for label, name in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f'{path}: no class names in it ({error}); expected such as {{"0": "road"}}') from error
    if not names or min(names) < 0 or max(names) > 255:
        raise UsageError(f"{path}: holds {len(names)} class ids; expected at least one, each from 0 to 255")
    return dict(sorted(names.items()))
