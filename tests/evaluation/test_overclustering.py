"""Clusters read as classes: fitted on few labels here, scored there."""

import numpy as np
import pytest

from objdisc.errors import UsageError
from objdisc.evaluation.overclustering import read_accuracies

CLUSTERS = np.arange(600) % 6
LABELS = CLUSTERS // 2  # two clusters a class


def test_all_labels_read_clusters_that_are_parts_of_classes_without_a_mistake() -> None:
    (found,) = read_accuracies((LABELS, CLUSTERS), (LABELS[:60], CLUSTERS[:60]), 6, [1.0])
    assert (found.num_clusters, found.share, found.labelled, found.accuracy) == (6, 1.0, 600, 1.0)


def test_clusters_without_a_label_count_as_wrong() -> None:
    found = read_accuracies((LABELS, CLUSTERS), (LABELS, CLUSTERS), 6, [0.5, 1 / 600])
    assert [point.labelled for point in found] == [300, 1]
    assert found[0].accuracy == 1
    assert found[1].accuracy == pytest.approx(1 / 6)


def test_the_scored_split_has_no_say_in_the_reading() -> None:
    other = (LABELS + 1) % 3
    (found,) = read_accuracies((LABELS, CLUSTERS), (other, CLUSTERS), 6, [1.0])
    assert found.accuracy == 0


def test_unlabelled_patches_are_left_out_on_both_sides() -> None:
    labels = np.where(CLUSTERS == 5, -1, LABELS)
    (found,) = read_accuracies((labels, CLUSTERS), (labels, CLUSTERS), 6, [1.0])
    assert (found.labelled, found.accuracy) == (500, 1.0)
    with pytest.raises(UsageError, match="training split"):
        read_accuracies((np.full(600, -1), CLUSTERS), (LABELS, CLUSTERS), 6, [1.0])
