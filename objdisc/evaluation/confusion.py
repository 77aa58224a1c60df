"""A confusion matrix over pixels that grows frame by frame, scored as the Cityscapes evaluator scores."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import ObjdiscError


class ConfusionMatrix:
    """Pixels by true and predicted label id; memory does not grow with the number of frames.

    The scores follow ``cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling``: pixels whose *true* id is ignored
    do not count at all, neither as hits nor as false positives; an ignored *predicted* id (such as 0, "unlabeled") on a
    pixel that counts is a miss of the true class.

    Args:
        num_labels: Label ids run from 0 to this number - 1.
        ignore_ids: Label ids that are not evaluated. Where the truth is outside the range, such as 255,
            the pixel is left out; a prediction cannot be outside it.

    Attributes:
        counts: ``(num_labels, num_labels)`` int64 pixels, row = true id, column = predicted id.
        evaluated: ``(num_labels,)`` bool, False for ignored ids.
    """

    def __init__(self, num_labels: int, ignore_ids: Iterable[int] = ()) -> None:
        if num_labels < 1:
            raise ValueError(f"num_labels is {num_labels}; at least one label id is needed")
        ignored = frozenset(ignore_ids)
        self.num_labels = num_labels
        self.counts: NDArray[np.int64] = np.zeros((num_labels, num_labels), np.int64)
        self._left_out = [label for label in ignored if label >= num_labels]
        self.evaluated: NDArray[np.bool_] = np.ones(num_labels, np.bool_)
        self.evaluated[[label for label in ignored if 0 <= label < num_labels]] = False

    def update(self, prediction: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
        """Add one frame.

        Args:
            prediction: ``(H, W)`` predicted label ids.
            target: ``(H, W)`` true label ids.

        Raises:
            ObjdiscError: The shapes differ, or an id is not below ``num_labels`` and is not an ignored true id.
        """
        if prediction.shape != target.shape:
            raise ObjdiscError(f"the prediction is {prediction.shape} pixels, the ground truth {target.shape}")
        if self._left_out and target.max(initial=0) >= self.num_labels:
            known = ~np.isin(target, self._left_out)
            prediction, target = prediction[known], target[known]
        for name, ids in (("prediction", prediction), ("ground truth", target)):
            if ids.size and int(ids.max()) >= self.num_labels:
                raise ObjdiscError(
                    f"the {name} holds label id {int(ids.max())}; the largest known is {self.num_labels - 1}"
                )
        pairs = target.ravel().astype(np.int64) * self.num_labels + prediction.ravel()
        self.counts += np.bincount(pairs, minlength=self.num_labels**2).reshape(self.counts.shape)

    def pixel_accuracy(self, classes: Iterable[int] | None = None) -> float:
        """Return the share of pixels with the right id, among those whose true id is evaluated.

        Args:
            classes: True ids of the pixels to count; None for all evaluated ids.

        Returns:
            A number in [0, 1]; NaN if no pixel counts.
        """
        rows = self._rows(classes)
        total = int(self.counts[rows].sum())
        return int(self.counts.diagonal()[rows].sum()) / total if total else float("nan")

    def iou(self) -> NDArray[np.float64]:
        """Return the intersection over union of each label id.

        Returns:
            ``(num_labels,)`` in [0, 1]; NaN for ignored ids and for ids that neither truth nor prediction holds.
        """
        hits = self.counts.diagonal()
        misses = self.counts.sum(axis=1) - hits
        false_alarms = self.counts[self.evaluated].sum(axis=0) - hits
        union = hits + misses + false_alarms
        valid = self.evaluated & (union > 0)
        scores = np.full(self.num_labels, np.nan)
        scores[valid] = hits[valid] / union[valid]
        return scores

    def mean_iou(self, classes: Iterable[int] | None = None) -> float:
        """Return the mean of ``iou`` over the ids that have one; NaN if none has.

        Args:
            classes: The ids to average over; None for all evaluated ids.
        """
        scores = self.iou()[self._rows(classes)]
        scores = scores[~np.isnan(scores)]
        return float(scores.mean()) if scores.size else float("nan")

    def _rows(self, classes: Iterable[int] | None) -> NDArray[np.bool_]:
        if classes is None:
            return self.evaluated
        chosen = np.zeros(self.num_labels, np.bool_)
        chosen[list(classes)] = True
        return chosen & self.evaluated
