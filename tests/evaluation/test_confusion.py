"""The streaming confusion matrix, against scikit-learn and the definition."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, jaccard_score

from objdisc.errors import ObjdiscError
from objdisc.evaluation.confusion import ConfusionMatrix


def random_frames(seed: int, num_labels: int) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    rng = np.random.default_rng(seed)
    sizes = [(7, 9), (1, 30), (16, 4)]
    return [
        (rng.integers(0, num_labels, size, dtype=np.uint8), rng.integers(0, num_labels, size, dtype=np.uint8))
        for size in sizes
    ]


def test_frames_of_any_size_add_up_to_scikit_learns_matrix() -> None:
    confusion = ConfusionMatrix(6)
    frames = random_frames(0, 6)
    for prediction, truth in frames:
        confusion.update(prediction, truth)
    predictions = np.concatenate([prediction.ravel() for prediction, _ in frames])
    truths = np.concatenate([truth.ravel() for _, truth in frames])
    assert np.array_equal(confusion.counts, confusion_matrix(truths, predictions, labels=range(6)))
    assert confusion.iou() == pytest.approx(jaccard_score(truths, predictions, labels=range(6), average=None))
    assert confusion.mean_iou() == pytest.approx(jaccard_score(truths, predictions, average="macro"))
    assert confusion.pixel_accuracy() == pytest.approx((truths == predictions).mean())


def test_truly_ignored_pixels_count_nowhere_and_predicted_ignored_ids_are_misses() -> None:
    confusion = ConfusionMatrix(3, ignore_ids=(0, -1, 99))
    truth = np.array([[0, 0, 1, 1, 1, 2]], np.uint8)
    prediction = np.array([[1, 2, 1, 0, 2, 2]], np.uint8)
    confusion.update(prediction, truth)
    assert np.isnan(confusion.iou()[0])
    assert confusion.iou()[1] == pytest.approx(1 / 3), "the 1 on an ignored pixel is no false alarm, the 0 is a miss"
    assert confusion.iou()[2] == pytest.approx(1 / 2)
    assert confusion.pixel_accuracy() == pytest.approx(2 / 4)
    assert confusion.pixel_accuracy([1]) == pytest.approx(1 / 3)
    assert confusion.mean_iou([2]) == pytest.approx(1 / 2)


def test_true_ids_beyond_the_range_are_left_out_where_they_are_ignored() -> None:
    confusion = ConfusionMatrix(2, ignore_ids=iter([255]))
    confusion.update(np.array([[0, 1, 1, 0]], np.uint8), np.array([[0, 1, 255, 255]], np.uint8))
    assert confusion.counts.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ObjdiscError, match="ground truth holds label id 9"):
        confusion.update(np.array([[0]], np.uint8), np.array([[9]], np.uint8))
    with pytest.raises(ObjdiscError, match="prediction holds label id 255"):
        confusion.update(np.array([[255]], np.uint8), np.array([[0]], np.uint8))


def test_a_class_that_never_occurs_has_no_iou_and_does_not_lower_the_mean() -> None:
    confusion = ConfusionMatrix(4)
    confusion.update(np.array([[1, 1]], np.uint8), np.array([[1, 1]], np.uint8))
    assert np.isnan(confusion.iou()[[0, 2, 3]]).all()
    assert confusion.mean_iou() == 1


def test_an_empty_matrix_has_no_scores() -> None:
    confusion = ConfusionMatrix(4)
    assert np.isnan([confusion.pixel_accuracy(), confusion.mean_iou()]).all()


def test_another_size_and_unknown_ids_are_refused() -> None:
    confusion = ConfusionMatrix(4)
    frame = np.zeros((2, 3), np.uint8)
    with pytest.raises(ObjdiscError, match=r"\(2, 3\) pixels, the ground truth \(3, 2\)"):
        confusion.update(frame, frame.T)
    with pytest.raises(ObjdiscError, match="ground truth holds label id 7"):
        confusion.update(frame, frame + np.uint8(7))
    with pytest.raises(ObjdiscError, match="prediction holds label id 4"):
        confusion.update(frame + np.uint8(4), frame)
    assert not confusion.counts.any()


def test_a_matrix_without_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ConfusionMatrix(0)
