"""The base of all data sets: images, class-agnostic masks and, separately, class labels for the evaluation."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from objdisc.annotations.annotations import Annotations
from objdisc.datasets.grouping import IGNORED, DataOptions, group_ids, ids_among, scale_image, scale_map, scaled_size
from objdisc.datasets.selection import Measures, select_samples
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import image_size, read_rgb
from objdisc.imaging.leftout import LeftOut
from objdisc.imaging.rasters import raster_size, read_bands
from objdisc.imaging.runs import InstanceRuns, find_runs
from objdisc.types import Sample

_RGB = 3


class ImageDataset(ABC):
    """A split of a data set on disk: its samples, and how to read each one's image, masks and labels.

    Training code reads images, valid pixels, instances and foreground, but no classes. ``read_labels`` is for the
    evaluation alone.

    Attributes:
        root: The data set's folder.
        split: ``train``, ``val``, ``test``, or ``""`` where the data set has no splits.
        samples: The images, sorted by name.
        class_names: Label id to name, all ids; empty without ground truth.
        class_colors: Label id to RGB, 0 to 255; the keys of ``class_names``.
        ignore_ids: Label ids that an evaluation leaves out.
        options: Groups of classes and scale, as ``with_options`` set them.
        unlabelled_ids: Label ids of unlabelled pixels, which are not valid.
        num_channels: C of ``read_image``: 3 for RGB, more for further bands.
        annotations: Annotations of the images by other programs, one entry per format; ``open_dataset`` finds them.
        left_out: Other files in the folders of the images, counted by the reason for leaving them out.
        problems: Problems of the files that hold the images, one line each; ``--strict`` makes them errors.
        unscored: Names of samples whose class labels cannot be read, as ``without_labels`` set them.
    """

    root: Path
    split: str
    samples: tuple[Sample, ...]
    class_names: Mapping[int, str]
    class_colors: Mapping[int, tuple[int, int, int]]
    ignore_ids: frozenset[int]
    options: DataOptions = DataOptions()
    unlabelled_ids: frozenset[int] = frozenset()
    num_channels: int = 3
    annotations: tuple[Annotations, ...] = ()
    left_out: LeftOut = LeftOut()
    problems: tuple[str, ...] = ()
    unscored: frozenset[str] = frozenset()
    _masks: bool = True  # False where groups hold every class: then no label map needs to be read for the mask

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether an existing folder has this layout; nothing is decoded."""

    @classmethod
    @abstractmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return the splits of a recognised folder, train first; empty if it is read as a whole."""

    @classmethod
    @abstractmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions) -> "ImageDataset":
        """Open a split of a recognised folder.

        Args:
            path: The folder.
            split: Name of the split; ignored if the folder has none.
            foreground: Names of the classes that are objects; None for those that the layout takes for objects.
            options: How it will be read; only settings that decide about labels matter here.

        Raises:
            UsageError: The split is missing or empty, or a foreground name is unknown.
        """

    @property
    @abstractmethod
    def has_ground_truth(self) -> bool:
        """Whether any sample has class labels."""

    @property
    def has_instances(self) -> bool:
        """Whether any sample has instance masks."""
        return False

    @property
    def labels_whole_images(self) -> bool:
        """Whether class labels are of whole images, not of pixels."""
        return False

    def with_options(self, options: DataOptions) -> Self:
        """Return the same data set with other options: classes grouped, images scaled, unsuitable images left out.

        With groups, ``class_names`` are those of the groups, numbered 0, 1, ... in their order, each in the colour of
        its first id, and ``ignore_ids`` holds only 255, the id of all other pixels.

        Args:
            options: The options; ``only``, ``min_side`` and ``min_share`` choose among the samples, and ``min_share``
                reads every label map.

        Raises:
            UsageError: A group holds an id that the data set lacks, the classes are grouped already, or no image is
                left.
        """
        if self.options.classes is not None and options.classes is not None:
            raise UsageError(f"{self.root}: its classes are grouped already; group the data set's own classes.")
        other = copy.copy(self)
        other.options = options
        if options.classes is not None and self.class_names:
            other._masks = bool(self.unlabelled_ids) or not set(self.class_names) <= set(options.valid_ids or ())
            unknown = [label for label in options.valid_ids or () if label not in self.class_names]
            if unknown:
                known = f"{min(self.class_names)} to {max(self.class_names)}"
                raise UsageError(f"--data.classes: {self.root} has no label id {unknown[0]}; its ids: {known}.")
            groups = list(options.classes.items())
            other.class_names = {number: name for number, (name, _) in enumerate(groups)}
            other.class_colors = {number: self.class_colors[ids[0]] for number, (_, ids) in enumerate(groups)}
            other.ignore_ids = frozenset({IGNORED})
        if options.channels is not None:
            other.num_channels = options.channels
        measures = Measures(other._full_size, other._share, other.label_paths)
        other.samples = select_samples(self.samples, options, measures, f"{self.root}, split {self.split!r}")
        return other

    def image_size(self, sample: Sample) -> tuple[int, int]:
        """Return ``(height, width)`` of ``read_image`` in pixels, from the file's header alone if possible.

        Raises:
            UnreadableImageError: The file is missing or not an image.
        """
        return scaled_size(*self._full_size(sample), self.options.scale)

    def read_image(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode a sample's image, at ``options.scale``.

        Returns:
            ``(H, W, C)`` uint8, C = ``num_channels``; the first three are RGB, as ``images.read_rgb`` gives them.

        Raises:
            UnreadableImageError: The file is missing, truncated, not an image, or has too few channels.
        """
        return scale_image(self._decode(sample), self.options.scale)

    def read_window(self, sample: Sample, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Decode a crop of ``read_image``; for large rasters, the rest is not read.

        Args:
            sample: The image.
            x: Left column in pixels of ``read_image``.
            y: Top row.
            width: Columns; the window lies inside the image.
            height: Rows.

        Returns:
            ``(height, width, C)`` uint8.
        """
        return self.read_image(sample)[y : y + height, x : x + width]

    def read_valid(self, sample: Sample) -> NDArray[np.bool_]:
        """Read which pixels take part in training: those of the chosen classes, without telling which class.

        With ``options.classes`` these are the pixels of any group, so that things and unlabelled pixels are masked as
        in the paper. Without groups, they are all labelled pixels; without a label map, all pixels.

        Returns:
            ``(H, W)`` bool, the size of ``read_image``.

        Raises:
            UnreadableImageError: The label map cannot be decoded or has another size than its image, or no pixel
                takes part.
        """
        valid = self._valid_at_full_size(sample)
        if valid is None:
            return np.ones(self.image_size(sample), np.bool_)
        valid = scale_map(valid, self.options.scale)
        if not valid.any():
            wanted = "a labelled pixel" if self.options.classes is None else ", ".join(self.options.classes)
            path = next(iter(self.label_paths(sample)), sample.image_path)
            raise UnreadableImageError(path, f"no valid pixel in it: none is {wanted}; leave the image out")
        return valid

    def read_instances(self, sample: Sample) -> NDArray[np.int32] | None:
        """Read the object instances of the chosen foreground classes, without their classes.

        Returns:
            ``(H, W)`` int32: 0 where there is no object, instances 1, 2, ... in raster order of their first pixel, so
                that the numbers say nothing about the class. None without ground truth, or if it does not separate
                instances, which is the default.

        Raises:
            UnreadableImageError: The mask cannot be decoded or has another size than its image.
        """
        del sample
        return None

    def read_instance_runs(self, sample: Sample) -> InstanceRuns | None:
        """Read the same instances as ``read_instances`` as runs; a data set may have a faster way to do so."""
        instances = self.read_instances(sample)
        return None if instances is None else find_runs(instances)

    @abstractmethod
    def read_foreground(self, sample: Sample) -> NDArray[np.bool_] | None:
        """Read the union of the chosen foreground classes.

        Returns:
            ``(H, W)`` bool; None without ground truth.

        Raises:
            UnreadableImageError: The mask cannot be decoded or has another size than its image.
        """

    @abstractmethod
    def is_foreground(self, sample: Sample) -> bool | None:
        """Say whether the whole image shows an object of the chosen classes; None if that is unknown."""

    @abstractmethod
    def mask_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the existing files that ``read_instances`` and ``read_foreground`` read, for cache keys."""

    def label_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the existing files that ``read_valid`` and ``read_labels`` read, for cache keys."""
        return self.mask_paths(sample)

    def fingerprint(self) -> dict[str, Any]:
        """Return what images and valid pixels depend on besides the files, for cache keys."""
        return self.options.fingerprint() | {"num_channels": self.num_channels}

    def read_labels(self, sample: Sample) -> NDArray[np.uint8] | None:
        """Read the class of each pixel. For the evaluation only: training code never calls this.

        Returns:
            ``(H, W)`` uint8 label ids, or numbers of ``options.classes`` with 255 elsewhere, in the size of
                ``read_image``; None without ground truth.

        Raises:
            UnreadableImageError: The label map cannot be decoded, has another size than its image, or holds an id that
                is no class.
        """
        labels = None if sample.name in self.unscored else self._read_class_ids(sample)
        if labels is None:
            return None
        if self.options.classes is not None:
            labels = group_ids(labels, self.options.classes)
        else:
            known = {*self.class_names, *self.ignore_ids, *self.unlabelled_ids}
            unknown = labels[~ids_among(labels, known)]
            if unknown.size:
                path = next(iter(self.label_paths(sample)), sample.image_path)
                raise UnreadableImageError(path, f"holds the id {unknown[0]}, which is no class; see --class-names")
        return scale_map(labels, self.options.scale)

    def without_labels(self, names: frozenset[str]) -> Self:
        """Return the same data set without the class labels of some samples; images and masks stay as they are.

        Args:
            names: ``Sample.name`` of the samples whose label maps are damaged.
        """
        other = copy.copy(self)
        other.unscored = names
        return other

    @abstractmethod
    def _read_class_ids(self, sample: Sample) -> NDArray[np.uint8] | None:
        """Read the data set's own label ids at full size; None without ground truth. Only this class calls it."""

    def _decode(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode the image at full size to ``(H, W, C)``."""
        if self.num_channels == _RGB:
            return read_rgb(sample.image_path, self.options.stretch)
        return read_bands(sample.image_path, self.num_channels, "--data.channels")

    def _full_size(self, sample: Sample) -> tuple[int, int]:
        """Return ``(height, width)`` in pixels of what ``_decode`` returns, without decoding if possible."""
        return image_size(sample.image_path) if self.num_channels == _RGB else raster_size(sample.image_path)

    def _valid_at_full_size(self, sample: Sample) -> NDArray[np.bool_] | None:
        ids = self.options.valid_ids
        if not self._masks or (ids is None and not self.unlabelled_ids):
            return None
        labels = self._read_class_ids(sample)
        if labels is None:
            return None
        return ~ids_among(labels, self.unlabelled_ids) if ids is None else ids_among(labels, ids)

    def _share(self, sample: Sample) -> float:
        valid = self._valid_at_full_size(sample)
        return 1.0 if valid is None else np.count_nonzero(valid) / valid.size
