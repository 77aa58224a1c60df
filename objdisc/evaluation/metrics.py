"""Scores of the agreement between clusters and classes.

Functions on label arrays take ``(labels_true, labels_pred)`` in scikit-learn's order: integers of any shape, arrays or
tensors on the CPU. A sample whose class is below 0 has no known class and is left out; one whose cluster is below 0 has
no cluster and counts as wrong.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from objdisc.errors import UsageError
from objdisc.evaluation.matching import (
    ClassCounts,
    Matching,
    count_classes,
    hungarian_mapping,
    label_mapping,
    majority_mapping,
    mapped_accuracy,
    mapped_iou,
    mapped_recall,
)

__all__ = [
    "ClusterMetrics",
    "adjusted_rand",
    "balanced_clustering_accuracy",
    "cluster_metrics",
    "clustering_accuracy",
    "effective_clusters",
    "foreground_accuracy",
    "majority_accuracy",
    "mean_iou",
    "normalized_mutual_info",
]


def clustering_accuracy(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    """Compute the accuracy under the best one-to-one matching of clusters and classes: ACC of IIC, SCAN and others.

    The matching is found by the Hungarian method (Kuhn 1955); clusters beyond the number of classes are wrong.

    Args:
        labels_true: Class of each sample; below 0 if it is unknown.
        labels_pred: Cluster of each sample, of the same shape; below 0 if it has none.

    Returns:
        The share of samples whose cluster is matched to their class, in [0, 1].

    Raises:
        ValueError: The shapes differ, or no class is known.
        TypeError: Labels are not integers.
    """
    return mapped_accuracy(*_matched(labels_true, labels_pred, "hungarian"))


def balanced_clustering_accuracy(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    """Compute the mean recall of the classes under the matching of ``clustering_accuracy``.

    Arguments are those of ``clustering_accuracy``.

    Returns:
        A number in [0, 1]; an unmatched class has recall 0.
    """
    return float(mapped_recall(*_matched(labels_true, labels_pred, "hungarian")).mean())


def majority_accuracy(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    """Compute the accuracy with each cluster mapped to its most frequent class, which is also called purity.

    Several clusters may be mapped to one class, so it grows with their number: Manning, Raghavan and Schuetze,
    "Introduction to Information Retrieval" (2008), section 16.3. Arguments are those of ``clustering_accuracy``.

    Returns:
        The share of samples that are of their cluster's most frequent class, in [0, 1]. It is never below
        ``clustering_accuracy``.
    """
    return mapped_accuracy(*_matched(labels_true, labels_pred, "majority"))


def mean_iou(labels_true: ArrayLike, labels_pred: ArrayLike, *, matching: Matching = "hungarian") -> float:
    """Compute the mean intersection over union of the classes, with clusters mapped to classes.

    Args:
        labels_true: Class of each sample, often a pixel; below 0 if it is unknown.
        labels_pred: Cluster of each sample, of the same shape; below 0 if it has none.
        matching: How clusters are mapped: ``hungarian`` as in ``clustering_accuracy``, ``majority`` as in
            ``majority_accuracy``.

    Returns:
        The mean over the classes that occur in ``labels_true``, in [0, 1]; a class without a cluster counts as 0.

    Raises:
        ValueError: The shapes differ, or no class is known.
    """
    return float(mapped_iou(*_matched(labels_true, labels_pred, matching)).mean())


def normalized_mutual_info(
    labels_true: ArrayLike, labels_pred: ArrayLike, *, average_method: Literal["arithmetic", "geometric"] = "arithmetic"
) -> float:
    """Compute the mutual information of classes and clusters divided by the mean of their entropies.

    It is scikit-learn's ``normalized_mutual_info_score``. Samples without a cluster count as one cluster.

    Args:
        labels_true: Class of each sample; below 0 if it is unknown.
        labels_pred: Cluster of each sample, of the same shape; below 0 if it has none.
        average_method: The mean of the entropies. ``arithmetic`` is scikit-learn's default; ``geometric``, as JULE
            reports it, is never smaller.

    Returns:
        A number in [0, 1]: 0 if they are independent, 1 if they are the same up to the names.

    Raises:
        ValueError: The shapes differ, or no class is known.
    """
    labels, clusters = _known(labels_true, labels_pred)
    return float(normalized_mutual_info_score(labels, clusters, average_method=average_method))


def adjusted_rand(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    """Compute the adjusted Rand index: pairs of samples on which classes and clusters agree (Hubert and Arabie 1985).

    It is scikit-learn's ``adjusted_rand_score``. Samples without a cluster count as one cluster. Arguments are those
    of ``clustering_accuracy``.

    Returns:
        A number in [-0.5, 1]: 0 for agreement by chance, 1 if they are the same up to the names.
    """
    return float(adjusted_rand_score(*_known(labels_true, labels_pred)))


@dataclass(frozen=True)
class ClusterMetrics:
    """Agreement of one clustering with the classes; scores are in [0, 1] unless stated otherwise.

    Patch i has class y_i and cluster c_i; H is entropy, I mutual information.

    Attributes:
        num_patches: Patches with a class label.
        num_clusters: K, empty clusters included.
        accuracy_majority: Accuracy with each cluster mapped to its most frequent class (the paper's accuracy).
        accuracy_hungarian: ACC of IIC, SCAN and others: the largest share of i with m(c_i) = y_i over all one-to-one
            mappings m of clusters to classes (Kuhn 1955); spare clusters are wrong.
        accuracy_balanced: Mean recall per class under the one-to-one matching; an unmatched class has recall 0.
        accuracy_floor: Share of the largest class, which a single cluster would score.
        nmi: Normalised mutual information, 2 I(y; c) / (H(y) + H(c)): by the arithmetic mean of the entropies,
            scikit-learn's default. 1 if both sides are constant.
        nmi_geometric: NMI by the geometric mean, I(y; c) / sqrt(H(y) H(c)), as JULE reports it; never smaller.
        ari: Adjusted Rand index (Hubert and Arabie 1985): share of pairs of patches on which both agree whether they
            belong together, corrected for chance; in [-0.5, 1].
        purity: The same number as ``accuracy_majority``, given because both names are in use.
        effective_clusters: Exponential of the entropy of the cluster sizes, in [1, K].
        counts: Class name to patches per cluster.
        majority: Class that each cluster is mapped to; None for an empty cluster.
        matched: Class that each cluster is matched to one to one; None for an unmatched cluster.
    """

    num_patches: int
    num_clusters: int
    accuracy_majority: float
    accuracy_hungarian: float
    accuracy_balanced: float
    accuracy_floor: float
    nmi: float
    nmi_geometric: float
    ari: float
    purity: float
    effective_clusters: float
    counts: dict[str, list[int]]
    majority: list[str | None]
    matched: list[str | None]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary that ``json`` takes."""
        return asdict(self)


def cluster_metrics(
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    num_clusters: int,
    class_names: Mapping[int, str],
) -> ClusterMetrics:
    """Score clusters against classes; patches of unknown class (label below 0, background) are left out.

    Args:
        labels: ``(n,)`` label ids, as ``patch_labels`` returns them.
        clusters: ``(n,)`` cluster ids in [0, K) wherever the label is known.
        num_clusters: K.
        class_names: Label id to name; an id without one is called ``class <id>``.

    Raises:
        UsageError: No patch has a label.
        ValueError: The lengths differ or a cluster is out of range.
    """
    counts = count_classes(labels, clusters, num_clusters)
    majority = majority_mapping(counts.table, counts.class_ids)
    matched = hungarian_mapping(counts.table, counts.class_ids)
    names = {label: class_names.get(label, f"class {label}") for label in counts.class_ids}
    accuracy = mapped_accuracy(counts, majority)
    return ClusterMetrics(
        num_patches=int(counts.table.sum()),
        num_clusters=num_clusters,
        accuracy_majority=accuracy,
        accuracy_hungarian=mapped_accuracy(counts, matched),
        accuracy_balanced=float(mapped_recall(counts, matched).mean()),
        accuracy_floor=int(counts.table.sum(axis=1).max()) / int(counts.table.sum()),
        nmi=normalized_mutual_info(labels, clusters),
        nmi_geometric=normalized_mutual_info(labels, clusters, average_method="geometric"),
        ari=adjusted_rand(labels, clusters),
        purity=accuracy,
        effective_clusters=effective_clusters(counts.table.sum(axis=0)),
        counts={names[label]: row.tolist() for label, row in zip(counts.class_ids, counts.table, strict=True)},
        majority=[names.get(majority.get(cluster, -1)) for cluster in range(num_clusters)],
        matched=[names.get(matched.get(cluster, -1)) for cluster in range(num_clusters)],
    )


def effective_clusters(sizes: NDArray[np.int64]) -> float:
    """Return the exponential of the entropy of cluster sizes: K equal clusters give K, one full cluster gives 1.

    Args:
        sizes: ``(K,)`` patches per cluster.

    Returns:
        A number in [1, K]; 0 if there is no patch at all.
    """
    if not sizes.any():
        return 0.0
    shares = sizes[sizes > 0] / sizes.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def foreground_accuracy(
    probability: NDArray[np.floating[Any]], foreground: NDArray[np.bool_], threshold: float = 0.5
) -> dict[str, float]:
    """Score the foreground head on object and background windows.

    Args:
        probability: ``(n,)`` probability of foreground in [0, 1].
        foreground: ``(n,)`` True for object windows.
        threshold: Probability from which on a window is predicted as foreground.

    Returns:
        ``foreground_accuracy`` (plain), ``foreground_accuracy_balanced`` (mean recall of foreground and background, as
            far as they occur) and ``foreground_accuracy_floor`` (share of the larger of both).

    Raises:
        UsageError: There is no window.
        ValueError: The lengths differ.
    """
    if len(probability) != len(foreground):
        raise ValueError(f"{len(probability)} probabilities for {len(foreground)} windows")
    if not len(foreground):
        raise UsageError("no window to score the foreground head on; check --objectness and the minimum area")
    right = (probability >= threshold) == foreground
    sides = [right[foreground == side] for side in (False, True)]
    return {
        "foreground_accuracy": float(right.mean()),
        "foreground_accuracy_balanced": float(np.mean([side.mean() for side in sides if side.size])),
        "foreground_accuracy_floor": max(side.size for side in sides) / len(foreground),
    }


def _known(labels_true: ArrayLike, labels_pred: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return classes and clusters ``(n,)`` of the samples whose class is known; -1 for those without a cluster."""
    labels, clusters = (np.asarray(ids).astype(np.int64, casting="same_kind") for ids in (labels_true, labels_pred))
    if labels.shape != clusters.shape:
        raise ValueError(f"labels_true is of shape {labels.shape}, labels_pred of {clusters.shape}; both must be alike")
    known = labels >= 0
    if not known.any():
        raise ValueError("labels_true holds no known class: there is nothing to compare clusters with")
    return labels[known], np.maximum(clusters[known], -1)


def _matched(
    labels_true: ArrayLike, labels_pred: ArrayLike, matching: Matching
) -> tuple[ClassCounts, Mapping[int, int]]:
    """Count samples by class and cluster, those without a cluster in a last column, and match the others."""
    labels, clusters = _known(labels_true, labels_pred)
    has_one = clusters >= 0
    ids, numbers = np.unique(clusters[has_one], return_inverse=True)
    columns = np.full(len(clusters), len(ids))
    columns[has_one] = numbers
    counts = count_classes(labels, columns, len(ids) + 1)
    return counts, label_mapping(ClassCounts(counts.class_ids, counts.table[:, :-1]), matching)
