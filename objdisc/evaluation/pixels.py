"""Scores of a per-pixel clustering: clusters are mapped to classes by counts of this split or of another."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from objdisc.evaluation.matching import Matching, label_mapping
from objdisc.evaluation.metrics import effective_clusters
from objdisc.evaluation.pixelcounts import PixelCounts

_SAVED_AS = {"unclustered": "unanswered"}  # what programs that read metrics.json know it by


@dataclass(frozen=True)
class MappedScore:
    """Scores of clusters when each is mapped to a class.

    Attributes:
        pixel_accuracy: Share of scored pixels whose cluster is mapped to their class.
        mean_iou: Over classes that occur in truth or prediction.
        iou: Class name to intersection over union.
        classes: Class that each cluster is mapped to; None for no class.
    """

    pixel_accuracy: float
    mean_iou: float
    iou: dict[str, float]
    classes: list[str | None]


@dataclass(frozen=True)
class PixelMetrics:
    """Agreement of a per-pixel clustering with the classes of one split.

    Attributes:
        num_images: Images with ground truth.
        num_pixels: Scored pixels.
        num_clusters: K.
        accuracy_floor: Share of the largest class, which a single cluster would score.
        effective_clusters: Exponential of the entropy of the cluster sizes over scored pixels, in [1, K].
        hungarian: Scores with clusters and classes matched one to one on these same labels (the papers' accuracy for K
            classes).
        majority: Scores with each cluster mapped to its most frequent class on these same labels.
        transferred: As ``hungarian`` and ``majority``, but fitted on the labels of another split; None without one.
        counts: Class name to pixels per cluster.
        unclustered: Class name to pixels without a cluster; empty if every pixel has one.
    """

    num_images: int
    num_pixels: int
    num_clusters: int
    accuracy_floor: float
    effective_clusters: float
    hungarian: MappedScore
    majority: MappedScore
    transferred: dict[Matching, MappedScore] | None
    counts: dict[str, list[int]]
    unclustered: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary that ``json`` takes."""
        found = asdict(self)
        return {_SAVED_AS.get(name, name): value for name, value in found.items()}


def pixel_metrics(counts: PixelCounts, fitted_on: PixelCounts | None = None) -> PixelMetrics:
    """Score a per-pixel clustering.

    Args:
        counts: Counts of the split to score.
        fitted_on: Counts of another split, to fit further mappings on its labels besides those of the scored split.

    Raises:
        UsageError: No pixel has a class.
    """
    found = counts.counts()
    names = counts.class_names
    matchings: tuple[Matching, Matching] = ("hungarian", "majority")
    own = {matching: mapped_score(counts, label_mapping(found, matching)) for matching in matchings}
    transferred = None
    if fitted_on is not None:
        other = fitted_on.counts()
        transferred = {matching: mapped_score(counts, label_mapping(other, matching)) for matching in matchings}
    per_class = counts.table.sum(axis=1)
    missing = dict(zip(counts.class_ids, counts.table[:, -1].tolist(), strict=True))
    return PixelMetrics(
        num_images=counts.num_images,
        num_pixels=int(per_class.sum()),
        num_clusters=counts.num_clusters,
        accuracy_floor=int(per_class.max()) / int(per_class.sum()),
        effective_clusters=effective_clusters(found.table.sum(axis=0)),
        hungarian=own["hungarian"],
        majority=own["majority"],
        transferred=transferred,
        counts={names[label]: row.tolist() for label, row in zip(found.class_ids, found.table, strict=True)},
        unclustered={names[label]: count for label, count in missing.items() if count},
    )


def mapped_score(counts: PixelCounts, mapping: Mapping[int, int]) -> MappedScore:
    """Score clusters that are mapped to classes by a given mapping, perhaps fitted elsewhere.

    Args:
        counts: Counts of the split to score.
        mapping: Cluster id to label id.
    """
    matrix = counts.confusion(mapping)
    iou = matrix.iou()
    return MappedScore(
        pixel_accuracy=matrix.pixel_accuracy(),
        mean_iou=matrix.mean_iou(),
        iou={counts.class_names[label]: float(iou[label]) for label in counts.class_ids if not math.isnan(iou[label])},
        classes=[counts.class_names.get(mapping.get(cluster, -1)) for cluster in range(counts.num_clusters)],
    )
