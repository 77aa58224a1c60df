"""Counts of pixels by class and cluster, on which mappings are fitted and per-pixel predictions scored."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.evaluation.confusion import ConfusionMatrix
from objdisc.evaluation.matching import ClassCounts
from objdisc.types import SegmentationMap

_PIXELS_AT_ONCE = 1 << 22  # bounds what counting a large tile takes beside its two maps


class PixelCounts:
    """Counts of pixels by class and cluster; memory does not grow with the number or the size of images.

    Args:
        class_names: Label id to name.
        ignore_ids: Label ids that are not scored.
        num_clusters: K.

    Attributes:
        class_ids: The C scored label ids, ascending.
        table: ``(C, K + 1)`` int64 pixels; the last column counts those without a cluster.
        num_images: Images counted.
    """

    def __init__(self, class_names: Mapping[int, str], ignore_ids: Iterable[int], num_clusters: int) -> None:
        if num_clusters < 1:
            raise ValueError(f"num_clusters is {num_clusters}; at least one cluster is needed")
        ignored = frozenset(ignore_ids)
        self.class_names = class_names
        self.num_clusters = num_clusters
        self.class_ids = tuple(sorted(label for label in class_names if label not in ignored))
        self.table: NDArray[np.int64] = np.zeros((len(self.class_ids), num_clusters + 1), np.int64)
        self.num_images = 0
        self._rows = np.full(256, len(self.class_ids), np.intp)  # the row beyond the table is dropped
        self._rows[list(self.class_ids)] = np.arange(len(self.class_ids))
        self._known = np.isin(np.arange(256), [*class_names, *ignored])

    def update(self, clusters: NDArray[np.integer], labels: NDArray[np.uint8]) -> None:
        """Add one image, or a part of one.

        Args:
            clusters: ``(H, W)`` cluster ids from 0 to K - 1; negative where nothing was found.
            labels: ``(H, W)`` label ids.

        Raises:
            ValueError: The shapes differ, a cluster is out of range, or a label id is neither a class nor ignored.
        """
        if clusters.shape != labels.shape:
            raise ValueError(f"the prediction is {clusters.shape} pixels, the ground truth {labels.shape}")
        if clusters.size and int(clusters.max()) >= self.num_clusters:
            largest = self.num_clusters - 1
            raise ValueError(f"the prediction holds cluster {int(clusters.max())}; the largest is {largest}")
        columns = self.num_clusters + 1
        total = np.zeros((len(self.class_ids) + 1) * columns, np.int64)
        seen = np.zeros(256, np.int64)
        for part in _parts(labels.size):
            found, truth = clusters.reshape(-1)[part].astype(np.intp), labels.reshape(-1)[part]
            seen += np.bincount(truth, minlength=256)
            found[found < 0] = self.num_clusters
            total += np.bincount(self._rows[truth] * columns + found, minlength=total.size)
        unknown = np.flatnonzero((seen > 0) & ~self._known)
        if unknown.size:
            raise ValueError(f"the ground truth holds label id {unknown[0]}, which is no class")
        self.table += total.reshape(-1, columns)[:-1]
        self.num_images += 1

    def add(self, other: "PixelCounts") -> None:
        """Add other counts of the same classes and clusters."""
        self.table += other.table
        self.num_images += other.num_images

    def counts(self) -> ClassCounts:
        """Return the counts for fitting a mapping: classes that occur, and pixels that have a cluster.

        Raises:
            UsageError: No pixel has a class.
        """
        sizes: NDArray[np.int64] = self.table.sum(axis=1)
        occurs = sizes > 0
        if not occurs.any():
            names = ", ".join(self.class_names[label] for label in self.class_ids)
            raise UsageError(f"no pixel of any class to score ({names}); check the label maps and --data.classes")
        ids = tuple(label for label, there in zip(self.class_ids, occurs, strict=True) if there)
        return ClassCounts(ids, self.table[occurs, :-1])

    def confusion(self, mapping: Mapping[int, int]) -> ConfusionMatrix:
        """Map clusters to classes.

        Args:
            mapping: Cluster id to label id. Pixels of other clusters, or without a cluster, are misses.

        Returns:
            A matrix over label ids, with one more id that stands for "no class".
        """
        nothing = max(self.class_ids, default=0) + 1
        matrix = ConfusionMatrix(nothing + 1, {*range(nothing + 1)} - {*self.class_ids})
        for column in range(self.num_clusters + 1):
            label = mapping.get(column, nothing)
            matrix.counts[list(self.class_ids), label if label <= nothing else nothing] += self.table[:, column]
        return matrix


def count_pixels(
    dataset: ImageDataset,
    predictions: Iterable[SegmentationMap],
    num_clusters: int,
) -> PixelCounts:
    """Count pixels by class and cluster, one image in memory at a time.

    Args:
        dataset: The split that the predictions belong to.
        predictions: Maps of cluster ids, of the size of ``read_labels``; images without ground truth are skipped.
        num_clusters: K.

    Raises:
        UsageError: A prediction belongs to no image, or no image has ground truth.
        UnreadableImageError: A label map cannot be read, or does not fit the prediction.
    """
    samples = {sample.name: sample for sample in dataset.samples}
    whole = PixelCounts(dataset.class_names, dataset.ignore_ids, num_clusters)
    for prediction in predictions:
        sample = samples.get(prediction.sample)
        if sample is None:
            raise UsageError(f"{dataset.root}: no image {prediction.sample!r} in split {dataset.split!r}")
        labels = dataset.read_labels(sample)
        if labels is None:
            continue
        image = PixelCounts(dataset.class_names, dataset.ignore_ids, num_clusters)
        try:
            image.update(prediction.clusters, labels)
        except ValueError as error:
            path = next(iter(dataset.label_paths(sample)), sample.image_path)
            reason = f"{error}; predictions must be of this data set, read the same way"
            raise UnreadableImageError(path, reason) from error
        whole.add(image)
    if not whole.num_images:
        raise UsageError(
            f"{dataset.root}: no image of split {dataset.split!r} has class labels; evaluate a split with ground truth"
        )
    return whole


def _parts(size: int) -> Iterator[slice]:
    return (slice(start, start + _PIXELS_AT_ONCE) for start in range(0, size, _PIXELS_AT_ONCE))
