"""The scores of one split: agreement of its patches' clusters with the classes, if there are labels."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets import Cityscapes, ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.evaluation.annotated import label_source, labelled, labelled_pixels
from objdisc.evaluation.counts import (
    ClusterMetrics,
    cluster_metrics,
    count_classes,
    foreground_accuracy,
    patch_labels,
)
from objdisc.evaluation.matching import label_mapping
from objdisc.evaluation.metrics import effective_clusters
from objdisc.evaluation.segmentation import official_score, segmentation_score
from objdisc.inference.predict import Predictions
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore
from objdisc.types import Sample

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class Score:
    """The evaluation of one split.

    Attributes:
        numbers: What goes into ``metrics.json``.
        clusters: Agreement of the clusters with the classes; None without ground truth.
        baseline: Agreement of the baseline's clusters; None if it was not run.
        cluster_to_label: Label id of each cluster in labelIds maps; empty without ground truth.
        cluster_names: Name of the class that each cluster is mapped to.
    """

    numbers: Mapping[str, Any]
    clusters: ClusterMetrics | None = None
    baseline: ClusterMetrics | None = None
    cluster_to_label: Mapping[int, int] | None = None
    cluster_names: Mapping[int, str] | None = None


def score(
    dataset: ImageDataset,
    store: PatchStore,
    predictions: Predictions,
    baselines: Predictions | None = None,
) -> Score:
    """Compare clusters with classes; without ground truth, only scores that need no labels are returned.

    Args:
        dataset: The split that the store was cut from.
        store: N patches.
        predictions: The method's predictions for them.
        baselines: The baseline's predictions for them.
    """
    dataset = labelled(dataset)
    num_clusters = predictions.probabilities.shape[1]
    clusters = predictions.probabilities.argmax(axis=1).astype(np.int64)
    numbers = patch_numbers(store, predictions) | _foreground_numbers(predictions, store)
    labels = _labels(dataset, store)
    if labels is None:
        return Score(numbers)
    found = cluster_metrics(labels, clusters, num_clusters, dataset.class_names)
    numbers |= found.to_json() | {"labels_from": label_source(dataset)}
    if predictions.subheads is not None:
        numbers["subheads"] = _subhead_numbers(predictions.subheads, labels, dataset)
    baseline = None
    if baselines is not None:
        rival_clusters = baselines.probabilities.argmax(axis=1).astype(np.int64)
        baseline = cluster_metrics(labels, rival_clusters, num_clusters, dataset.class_names)
        numbers["baseline"] = baseline.to_json() | _foreground_numbers(baselines, store)
    mapping = label_mapping(count_classes(labels, clusters, num_clusters))
    numbers["cluster_to_label"] = {str(cluster): label for cluster, label in mapping.items()}
    names = {cluster: dataset.class_names.get(label, f"class {label}") for cluster, label in mapping.items()}
    return Score(numbers, found, baseline, mapping, names)


def require_ground_truth(dataset: ImageDataset) -> None:
    """Raise an error before any work if there is nothing to compare with.

    Raises:
        UsageError: The data set has no class labels.
    """
    if not labelled(dataset).has_ground_truth:
        split = f" of split {dataset.split!r}" if dataset.split else ""
        raise UsageError(
            f"{dataset.root}: no ground truth was recognised beside the {len(dataset.samples)} images{split}, and no "
            "class labels means nothing to compare with; give a folder in Cityscapes layout with its label maps, or of "
            "class subfolders."
        )


def patch_numbers(store: PatchStore, predictions: Predictions) -> dict[str, Any]:
    """Count patches and the sizes of their clusters, which needs no labels.

    Args:
        store: N patches.
        predictions: The method's predictions for them.
    """
    num_clusters = predictions.probabilities.shape[1]
    clusters = predictions.probabilities.argmax(axis=1)
    sizes = np.bincount(clusters[store.foreground], minlength=num_clusters)
    return {
        "num_patches": int(sizes.sum()),
        "num_clusters": num_clusters,
        "num_images": len(store.frames),
        "num_skipped": len(store.skipped),
        "cluster_sizes": sizes.tolist(),
        "effective_clusters": effective_clusters(sizes),
    }


def _subhead_numbers(
    subheads: NDArray[np.float32], labels: NDArray[np.int64], dataset: ImageDataset
) -> dict[str, float | list[float]]:
    """Score each of the ``(S, N, K)`` sub-heads; the one that predicts was chosen without labels."""
    found = [
        cluster_metrics(labels, one.argmax(axis=1).astype(np.int64), one.shape[1], dataset.class_names)
        for one in subheads
    ]
    accuracies = [one.accuracy_hungarian for one in found]
    return {
        "accuracy_hungarian": accuracies,
        "accuracy_hungarian_mean": float(np.mean(accuracies)),
        "nmi_geometric": [one.nmi_geometric for one in found],
        "ari": [one.ari for one in found],
    }


def _foreground_numbers(predictions: Predictions, store: PatchStore) -> dict[str, float]:
    """Score the foreground head; empty without a head, or without background."""
    if predictions.foreground is None or store.foreground.all():
        return {}
    return foreground_accuracy(predictions.foreground, store.foreground)


def score_maps(run: Run, dataset: ImageDataset, mapped: Sequence[Sample]) -> dict[str, Any]:
    """Score the labelIds maps of a run by pixels: our scores, and the official evaluator's in Cityscapes layout.

    Args:
        run: Folder with ``labelIds/``.
        dataset: The split, with ground truth.
        mapped: Samples that have maps.

    Returns:
        The scores for ``metrics.json``; empty if nothing was mapped.
    """
    dataset = labelled_pixels(dataset)
    if not mapped or not dataset.has_ground_truth:
        return {}
    names = {sample.name for sample in mapped} - dataset.unscored
    # Read another way, its maps are no longer what the benchmark's evaluator compares with
    is_benchmark = (
        isinstance(dataset, Cityscapes)
        and dataset.has_single_frames
        and dataset.options.classes is None
        and dataset.options.scale == 1
    )
    classes = dataset.foreground if isinstance(dataset, Cityscapes) and is_benchmark else ()
    numbers: dict[str, Any] = {
        "segmentation": segmentation_score(run.label_ids, dataset, classes, names=names).to_json()
    }
    if is_benchmark:
        numbers["official"] = official_score(run.label_ids, dataset, names=names).to_json()
    return numbers


def _labels(dataset: ImageDataset, store: PatchStore) -> NDArray[np.int64] | None:
    """Read the patches' classes; None, with the reason in the log, if there are none to compare with."""
    if not dataset.has_ground_truth:
        log.info("%s has no class labels: everything except the evaluation is done", dataset.root)
        return None
    try:
        labels = patch_labels(dataset, store.patches)
    except UnreadableImageError as error:
        raise UsageError(f"{error}; the evaluation needs every label map of the split.") from error
    if (labels < 0).all():
        log.warning("%s: no patch of split %r has a class label; nothing to score", dataset.root, dataset.split)
        return None
    return labels
