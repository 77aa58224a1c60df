"""Which cluster stands for which class: contingency counts and the mappings made from them.

Both mappings use labels, so they belong to the evaluation: no cluster is trained, chosen or renamed by them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from objdisc.errors import UsageError

Matching = Literal["majority", "hungarian"]


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """The number of patches of each class in each cluster.

    Attributes:
        class_ids: The C label ids that occur, ascending.
        table: ``(C, K)`` int64 patches, row = class, column = cluster.
    """

    class_ids: tuple[int, ...]
    table: NDArray[np.int64]


def count_classes(labels: NDArray[np.int64], clusters: NDArray[np.int64], num_clusters: int) -> ClassCounts:
    """Count patches by class and cluster; patches of unknown class (label below 0) are left out.

    Args:
        labels: ``(n,)`` label ids; negative for unknown.
        clusters: ``(n,)`` cluster ids.
        num_clusters: K; cluster ids run from 0 to K - 1, and clusters may be empty.

    Raises:
        ValueError: The lengths differ, or a cluster of a labelled patch is out of range.
        UsageError: No patch has a label.
    """
    if len(labels) != len(clusters):
        raise ValueError(f"{len(labels)} labels for {len(clusters)} clusters")
    known = labels >= 0
    labels, clusters = labels[known], clusters[known]
    if not labels.size:
        raise UsageError(
            "no object patch with a class label to score; evaluate a split that has ground truth, "
            "or check --objectness and the minimum area"
        )
    if clusters.min() < 0 or clusters.max() >= num_clusters:
        raise ValueError(f"clusters run from {clusters.min()} to {clusters.max()}; expected 0 to {num_clusters - 1}")
    class_ids, rows = np.unique(labels, return_inverse=True)
    table = np.bincount(rows * num_clusters + clusters, minlength=len(class_ids) * num_clusters)
    return ClassCounts(
        tuple(int(label) for label in class_ids), table.reshape(len(class_ids), num_clusters).astype(np.int64)
    )


def majority_mapping(counts: NDArray[np.int64], class_ids: Sequence[int] | None = None) -> dict[int, int]:
    """Map each cluster to its most frequent class; several clusters may share a class.

    Args:
        counts: ``(C, K)`` patches by class and cluster.
        class_ids: The C label ids; None for the row numbers.

    Returns:
        Cluster id to label id; an empty cluster is left out. Ties go to the first row.
    """
    ids = range(len(counts)) if class_ids is None else class_ids
    return {
        cluster: ids[int(counts[:, cluster].argmax())] for cluster in range(counts.shape[1]) if counts[:, cluster].any()
    }


def hungarian_mapping(counts: NDArray[np.int64], class_ids: Sequence[int] | None = None) -> dict[int, int]:
    """Match clusters to classes one to one so that the most patches agree (Kuhn 1955).

    Args:
        counts: ``(C, K)`` patches by class and cluster; C and K may differ.
        class_ids: The C label ids; None for the row numbers.

    Returns:
        Cluster id to label id. Clusters beyond the number of classes, and pairs without any patch, are left out.
    """
    ids = range(len(counts)) if class_ids is None else class_ids
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return {int(cluster): ids[int(row)] for row, cluster in zip(rows, columns, strict=True) if counts[row, cluster] > 0}


def label_mapping(counts: ClassCounts, matching: Matching = "majority") -> dict[int, int]:
    """Choose the label id of each cluster in labelIds maps.

    The default is many-to-one, like the paper's accuracy: if K is above the number of classes, spare clusters are then
    used, not thrown away. The paper's protocol uses counts of the scored split; counts of the training split, if it has
    labels, are a stricter protocol, because no labels of the scored split are then used.

    Args:
        counts: From ``count_classes``.
        matching: ``majority`` or ``hungarian``.

    Returns:
        Cluster id to label id; unmatched clusters are left out.
    """
    mappings: dict[Matching, Callable[[NDArray[np.int64], Sequence[int]], dict[int, int]]] = {
        "majority": majority_mapping,
        "hungarian": hungarian_mapping,
    }
    return mappings[matching](counts.table, counts.class_ids)


def labelled_share(count: int, share: float, seed: int = 0) -> NDArray[np.bool_]:
    """Choose which of some samples keep their label, to fit a mapping on few labels.

    With one seed, a smaller share is part of a larger one.

    Args:
        count: How many there are.
        share: Share that keeps its label, in (0, 1]; at least one sample does.
        seed: Seed of the choice.

    Returns:
        ``(count,)`` bool.

    Raises:
        UsageError: The share is out of range.
    """
    if not 0 < share <= 1:
        raise UsageError(f"a share of labels of {share}; give one above 0 and at most 1, such as 0.1")
    order = np.random.default_rng(seed).permutation(count)
    chosen = np.zeros(count, np.bool_)
    chosen[order[: max(round(share * count), 1)]] = True
    return chosen


def mapped_recall(counts: ClassCounts, mapping: Mapping[int, int]) -> NDArray[np.float64]:
    """Compute the recall of each class when clusters are mapped to classes.

    Args:
        counts: The patches to score; every class has at least one.
        mapping: Cluster id to label id, perhaps fitted on other patches.

    Returns:
        ``(C,)`` share of each class's patches in clusters that map to it, in [0, 1].
    """
    recall: NDArray[np.float64] = _confusion(counts, mapping).diagonal() / counts.table.sum(axis=1)
    return recall


def mapped_iou(counts: ClassCounts, mapping: Mapping[int, int]) -> NDArray[np.float64]:
    """Compute the intersection over union ``(C,)`` of each class, in [0, 1]; arguments as in ``mapped_recall``.

    A patch whose cluster maps to no class is a miss of its own class, and a false positive of none.
    """
    confusion = _confusion(counts, mapping)
    hits = confusion.diagonal()
    iou: NDArray[np.float64] = hits / (counts.table.sum(axis=1) + confusion.sum(axis=0) - hits)
    return iou


def mapped_accuracy(counts: ClassCounts, mapping: Mapping[int, int]) -> float:
    """Compute the share of all patches whose cluster maps to their class; arguments as in ``mapped_recall``."""
    return int(_confusion(counts, mapping).diagonal().sum()) / int(counts.table.sum())


def _confusion(counts: ClassCounts, mapping: Mapping[int, int]) -> NDArray[np.int64]:
    """Count patches ``(C, C)`` by their class and by the class that their cluster maps to, if it is one of the C."""
    confusion = np.zeros((len(counts.class_ids),) * 2, np.int64)
    rows = {label: row for row, label in enumerate(counts.class_ids)}
    for cluster, label in mapping.items():
        if label in rows and cluster < counts.table.shape[1]:
            confusion[:, rows[label]] += counts.table[:, cluster]
    return confusion
