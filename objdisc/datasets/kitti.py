"""KITTI semantics: 200 labelled street scenes of Karlsruhe (Alhaija et al., IJCV 2018, cvlibs.net/datasets/kitti)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import IGNORED_IDS, LABEL_COLORS, LABEL_NAMES, MOVING_CLASSES
from objdisc.datasets.listing import find_root, folders_by_split, images_of_split, maps_by_name
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UsageError
from objdisc.types import Sample

_IMAGES = "image_2"
_INSTANCE_BASE = 256  # instance: class id * 256 + number; number 0 is no instance


class Kitti(SegmentationDataset):
    """One split of the KITTI semantic and instance segmentation benchmark.

    Layout (as ``data_semantics.zip`` unpacks)::

        training/image_2/000000_10.png
        training/semantic/000000_10.png     8 bits, the labelIds of Cityscapes
        training/instance/000000_10.png     16 bits: class * 256 + number, from 1 on
        testing/image_2/

    Args:
        root: The folder that holds ``training/``.
        split: ``train`` or ``test``.
        foreground: Names of the classes that are objects; by default those of Cityscapes.

    Raises:
        UsageError: Folder or split missing, or an unknown class name.
    """

    title = "KITTI"
    ignore_ids = IGNORED_IDS

    def __init__(self, root: Path, split: str = "train", foreground: Sequence[str] = MOVING_CLASSES) -> None:
        found = _find_root(root)
        folder = None if found is None else folders_by_split(found).get(split)
        if found is None or folder is None:
            raise UsageError(f"{root}: no split {split!r} there; splits: {', '.join(self.splits_of(root)) or 'none'}")
        maps, instances = (maps_by_name(folder / kind) for kind in ("semantic", "instance"))
        images = images_of_split(folder, _IMAGES)
        super().__init__(found, split, images, maps, LABEL_NAMES, LABEL_COLORS, foreground, instances)
        self._instance_ids = np.zeros(1 << 16, np.bool_)
        for class_id in self._foreground_ids:
            self._instance_ids[class_id * _INSTANCE_BASE + 1 : (class_id + 1) * _INSTANCE_BASE] = True

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the folder, or the only suitable one in it, holds ``image_2/`` and ``semantic/`` in ``training/``."""
        return _find_root(path) is not None

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train and test exist."""
        folders = folders_by_split(_find_root(path) or path)
        return tuple(name for name, folder in folders.items() if (folder / _IMAGES).is_dir())

    def _decode_instances(self, sample: Sample, path: Path) -> NDArray[np.integer]:
        return super()._decode_instances(sample, path).astype(np.uint16, copy=False)


def _find_root(path: Path) -> Path | None:
    root = find_root(path, f"training/{_IMAGES}/", f"testing/{_IMAGES}/")
    labelled = root is not None and any((root / "training" / kind).is_dir() for kind in ("semantic", "instance"))
    return root if labelled else None
