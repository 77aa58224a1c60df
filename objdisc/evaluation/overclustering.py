"""Many clusters mapped to few classes: the mapping is fitted on few labels of one split and scored on another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.evaluation.matching import count_classes, labelled_share, majority_mapping, mapped_accuracy


@dataclass(frozen=True, slots=True)
class ReadAccuracy:
    """Accuracy of one clustering, mapped to classes with some labels.

    Attributes:
        num_clusters: K.
        share: Share of the fitting split's labels, in (0, 1].
        labelled: Patches whose label was used.
        accuracy: Accuracy on the other split, in [0, 1]; patches in a cluster without a labelled patch count as wrong.
    """

    num_clusters: int
    share: float
    labelled: int
    accuracy: float


def read_accuracies(
    fitted: tuple[NDArray[np.int64], NDArray[np.int64]],
    scored: tuple[NDArray[np.int64], NDArray[np.int64]],
    num_clusters: int,
    shares: Sequence[float],
    seed: int = 0,
) -> list[ReadAccuracy]:
    """Fit the many-to-one mapping on shares of one split's labels and score it on another split.

    Args:
        fitted: Labels ``(n,)``, below 0 where unknown, and clusters ``(n,)`` of the split to fit on.
        scored: Labels and clusters of the split that is scored; none of its labels is used to fit.
        num_clusters: K.
        shares: Shares of labels in (0, 1]; with one seed, a smaller share is part of a larger one.
        seed: Random seed of the choice of labels.

    Raises:
        UsageError: A split has no labels, or a share is out of range.
    """
    counts = count_classes(*scored, num_clusters)
    known = fitted[0] >= 0
    labels, clusters = fitted[0][known], fitted[1][known]
    if not len(labels):
        raise UsageError("the training split has no class labels to map clusters with; give a data set that has")
    accuracies = []
    for share in shares:
        chosen = labelled_share(len(labels), share, seed)
        few = count_classes(labels[chosen], clusters[chosen], num_clusters)
        mapping = majority_mapping(few.table, few.class_ids)
        accuracies.append(ReadAccuracy(num_clusters, share, int(chosen.sum()), mapped_accuracy(counts, mapping)))
    return accuracies
