"""Numbers that tell how well clusters agree with classes, from two vectors of ids."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from objdisc.errors import UsageError
from objdisc.evaluation.matching import (
    count_classes,
    hungarian_mapping,
    majority_mapping,
    mapped_accuracy,
    mapped_recall,
)


@dataclass(frozen=True)
class ClusterMetrics:
    """Agreement of one clustering with the classes; all but the counts are in [0, 1] unless said otherwise.

    Of n patches, patch i is of class y_i and in cluster c_i; H is entropy, I mutual information.

    Attributes:
        num_patches: Patches with a class label.
        num_clusters: K, empty clusters included.
        accuracy_majority: Each cluster read as its most frequent class (the paper's accuracy).
        accuracy_hungarian: ACC of IIC, SCAN and others: the largest share of i with m(c_i) = y_i over all one-to-one
            mappings m of clusters to classes (Kuhn 1955); spare clusters are wrong.
        accuracy_balanced: Mean recall per class under the one-to-one matching; an unmatched class has recall 0.
        accuracy_floor: Share of the largest class: what one single cluster would score.
        nmi: Normalised mutual information, 2 I(y; c) / (H(y) + H(c)): by the arithmetic mean of the entropies, as
            scikit-learn has it unless told otherwise. 1 where both sides are constant.
        nmi_geometric: The same by the geometric mean, I(y; c) / sqrt(H(y) H(c)), as JULE reports it; never smaller.
        ari: Adjusted Rand index (Hubert and Arabie 1985): pairs of patches on which both agree whether they belong
            together, 0 where chance would agree as often; in [-0.5, 1].
        purity: The same number as ``accuracy_majority``; readers look for either name.
        effective_clusters: Exponential of the entropy of the cluster sizes, in [1, K].
        counts: Class name to patches per cluster.
        majority: Class that each cluster is read as; None for an empty cluster.
        matched: Class that each cluster is matched with one to one; None for an unmatched cluster.
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
    known = labels >= 0
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
        nmi=float(normalized_mutual_info_score(labels[known], clusters[known], average_method="arithmetic")),
        nmi_geometric=float(normalized_mutual_info_score(labels[known], clusters[known], average_method="geometric")),
        ari=float(adjusted_rand_score(labels[known], clusters[known])),
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
        A number in [1, K]; 0 where there is no patch at all.
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
        threshold: A window at or above it is called foreground.

    Returns:
        ``foreground_accuracy`` (plain), ``foreground_accuracy_balanced`` (mean recall of the sides that occur)
        and ``foreground_accuracy_floor`` (share of the larger side).

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
