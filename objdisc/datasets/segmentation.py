"""The base of layouts with label maps: a file for each image that holds the class of every pixel."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import DataOptions, ids_among, scale_map
from objdisc.datasets.listing import left_beside, samples_of
from objdisc.datasets.maps import read_label_map, read_map_of
from objdisc.errors import UsageError
from objdisc.imaging.colors import Color
from objdisc.imaging.runs import InstanceRuns, find_runs
from objdisc.types import Sample


class SegmentationDataset(ImageDataset):
    """A split in which all, some or none of the images have a label map.

    A layout of this kind defines ``recognises`` and ``splits_of``, and its constructor of ``root``, ``split`` and
    ``foreground`` finds images and maps and passes them to this one. If its maps are not 8-bit ids, ``_decode_labels``
    reads them; if it also has maps of objects, ``_decode_instances`` and ``_instance_ids`` say which of their ids are
    objects.

    Args:
        root: The data set's folder.
        split: Name of the split.
        images: Name of each sample to its image.
        maps: Name of each sample that has a label map to the map; other names are left out.
        names: Label id to name, all ids; these are the class names if there is a map.
        colors: Label id to RGB, 0 to 255; the keys of ``names``.
        foreground: Names of the classes that are objects; None chooses none.
        instances: Name of each sample that has a map of its objects to the map; None if the layout has none.

    Attributes:
        title: Name of the data set in messages; ``""`` if the folder itself defines its classes.
        foreground: Names of the classes that are objects; None if none is chosen.

    Raises:
        UsageError: There is no image, or a class name is unknown.
    """

    title: ClassVar[str] = ""
    foreground: tuple[str, ...] | None
    ignore_ids = frozenset()

    def __init__(
        self,
        root: Path,
        split: str,
        images: Mapping[str, Path],
        maps: Mapping[str, Path],
        names: Mapping[int, str],
        colors: Mapping[int, Color],
        foreground: Sequence[str] | None,
        instances: Mapping[str, Path] | None = None,
    ) -> None:
        if not images:
            there = ", ".join(self.splits_of(root)) or "none"
            raise UsageError(f"{root}: no split {split!r}; splits with images: {there} (--split)")
        self.root = root
        self.split = split
        self.samples = samples_of(images, split)
        self._maps = {name: maps[name] for name in images if name in maps}
        self._instance_maps = {name: path for name, path in (instances or {}).items() if name in images}
        self._instance_ids: NDArray[np.bool_] | None = None  # which ids of 16 bits are objects; None: all but 0
        if "left_out" not in vars(self):  # a layout that lists whole folders has counted already
            maps_read = (*self._maps.values(), *self._instance_maps.values())
            self.left_out = left_beside(images.values(), {*images.values(), *maps_read})
        self.class_names = names if self._maps else {}
        self.class_colors = colors if self._maps else {}
        self.foreground = None if foreground is None else tuple(foreground)
        self._foreground_ids = frozenset() if self.foreground is None else self._ids_of(self.foreground, names)

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions) -> Self:
        """Open a split, as ``ImageDataset`` describes; the constructor says which classes are objects by default."""
        del options
        layout: Callable[..., Self] = cls  # of these three arguments, where this class's own takes what was found
        return layout(path, split) if foreground is None else layout(path, split, foreground)

    @property
    def has_ground_truth(self) -> bool:
        """Whether any image of the split has a label map."""
        return bool(self._maps)

    @property
    def has_instances(self) -> bool:
        """Whether any image of the split has a map of its objects."""
        return bool(self._instance_maps)

    def read_instances(self, sample: Sample) -> NDArray[np.int32] | None:
        """Read the objects of the foreground classes, as ``ImageDataset`` describes."""
        ids = self._read_instance_ids(sample)
        return None if ids is None else number_objects(ids, self._instance_ids)

    def read_instance_runs(self, sample: Sample) -> InstanceRuns | None:
        """Read the runs directly from the map, because painting a map of numbers would take most of the time."""
        ids = self._read_instance_ids(sample)
        return None if ids is None else find_runs(ids, self._instance_ids)

    def read_foreground(self, sample: Sample) -> NDArray[np.bool_] | None:
        """Read where the label map holds a foreground class; None if none was chosen, or there is no map."""
        labels = self._read_class_ids(sample) if self._foreground_ids else None
        return None if labels is None else scale_map(ids_among(labels, self._foreground_ids), self.options.scale)

    def is_foreground(self, sample: Sample) -> bool | None:
        """Return None: an image whose pixels have classes is not a single object."""
        return None

    def mask_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the files of ``label_paths`` if foreground classes were chosen, otherwise the map of objects."""
        if self._foreground_ids:
            return self.label_paths(sample)
        path = self._instance_maps.get(sample.name)
        return () if path is None else (path,)

    def label_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the label map and the map of objects if they exist; a file that is both is returned once."""
        paths = (self._maps.get(sample.name), self._instance_maps.get(sample.name))
        return tuple(dict.fromkeys(path for path in paths if path is not None))

    def _read_class_ids(self, sample: Sample) -> NDArray[np.uint8] | None:
        path = self._maps.get(sample.name)
        return None if path is None else self._decode_labels(sample, path)

    def _decode_labels(self, sample: Sample, path: Path) -> NDArray[np.uint8]:
        """Decode a label map at full size to the data set's own label ids. Only ``_read_class_ids`` calls it.

        Raises:
            UnreadableImageError: The map cannot be decoded, or has another size than its image.
        """
        return read_label_map(sample, path)

    def _read_instance_ids(self, sample: Sample) -> NDArray[np.integer] | None:
        path = self._instance_maps.get(sample.name)
        return None if path is None else scale_map(self._decode_instances(sample, path), self.options.scale)

    def _decode_instances(self, sample: Sample, path: Path) -> NDArray[np.integer]:
        """Decode a map of objects at full size to ids of at most 16 bits.

        Raises:
            UnreadableImageError: The map cannot be decoded, or has another size than its image.
        """
        return read_map_of(sample, path)

    def _ids_of(self, foreground: Sequence[str], names: Mapping[int, str]) -> frozenset[int]:
        ids = {name: label for label, name in names.items()}
        unknown = ", ".join(name for name in foreground if name not in ids)
        if unknown or not foreground:
            unknown, known = unknown or "empty", ", ".join(ids)
            if self.title:
                raise UsageError(f"foreground: {unknown}; {self.title} classes are {known}")
            raise UsageError(f"{self.root}: no class {unknown} for --foreground; there: {known}")
        return frozenset(ids[name] for name in foreground)


def number_objects(ids: NDArray[np.integer], wanted: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
    """Turn ids of objects into numbers that say nothing about their classes.

    Args:
        ids: ``(H, W)`` integers of at least 0.
        wanted: ``wanted[id]`` says for every id whether it is an object; None takes all but 0.

    Returns:
        ``(H, W)`` int32: 0, and 1, 2, ... in raster order of each object's first pixel.
    """
    values, first, places = np.unique(ids, return_index=True, return_inverse=True)
    is_object = values > 0 if wanted is None else wanted[values]
    kept = np.flatnonzero(is_object)
    numbers = np.zeros(values.size, np.int32)
    numbers[kept[np.argsort(first[kept])]] = np.arange(1, kept.size + 1)
    found: NDArray[np.int32] = numbers[places.reshape(ids.shape)]
    return found
