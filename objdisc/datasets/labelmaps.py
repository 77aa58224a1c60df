"""A folder of images beside a folder of label maps, such as most labelling programs export."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import Reading, ids_among, scale_map
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.datasets.maps import read_label_map
from objdisc.errors import UsageError
from objdisc.imaging.colors import even_hues
from objdisc.imaging.decode import list_images
from objdisc.types import Sample

_IMAGES, _LABELS, _CLASSES = "images", "labels", "classes.json"


class LabelMaps(ImageFolder):
    """Images of any size below ``images/``, and a map of class ids for each, or for some, below ``labels/``.

    Layout (splits are optional; the maps are 8-bit PNGs of their images' sizes)::

        images/[<split>/]NAME.jpg
        labels/[<split>/]NAME.png
        classes.json               {"0": "unlabeled", "1": "road", ...}; without it classes are named by their ids

    Args:
        root: The folder that holds ``images/`` and ``labels/``.
        split: A subfolder of ``images/``, or ``""``.
        foreground: Names of the classes that are objects; None where none is chosen.

    Raises:
        UsageError: A folder is missing, ``images/`` holds none, ``classes.json`` cannot be read, or a class name is
            unknown.
    """

    def __init__(self, root: Path, split: str = "", foreground: Sequence[str] | None = None) -> None:
        super().__init__(root / _IMAGES, split, labels_from_folders=False)
        self.root = root
        folder = root / _LABELS / split
        maps = {path.relative_to(folder).with_suffix("").as_posix(): path for path in _maps_in(folder)}
        names = {sample.name: Path(sample.name).with_suffix("").as_posix() for sample in self.samples}
        # "a.jpg" keeps its suffix in its name where an "a.png" lies beside it; dots within a name are no suffix
        self._maps = {
            name: path for name, stem in names.items() if (path := maps.get(name) or maps.get(stem)) is not None
        }
        self.class_names = _class_names(root / _CLASSES) if self._maps else {}
        hues = even_hues(len(self.class_names))
        self.class_colors = dict(zip(self.class_names, hues.values(), strict=True))
        self.foreground = None if foreground is None else frozenset(foreground)
        self._foreground_ids = self._ids_of(foreground or ())

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder holds ``images/`` and ``labels/``."""
        return has_label_maps(path)

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, val and test are subfolders of ``images/``."""
        return label_map_splits(path)

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, reading: Reading) -> ImageDataset:
        """Open a split, as ``ImageDataset`` describes."""
        return cls(path, split if label_map_splits(path) else "", foreground)

    @property
    def has_ground_truth(self) -> bool:
        """Whether any image has a map."""
        return bool(self._maps)

    def read_foreground(self, sample: Sample) -> NDArray[np.bool_] | None:
        """Read where the map holds a foreground class; None where none was chosen."""
        labels = self._read_class_ids(sample) if self._foreground_ids else None
        return None if labels is None else scale_map(ids_among(labels, self._foreground_ids), self.reading.scale)

    def is_foreground(self, sample: Sample) -> bool | None:
        """Return None: an image with a map is no single object."""
        return None

    def mask_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the map, where foreground classes were chosen."""
        return self.label_paths(sample) if self._foreground_ids else ()

    def label_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the map, where there is one."""
        path = self._maps.get(sample.name)
        return () if path is None else (path,)

    def _read_class_ids(self, sample: Sample) -> NDArray[np.uint8] | None:
        path = self._maps.get(sample.name)
        return None if path is None else read_label_map(sample, path)

    def _ids_of(self, foreground: Sequence[str]) -> frozenset[int]:
        known = {name: label for label, name in self.class_names.items()}
        unknown = [name for name in foreground if name not in known]
        if unknown:
            raise UsageError(f"{self.root}: no class {', '.join(unknown)} for --foreground; there: {', '.join(known)}")
        return frozenset(known[name] for name in foreground)


def _maps_in(folder: Path) -> Iterator[Path]:
    return list_images(folder) if folder.is_dir() else iter(())


def has_label_maps(path: Path) -> bool:
    """Say whether a folder holds ``images/`` and ``labels/``."""
    return (path / _IMAGES).is_dir() and (path / _LABELS).is_dir()


def label_map_splits(root: Path) -> tuple[str, ...]:
    """Return which of train, val and test are subfolders of ``images/``."""
    return tuple(name for name in ("train", "val", "test") if (root / _IMAGES / name).is_dir())


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
