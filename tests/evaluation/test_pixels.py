"""Clusters of pixels against classes: streamed counts, mappings fitted on one split and scored on another."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from objdisc.datasets import DataOptions, LabelMaps, open_dataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.evaluation.matching import hungarian_mapping, labelled_share, majority_mapping
from objdisc.evaluation.pixelcounts import PixelCounts, count_pixels
from objdisc.evaluation.pixels import mapped_score, pixel_metrics
from objdisc.types import SegmentationMap

NAMES = {0: "sky", 1: "ground", 2: "plants"}
Pair = tuple[NDArray[np.int16], NDArray[np.uint8]]


def _pairs(seed: int, num_clusters: int, count: int = 4) -> list[Pair]:
    """Make frames of different sizes whose clusters follow the classes, with noise; 255 is left out."""
    rng = np.random.default_rng(seed)
    pairs = []
    for height, width in [(7, 9), (12, 5), (1, 30), (20, 20)][:count]:
        labels = rng.choice(np.array([0, 1, 1, 2, 255], np.uint8), (height, width))
        clusters = np.where(labels == 255, rng.integers(0, num_clusters, labels.shape), (labels * 2 + 1) % num_clusters)
        noise = rng.random(labels.shape) < 0.4
        clusters[noise] = rng.integers(0, num_clusters, noise.sum())
        pairs.append((clusters.astype(np.int16), labels))
    return pairs


def _counts(pairs: list[Pair], num_clusters: int) -> PixelCounts:
    counts = PixelCounts(NAMES, {255}, num_clusters)
    for clusters, labels in pairs:
        counts.update(clusters, labels)
    return counts


def _flat(pairs: list[Pair]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    clusters = np.concatenate([clusters.ravel() for clusters, _ in pairs]).astype(np.int64)
    labels = np.concatenate([labels.ravel() for _, labels in pairs]).astype(np.int64)
    return clusters[labels != 255], labels[labels != 255]


def test_frames_add_up_to_scikit_learns_contingency() -> None:
    pairs = _pairs(0, 5)
    clusters, labels = _flat(pairs)
    counts = _counts(pairs, 5)
    assert np.array_equal(counts.table[:, :5], confusion_matrix(labels, clusters, labels=range(5))[:3])
    assert not counts.table[:, 5].any()
    assert counts.num_images == 4


@pytest.mark.parametrize("num_clusters", [3, 5, 8])
def test_scores_of_a_mapping_agree_with_scikit_learn(num_clusters: int) -> None:
    pairs = _pairs(1, num_clusters)
    clusters, labels = _flat(pairs)
    counts = _counts(pairs, num_clusters)
    for mapping in (majority_mapping(counts.counts().table), hungarian_mapping(counts.counts().table)):
        read = np.array([mapping.get(cluster, 9) for cluster in range(num_clusters)])[clusters]
        score = mapped_score(counts, mapping)
        assert score.pixel_accuracy == pytest.approx(accuracy_score(labels, read))
        iou = jaccard_score(labels, read, labels=[0, 1, 2], average=None)
        assert list(score.iou.values()) == pytest.approx(iou)
        assert score.mean_iou == pytest.approx(iou.mean())


def test_one_to_one_matching_is_the_best_permutation() -> None:
    pairs = _pairs(2, 3)
    clusters, labels = _flat(pairs)
    best = max(np.mean(np.array(order)[clusters] == labels) for order in itertools.permutations(range(3)))
    metrics = pixel_metrics(_counts(pairs, 3))
    assert metrics.hungarian.pixel_accuracy == pytest.approx(best)
    assert metrics.transferred is None
    assert metrics.accuracy_floor == pytest.approx(np.bincount(labels).max() / labels.size)
    assert metrics.num_pixels == labels.size


def test_a_mapping_is_fitted_on_one_split_and_scored_on_another() -> None:
    train, test = _pairs(3, 6), _pairs(4, 6, count=2)
    metrics = pixel_metrics(_counts(test, 6), fitted_on=_counts(train, 6))
    assert metrics.transferred is not None
    fit_clusters, fit_labels = _flat(train)
    contingency = confusion_matrix(fit_labels, fit_clusters, labels=range(6))[:3]
    clusters, labels = _flat(test)
    majority = contingency.argmax(axis=0)[clusters]
    assert metrics.transferred["majority"].pixel_accuracy == pytest.approx(np.mean(majority == labels))
    rows, columns = linear_sum_assignment(-contingency)
    one_to_one = np.full(6, 9)
    one_to_one[columns] = rows
    assert metrics.transferred["hungarian"].pixel_accuracy == pytest.approx(np.mean(one_to_one[clusters] == labels))
    assert metrics.majority.pixel_accuracy >= metrics.transferred["majority"].pixel_accuracy


def test_pixels_without_a_cluster_and_clusters_without_a_class_are_misses() -> None:
    counts = PixelCounts(NAMES, {255}, 2)
    counts.update(np.array([[0, 0, -1, 1, 1, -1]]), np.array([[0, 0, 0, 1, 255, 255]], np.uint8))
    score = mapped_score(counts, {0: 0})
    assert score.pixel_accuracy == pytest.approx(2 / 4)
    assert score.iou == {"sky": pytest.approx(2 / 3), "ground": 0.0}
    assert score.classes == ["sky", None]
    metrics = pixel_metrics(counts)
    assert metrics.unclustered == {"sky": 1}
    assert list(metrics.to_json())[-1] == "unanswered", "programs that read metrics.json know it by this name"
    assert metrics.counts == {"sky": [2, 0], "ground": [0, 1]}
    assert metrics.hungarian.pixel_accuracy == pytest.approx(3 / 4)


def test_a_class_that_never_occurs_takes_no_cluster_and_does_not_lower_the_mean() -> None:
    counts = PixelCounts(NAMES, {255}, 3)
    counts.update(np.array([[0, 1, 2]]), np.array([[0, 1, 1]], np.uint8))
    metrics = pixel_metrics(counts)
    assert set(metrics.majority.iou) == {"sky", "ground"}
    assert metrics.majority.mean_iou == 1


def test_a_large_frame_is_counted_in_parts() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (2100, 2100), dtype=np.uint8)
    clusters = rng.integers(0, 4, labels.shape).astype(np.int16)
    counts = _counts([(clusters, labels)], 4)
    assert np.array_equal(counts.table[:, :4], np.histogram2d(labels.ravel(), clusters.ravel(), (3, 4))[0])


def test_predictions_that_do_not_fit_are_refused() -> None:
    counts = PixelCounts(NAMES, {255}, 3)
    with pytest.raises(ValueError, match="largest is 2"):
        counts.update(np.array([[3]]), np.array([[0]], np.uint8))
    with pytest.raises(ValueError, match="label id 7, which is no class"):
        counts.update(np.array([[0]]), np.array([[7]], np.uint8))
    with pytest.raises(ValueError, match=r"\(1, 2\) pixels, the ground truth \(2, 1\)"):
        counts.update(np.zeros((1, 2), np.int16), np.zeros((2, 1), np.uint8))
    assert not counts.table.any()
    with pytest.raises(UsageError, match=r"no pixel of any class to score \(sky, ground, plants\)"):
        pixel_metrics(counts)


@pytest.fixture
def folder(tmp_path: Path) -> LabelMaps:
    """Write ten labelled images of 6x8 pixels and an unlabelled one; the image of number n has n pixels of class 2."""
    for number in range(11):
        for kind in ("images", "labels")[: 1 + (number < 10)]:
            path = tmp_path / kind / f"{number:02d}.png"
            path.parent.mkdir(exist_ok=True)
            labels = np.where(np.arange(48).reshape(6, 8) < number, 2, 1).astype(np.uint8)
            cv2.imwrite(str(path), labels)
    dataset = open_dataset(tmp_path, "", options=DataOptions(classes={"a": [1], "b": [2]}))
    assert isinstance(dataset, LabelMaps)
    return dataset


def _predictions(dataset: LabelMaps) -> list[SegmentationMap]:
    shape = (6, 8)
    return [
        SegmentationMap(sample.name, np.full(shape, int(sample.name) % 3, np.int16), np.ones(shape, np.float32))
        for sample in dataset.samples
    ]


def test_images_are_counted_one_by_one_and_those_without_labels_are_passed_by(folder: LabelMaps) -> None:
    counts = count_pixels(folder, iter(_predictions(folder)), 3)
    assert counts.num_images == 10
    assert counts.table.sum() == 10 * 48
    assert counts.table[1, :3].tolist() == [0 + 3 + 6 + 9, 1 + 4 + 7, 2 + 5 + 8]


def test_predictions_of_other_images_or_sizes_name_the_file(folder: LabelMaps) -> None:
    with pytest.raises(UsageError, match="no image 'moon'"):
        count_pixels(folder, [SegmentationMap("moon", np.zeros((6, 8), np.int16), np.ones((6, 8), np.float32))], 3)
    with pytest.raises(
        UnreadableImageError, match=r"00\.png: the prediction is \(3, 4\) pixels, the ground truth \(6, 8\)"
    ):
        count_pixels(folder, [SegmentationMap("00", np.zeros((3, 4), np.int16), np.ones((3, 4), np.float32))], 3)
    with pytest.raises(UsageError, match="no image of split '' has class labels"):
        count_pixels(folder, [], 3)


def test_shares_are_nested_random_and_never_empty() -> None:
    masks = [labelled_share(1000, share, seed=1) for share in (0.01, 0.1, 1.0)]
    assert [int(mask.sum()) for mask in masks] == [10, 100, 1000]
    assert (masks[0] <= masks[1]).all()
    assert labelled_share(3, 0.01).sum() == 1
    assert not np.array_equal(masks[1], labelled_share(1000, 0.1, seed=2))
    for share in (0.0, 1.1, -1.0):
        with pytest.raises(UsageError, match="a share of labels of"):
            labelled_share(10, share)


@pytest.mark.real_data
def test_the_largest_of_three_classes_covers_six_tenths_of_camvid() -> None:
    root = Path("data/camvid")
    if not root.is_dir():
        pytest.skip(f"{root} is absent; see data/README.md")
    reading = DataOptions(classes={"sky": [23], "ground": [7, 8], "plants": [21]})
    dataset = open_dataset(root, "val", options=reading)
    predictions = (
        SegmentationMap(sample.name, np.zeros(size, np.int16), np.ones(size, np.float32))
        for sample in dataset.samples
        for size in [dataset.image_size(sample)]
    )
    metrics = pixel_metrics(count_pixels(dataset, predictions, 1))
    assert metrics.num_images == 101
    assert metrics.accuracy_floor == metrics.majority.pixel_accuracy == pytest.approx(0.595, abs=0.01)
