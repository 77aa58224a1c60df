"""Classes of annotation files as the labels of a data set without labels: by source id, and as painted maps."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from objdisc.annotations.annotations import Annotations
from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import DataOptions
from objdisc.errors import UnreadableImageError
from objdisc.imaging.colors import even_hues
from objdisc.imaging.decode import image_size
from objdisc.inference.stitching import footprint
from objdisc.types import Sample

LabelSource = Literal["ground truth", "annotations", "detector"]
"""Where the objects' classes come from: the data set's own labels, a person's annotations, or a detector."""

UNANNOTATED = 255
"""Label id of pixels without an object that has a class; maps of ids have eight bits."""


class AnnotatedClasses(ImageDataset):
    """A data set whose labels are the classes of its annotations, for scoring only.

    Args:
        dataset: The images; it has no labels of its own.
        annotations: Their annotations, with classes.

    Attributes:
        annotations_read: The annotations.
        has_maps: Whether there are few enough classes for 8-bit maps, in which 0 and 255 are no classes.
    """

    def __init__(self, dataset: ImageDataset, annotations: Annotations) -> None:
        self.dataset, self.annotations_read = dataset, annotations
        self.root, self.split, self.samples = dataset.root, dataset.split, dataset.samples
        self.options = DataOptions(scale=dataset.options.scale, channels=dataset.options.channels)
        self.num_channels = dataset.num_channels
        self.annotations = dataset.annotations
        names = annotations.class_names()
        self.class_names = dict(enumerate(names, start=1))
        self.class_colors = dict(zip(self.class_names, even_hues(len(names)).values(), strict=True))
        self.ignore_ids = frozenset({0, UNANNOTATED})
        self.has_maps = len(names) < UNANNOTATED
        self._ids = {name: label for label, name in self.class_names.items()}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return False: it is not a layout of a folder."""
        del path
        return False

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return no splits: it is not a layout of a folder."""
        del path
        return ()

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions) -> ImageDataset:
        """Refuse: it is not a layout of a folder."""
        raise TypeError(f"{path}: annotated classes are of a data set that is open, not of a folder")

    @property
    def has_ground_truth(self) -> bool:
        """Return True: there are classes."""
        return True

    def read_image(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode an image as its data set does."""
        return self.dataset.read_image(sample)

    def image_size(self, sample: Sample) -> tuple[int, int]:
        """Return the size from the data set."""
        return self.dataset.image_size(sample)

    def read_foreground(self, sample: Sample) -> NDArray[np.bool_] | None:
        """Return None: no classes are chosen."""
        del sample
        return None

    def is_foreground(self, sample: Sample) -> bool | None:
        """Say what the data set says about the whole image."""
        return self.dataset.is_foreground(sample)

    def mask_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return no paths: annotations are identified by their content."""
        del sample
        return ()

    def label_paths(self, sample: Sample) -> tuple[Path, ...]:
        """Return the annotation files if they mention the image."""
        return self.annotations_read.files.paths[:1] if self.labels_of(sample.name) else ()

    def labels_of(self, name: str) -> dict[str, int]:
        """Return the label id of each object of an image, by its source id.

        Args:
            name: ``Sample.name``.
        """
        return _labels_of(self, name)

    def _read_class_ids(self, sample: Sample) -> NDArray[np.uint8] | None:
        """Paint the classes of an image, small objects over large ones; ``UNANNOTATED`` on all other pixels."""
        if not self.has_maps or sample.name not in self.annotations_read.matches.number_of:
            return None
        frame = image_size(sample.image_path)
        try:
            regions = self.annotations_read.regions(sample.name, frame) or []
        except ValueError as error:
            raise UnreadableImageError(sample.image_path, f"{self.annotations_read}: {error}") from error
        labels, painted = self.labels_of(sample.name), np.full(frame, UNANNOTATED, np.uint8)
        for region in sorted(regions, key=lambda region: -region.area):
            if (label := labels.get(region.source_id or "")) is not None:
                rows, columns, mask = footprint(region, frame)
                painted[rows, columns][mask] = label
        return painted


@lru_cache(maxsize=16)
def _labels_of(dataset: AnnotatedClasses, name: str) -> dict[str, int]:
    known = dataset.annotations_read.classes(name)
    return {source: dataset._ids[category] for source, category in known.items() if category in dataset._ids}


def labelled(dataset: ImageDataset) -> ImageDataset:
    """Return a data set as it is scored: with its own labels, or else with the classes of its annotations.

    Args:
        dataset: The split.

    Returns:
        The same object if it has its own labels, or if there are no classes at all.
    """
    if dataset.has_ground_truth:
        return dataset
    for annotations in dataset.annotations:
        if annotations.covers_any and len(annotations.class_names()) > 1:
            return AnnotatedClasses(dataset, annotations)
    return dataset


def labelled_pixels(dataset: ImageDataset) -> ImageDataset:
    """Return the same as ``labelled``, but a data set without labels if there are too many classes for a map."""
    found = labelled(dataset)
    return dataset if isinstance(found, AnnotatedClasses) and not found.has_maps else found


def label_source(dataset: ImageDataset) -> LabelSource:
    """Say where the classes of a data set's objects come from, as ``labelled`` returned it."""
    if not isinstance(dataset, AnnotatedClasses):
        return "ground truth"
    annotations = dataset.annotations_read
    return "detector" if annotations.has_scores and annotations.format.scores_are_detections else "annotations"
