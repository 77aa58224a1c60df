"""Class x cluster counts of patches, from reading labels to writing files."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.evaluation.annotated import AnnotatedClasses
from objdisc.evaluation.matching import ClassCounts, count_classes
from objdisc.evaluation.metrics import ClusterMetrics, cluster_metrics, foreground_accuracy
from objdisc.evaluation.tables import format_table
from objdisc.inference.stitching import footprint
from objdisc.io.files import atomic_write, write_json
from objdisc.types import Patch

__all__ = [
    "ClassCounts",
    "ClusterMetrics",
    "cluster_metrics",
    "count_classes",
    "foreground_accuracy",
    "format_table",
    "patch_labels",
    "write_counts",
]


def patch_labels(dataset: ImageDataset, patches: Sequence[Patch]) -> NDArray[np.int64]:
    """Read the class of each object patch: the most frequent label id among the pixels of its region.

    If the classes are those of annotations, and the region comes from these, their class is taken. Each label map is
    read once, in any order of the patches, and one at a time.

    Args:
        dataset: The data set that the patches were cut from.
        patches: n patches; a lazy sequence is read twice.

    Returns:
        ``(n,)`` label ids, the smaller of two equally frequent ones; -1 for background patches, for images without
            ground truth or outside the data set, for empty regions, and for ids that are not a class.

    Raises:
        UnreadableImageError: A label map cannot be read or has another size than its image.
    """
    labels = np.full(len(patches), -1, np.int64)
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, patch in enumerate(patches):
        if patch.region.foreground:
            rows_of[patch.sample].append(row)
    for sample in dataset.samples:
        rows = rows_of.get(sample.name)
        if rows is not None and isinstance(dataset, AnnotatedClasses):
            rows = _take_said(dataset, sample.name, patches, rows, labels)
        truth = dataset.read_labels(sample) if rows else None
        if rows is None or truth is None:
            continue
        for row in rows:
            patch = patches[row]
            top, left, mask = footprint(patch.region, patch.frame)
            pixels = truth[top, left][mask]
            if pixels.size:
                label = int(np.bincount(pixels).argmax())
                labels[row] = label if label in dataset.class_names else -1
    return labels


def _take_said(
    dataset: AnnotatedClasses, name: str, patches: Sequence[Patch], rows: list[int], labels: NDArray[np.int64]
) -> list[int]:
    """Fill in the classes that annotations give their own regions; return the rows of all other regions."""
    said, others = dataset.labels_of(name), []
    for row in rows:
        source_id = patches[row].region.source_id
        if source_id is None:
            others.append(row)
        else:
            labels[row] = said.get(source_id, -1)
    return others


def write_counts(
    csv_path: Path, json_path: Path, metrics: ClusterMetrics, baseline: ClusterMetrics | None = None
) -> None:
    """Write the class x cluster counts as CSV and as JSON, both atomically.

    The CSV has one line a class and one column a cluster (``cluster 0``, ...), then the baseline's
    (``baseline 0``, ...). The JSON has ``num_clusters``, ``counts``, ``majority``, ``matched`` and the same
    under ``baseline``.

    Args:
        csv_path: The table for spreadsheets.
        json_path: The file for programs.
        metrics: The method's counts.
        baseline: The baseline's, of the same patches.

    Raises:
        ObjdiscError: A file cannot be written.
    """
    parts = {"cluster": metrics} | ({"baseline": baseline} if baseline else {})
    with atomic_write(csv_path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", *(f"{title} {k}" for title, part in parts.items() for k in range(part.num_clusters))])
        for name in dict.fromkeys(name for part in parts.values() for name in part.counts):
            rows = [part.counts.get(name, [0] * part.num_clusters) for part in parts.values()]
            writer.writerow([name, *(count for row in rows for count in row)])
    document = _counts_document(metrics)
    if baseline:
        document["baseline"] = _counts_document(baseline)
    write_json(json_path, document)


def _counts_document(metrics: ClusterMetrics) -> dict[str, Any]:
    fields = ("num_clusters", "counts", "majority", "matched")
    return {field: getattr(metrics, field) for field in fields}
