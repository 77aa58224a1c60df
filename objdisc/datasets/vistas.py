"""Mapillary Vistas: street scenes of all continents (Neuhold et al., ICCV 2017, mapillary.com/dataset/vistas)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from objdisc.datasets.listing import find_root, folders_by_split, images_of_split, maps_by_name
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UsageError
from objdisc.imaging.colors import Color

_VERSIONS = ("v2.0", "v1.2", "")  # folders of maps, the newest first; "" is how version 1 was unpacked
_INSTANCE_BASE = 256  # instances: label id * 256 + number
_IMAGES = "images"


class Vistas(SegmentationDataset):
    """One split of Mapillary Vistas, version 1.2 or 2.0.

    Layout (as its zip file unpacks; version 1 may lack the folder of the version)::

        training/images/NAME.jpg
        training/v2.0/labels/NAME.png       8 bits, indexed: 124 classes (version 1.2: 66)
        training/v2.0/instances/NAME.png    16 bits: class * 256 + number
        config_v2.0.json                    names, colours, and which classes have instances
        validation/..., testing/images/

    Classes are those of the ``config`` file; the last one, for unlabelled pixels, is left out of scoring. Classes with
    instances are the objects.

    Args:
        root: The folder that holds ``training/`` and the others.
        split: ``train``, ``val`` or ``test``.
        foreground: Names of the classes that are objects; None for those that have instances.

    Raises:
        UsageError: Folder or split missing, the ``config`` file cannot be read, or an unknown class name.
    """

    title = "Vistas"

    def __init__(self, root: Path, split: str = "train", foreground: Sequence[str] | None = None) -> None:
        found = _find_root(root)
        folder = None if found is None else folders_by_split(found).get(split)
        if found is None or folder is None:
            raise UsageError(f"{root}: no split {split!r} there; splits: {', '.join(self.splits_of(root)) or 'none'}")
        version = next((name for name in _VERSIONS if (folder / name / "labels").is_dir()), "")
        classes = _classes(found, version)
        names: Mapping[int, str] = {number: each[0] for number, each in enumerate(classes)}
        colors: Mapping[int, Color] = {number: each[1] for number, each in enumerate(classes)}
        if foreground is None:
            foreground = [name for name, _, has_instances in classes if has_instances] or None
        maps, instances = (maps_by_name(folder / version / kind) for kind in ("labels", "instances"))
        super().__init__(found, split, images_of_split(folder, _IMAGES), maps, names, colors, foreground, instances)
        self.ignore_ids = frozenset(number for number, name in names.items() if name.lower() in {"unlabeled", "void"})
        self._instance_ids = np.zeros(1 << 16, np.bool_)
        for class_id in self._foreground_ids:
            self._instance_ids[class_id * _INSTANCE_BASE : (class_id + 1) * _INSTANCE_BASE] = True
        self._instance_ids[0] = False  # which would be the first bird of all: 0 is what is none of the objects

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or the only suitable folder in it, holds ``config*.json`` beside splits of images."""
        return _find_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, val and test exist."""
        return tuple(folders_by_split(_find_root(path) or path))


def _find_root(path: Path) -> Path | None:
    root = find_root(path, "config*.json")
    holds_images = root is not None and any((root / name / _IMAGES).is_dir() for name in ("training", "validation"))
    return root if holds_images else None


def _classes(root: Path, version: str) -> list[tuple[str, Color, bool]]:
    """Read each class's name, its colour, and whether it has instances, in the order of the ids."""
    path = next((root / name for name in (f"config_{version}.json", "config.json") if (root / name).is_file()), None)
    if path is None:
        path = sorted(root.glob("config*.json"))[-1]
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
        found = [(str(each["readable"]), tuple(each["color"]), bool(each["instances"])) for each in labels]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: no classes in it ({error}); expected labels with readable, color, instances"
        ) from error
    if not 0 < len(found) <= 256 or len({name for name, _, _ in found}) < len(found):
        raise UsageError(f"{path}: holds {len(found)} classes; expected up to 256 of different names")
    return [(name, (int(color[0]), int(color[1]), int(color[2])), thing) for name, color, thing in found]
