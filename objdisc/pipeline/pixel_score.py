"""Scores of per-pixel predictions and of their baselines against the classes, as numbers and as text."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.evaluation.matching import Matching, label_mapping
from objdisc.evaluation.pixelcounts import PixelCounts, count_pixels
from objdisc.evaluation.pixels import PixelMetrics, pixel_metrics
from objdisc.evaluation.truth import damaged_labels
from objdisc.imaging.spread import spread_evenly
from objdisc.inference.tiling import SegmentSample
from objdisc.render.text_table import text_table
from objdisc.types import SegmentationMap

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class PixelScore:
    """Agreement of per-pixel predictions with the classes of their split.

    Attributes:
        metrics: The method's scores; None without ground truth.
        baselines: Names and scores of the baselines.
        matching: How clusters are mapped to classes in labelIds maps.
        cluster_to_label: Label id of each cluster in these maps; None without ground truth.
        cluster_names: Name of the class that each cluster is mapped to.
    """

    metrics: PixelMetrics | None = None
    baselines: Mapping[str, PixelMetrics] | None = None
    matching: Matching = "hungarian"
    cluster_to_label: Mapping[int, int] | None = None
    cluster_names: Mapping[int, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the scores for ``metrics.json``; empty without ground truth."""
        if self.metrics is None:
            return {}
        first = next(iter((self.baselines or {}).items()), None)
        return {
            **_summary(self.metrics),
            "matching": self.matching,
            "cluster_to_label": {str(cluster): label for cluster, label in (self.cluster_to_label or {}).items()},
            "majority": self.metrics.majority.classes,
            "pixels": self.metrics.to_json(),
            "baselines": {name: found.to_json() for name, found in (self.baselines or {}).items()},
            **({} if first is None else {"baseline": {"name": first[0], **_summary(first[1])}}),
        }


def _summary(metrics: PixelMetrics) -> dict[str, Any]:
    """Return the scores that patches have too, counted in pixels."""
    return {
        "accuracy_hungarian": metrics.hungarian.pixel_accuracy,
        "accuracy_majority": metrics.majority.pixel_accuracy,
        "accuracy_floor": metrics.accuracy_floor,
        "mean_iou": metrics.hungarian.mean_iou,
        "counts": metrics.counts,
    }


def score_pixels(
    counts: PixelCounts,
    scored: ImageDataset,
    training: ImageDataset,
    segment: SegmentSample,
    baselines: Iterable[tuple[str, SegmentSample]] = (),
    *,
    fitting_images: int = 500,
) -> PixelScore:
    """Score the method and its baselines alike: matched on the scored split itself and on the training split.

    Clusters are matched one to one if there are as many as classes (the paper's protocol); otherwise each is mapped to
    its most frequent class.

    Args:
        counts: Counts of the scored split.
        scored: That split.
        training: The training split; the same object if there is no other.
        segment: Function that segments an image by the method.
        baselines: Name of each, and a function that segments an image by it.
        fitting_images: Most images of the training split, spread evenly, on which mappings are fitted.
    """
    fitted_on = None if training is scored else _count(training, segment, counts.num_clusters, fitting_images)
    matching: Matching = "hungarian" if counts.num_clusters == len(counts.class_ids) else "majority"
    mapping = label_mapping(counts.counts(), matching)
    names = {cluster: counts.class_names[label] for cluster, label in mapping.items()}
    beside = {}
    for name, baseline in baselines:
        found = _count(scored, baseline, counts.num_clusters)
        if found is not None:
            beside[name] = pixel_metrics(found)
    return PixelScore(pixel_metrics(counts, fitted_on), beside, matching, mapping, names)


def _count(
    dataset: ImageDataset, segment: SegmentSample, num_clusters: int, most: int | None = None
) -> PixelCounts | None:
    """Count over images with labels, all or at most a given number of them; None if there are none."""
    labelled = [
        sample for sample in dataset.samples if dataset.label_paths(sample) and sample.name not in dataset.unscored
    ]
    chosen = [labelled[number] for number in spread_evenly(len(labelled), len(labelled) if most is None else most)]
    if not chosen or not dataset.has_ground_truth:
        return None
    damaged = damaged_labels(dataset, chosen)
    if damaged:
        log.warning("%d label maps are left out, the first: %s", len(damaged), next(iter(damaged.values())))

    def segmentations() -> Iterator[SegmentationMap]:
        for sample in chosen:
            if sample.name in damaged:
                continue
            try:
                yield segment(dataset, sample)
            except UnreadableImageError:
                continue  # the store has named it

    return count_pixels(dataset, segmentations(), num_clusters) if len(damaged) < len(chosen) else None


def format_pixel_score(score: PixelScore, split: str, train_split: str) -> str:
    """Format the scores as text: one row for the method and one for each baseline, the classes' IoU below.

    Args:
        score: Score of a split with ground truth.
        split: Its name.
        train_split: Split of the training, whose labels the second matching was fitted on.
    """
    assert score.metrics is not None  # nobody formats nothing
    rows = [("this run", score.metrics), *(score.baselines or {}).items()]
    table = [
        [
            name,
            *(
                f"{value:.3f}"
                for value in (found.hungarian.pixel_accuracy, found.majority.pixel_accuracy, found.hungarian.mean_iou)
            ),
        ]
        for name, found in rows
    ]
    table.append(["largest class", f"{score.metrics.accuracy_floor:.3f}", "", ""])
    lines = [text_table(["pixel accuracy", "one to one", "majority", "mean IoU"], table)]
    lines.append(f"\nClusters matched on the labels of {split or 'this split'} itself (the paper's protocol).")
    if score.metrics.transferred is not None:
        found = score.metrics.transferred
        lines.append(
            f"Matched on {train_split} instead: one to one {found['hungarian'].pixel_accuracy:.3f}, "
            f"majority {found['majority'].pixel_accuracy:.3f}."
        )
    shown = score.metrics.hungarian if score.matching == "hungarian" else score.metrics.majority
    lines.append("IoU: " + ", ".join(f"{name} {value:.3f}" for name, value in shown.iou.items()))
    return "\n".join(lines)
