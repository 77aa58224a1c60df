"""A folder of images of any size and format, with or without class subfolders and splits."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import DataOptions
from objdisc.datasets.listing import images_of_split, samples_of, split_folders
from objdisc.errors import UsageError
from objdisc.imaging.colors import even_hues
from objdisc.imaging.decode import image_size
from objdisc.imaging.leftout import LeftOut
from objdisc.types import Sample

_MAX_CLASSES = 256  # label maps are 8 bits


class ImageFolder(ImageDataset):
    """Images below ``root/<split>/``, at any depth; the first subfolder may name the image's class.

    Label maps that lie among the images are left out; see ``lookalikes``.

    There are no masks: each image is one object, or none. With ``foreground`` the subfolders say which
    (``foreground=["dog", "automobile"]`` on CIFAR-10: training learns only whether an image shows an object).

    Args:
        root: The folder.
        split: A subfolder of ``root``, or ``""`` for the folder itself.
        foreground: Subfolders whose images show an object; None if that is unknown.
        labels_from_folders: Whether the subfolders are classes for the evaluation. With None they are if ``foreground``
            names some of them, or if there is a split (``root/<split>/<class>/``).

    Raises:
        UsageError: Folder or split missing, no image in it, an unknown foreground name, or too many classes.
    """

    def __init__(
        self,
        root: Path,
        split: str = "",
        foreground: Sequence[str] | None = None,
        labels_from_folders: bool | None = None,
    ) -> None:
        self.root = root
        self.split = split
        self.left_out = LeftOut()
        self.samples = samples_of(images_of_split(root, split, self.left_out, only_photos=True), split)
        folder = root / split
        subfolders = _subfolders(root, folder, self.samples)
        self.foreground = None if foreground is None else _check_foreground(folder, foreground, subfolders)
        if labels_from_folders is None:
            labels_from_folders = foreground is not None or bool(split)
            labels_from_folders = labels_from_folders and 0 < len(subfolders) <= _MAX_CLASSES
        elif labels_from_folders and len(subfolders) > _MAX_CLASSES:
            raise UsageError(f"{folder}: {len(subfolders)} subfolders; at most {_MAX_CLASSES} can be classes")
        self._class_ids = {name: index for index, name in enumerate(subfolders)} if labels_from_folders else {}
        self.class_names = {index: name for name, index in self._class_ids.items()}
        self.class_colors = even_hues(len(self._class_ids))
        self.ignore_ids = frozenset()

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it is a folder: any folder may hold images, so this layout comes last."""
        return path.is_dir()

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return which of train, val and test are subfolders."""
        return split_folders(path)

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions) -> ImageDataset:
        """Open a split, as ``ImageDataset`` describes."""
        return cls(path, split if split_folders(path) else "", foreground, options.folder_classes or None)

    @property
    def has_ground_truth(self) -> bool:
        """Whether the subfolders are classes."""
        return any(sample.city in self._class_ids for sample in self.samples)

    @property
    def labels_whole_images(self) -> bool:
        """Whether the subfolders are classes."""
        return bool(self._class_ids)

    def read_foreground(self, sample: Sample) -> NDArray[np.bool_] | None:
        """Return a constant ``(H, W)`` map of ``is_foreground``; None if that is unknown."""
        known = self.is_foreground(sample)
        return None if known is None else np.full(self.image_size(sample), known, np.bool_)

    def is_foreground(self, sample: Sample) -> bool | None:
        """Say whether the image lies in a foreground subfolder; None if none was named."""
        return None if self.foreground is None else sample.city in self.foreground

    def mask_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return no paths: a folder of images has no masks."""
        return ()

    def _read_class_ids(self, sample: Sample) -> NDArray[np.uint8] | None:
        """Return a constant map of the subfolder's index among all, sorted."""
        class_id = self._class_ids.get(sample.city)
        return None if class_id is None else np.full(image_size(sample.image_path), class_id, np.uint8)


def _subfolders(root: Path, folder: Path, samples: Iterable[Sample]) -> list[str]:
    """List the class subfolders, over all splits: a class that one split lacks must not shift the others' ids."""
    names = {sample.city for sample in samples if sample.city}
    siblings = [] if folder == root else [root / name for name in split_folders(root)]
    for sibling in siblings:
        names |= {entry.name for entry in sibling.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    return sorted(names)


def _check_foreground(folder: Path, foreground: Sequence[str], subfolders: Sequence[str]) -> frozenset[str]:
    unknown = [name for name in foreground if name not in subfolders]
    if unknown or not foreground:
        there = ", ".join(subfolders) or "none"
        raise UsageError(f"{folder}: no subfolder {', '.join(unknown) or 'was named'} for --foreground; there: {there}")
    return frozenset(foreground)
