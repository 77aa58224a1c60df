"""ADE20K scene parsing: indoor and outdoor scenes (Zhou et al., CVPR 2017, sceneparsing.csail.mit.edu)."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.listing import find_root, folders_by_split, images_of_split, maps_by_name
from objdisc.datasets.maps import hold_to_size
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.colors import even_hues
from objdisc.imaging.decode import image_size
from objdisc.types import Sample

_NUM_CLASSES = 150
_UNLABELLED = 0
_IMAGES, _MAPS, _INSTANCES, _NAMES = "images", "annotations", "annotations_instance", "objectInfo150.txt"


class Ade20k(SegmentationDataset):
    """One split of the scene parsing benchmark made of ADE20K.

    Layout (as ``ADEChallengeData2016.zip`` unpacks; the instances are a download of their own)::

        images/training/ADE_train_00000001.jpg                 or validation
        annotations/training/ADE_train_00000001.png            8 bits: 1 to 150, 0 is any other object
        annotations_instance/training/ADE_train_00000001.png   RGB: class of 100, number, unused
        objectInfo150.txt                                      a table: Idx, Ratio, Train, Val, Stuff, Name

    Id 0 is left out of scoring. Without the table, classes are named by their ids.

    Args:
        root: The folder that holds ``images/`` and ``annotations/``.
        split: ``train``, ``val`` or ``test``.
        foreground: Names of the classes that are objects; None chooses none: instances are objects anyway.

    Raises:
        UsageError: Folder or split missing, the table cannot be read, or an unknown class name.
    """

    title = "ADE20K"
    ignore_ids = frozenset({_UNLABELLED})

    def __init__(self, root: Path, split: str = "train", foreground: Sequence[str] | None = None) -> None:
        found = _find_root(root)
        folder = None if found is None else folders_by_split(found / _IMAGES).get(split)
        if found is None or folder is None:
            raise UsageError(f"{root}: no split {split!r} there; splits: {', '.join(self.splits_of(root)) or 'none'}")
        maps, instances = (maps_by_name(found / kind / folder.name) for kind in (_MAPS, _INSTANCES))
        names = {_UNLABELLED: "other", **_class_names(found / _NAMES)}
        colors = dict(zip(names, even_hues(len(names)).values(), strict=True))
        super().__init__(found, split, images_of_split(folder, ""), maps, names, colors, foreground or None, instances)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or the only suitable folder in it, holds images of ADE20K beside ``annotations/``."""
        return _find_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, val and test have images."""
        return tuple(folders_by_split((_find_root(path) or path) / _IMAGES))

    def _decode_instances(self, sample: Sample, path: Path) -> NDArray[np.integer]:
        try:
            pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_BGR)
        except (OSError, cv2.error) as error:
            raise UnreadableImageError(path, f"cannot be decoded ({error})") from error
        if pixels is None:
            raise UnreadableImageError(path, "cannot be decoded: not an image, or truncated")
        hold_to_size(sample, path, pixels.shape, image_size(sample.image_path))
        class_id, number = pixels[..., 2].astype(np.uint16), pixels[..., 1].astype(np.uint16)
        return np.where(number > 0, class_id * 256 + number, 0).astype(np.uint16)


def _find_root(path: Path) -> Path | None:
    root = find_root(path, *(f"{_IMAGES}/{split}/ADE_*.jpg" for split in ("training", "validation")))
    return root if root is not None and (root / _MAPS).is_dir() else None


def _class_names(path: Path) -> dict[int, str]:
    """Read the table's first and last columns: ids, and names, of which the first is used."""
    if not path.is_file():
        return {number: f"class {number}" for number in range(1, _NUM_CLASSES + 1)}
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:] if line.strip()]
        names = {int(row[0]): row[-1].split(",")[0].strip() for row in rows}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}: no table of classes ({error}); expected Idx, Ratio, Train, Val, Stuff, Name"
        ) from error
    seen: set[str] = set()
    for number, name in names.items():
        names[number] = name if name not in seen else f"{name} {number}"
        seen.add(names[number])
    return names
