"""Which cluster stands for which class."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.evaluation.matching import (
    ClassCounts,
    count_classes,
    hungarian_mapping,
    label_mapping,
    majority_mapping,
    mapped_accuracy,
    mapped_recall,
)


def best_one_to_one(counts: NDArray[np.int64]) -> int:
    """Try every matching: the oracle for small tables."""
    wide = counts if counts.shape[0] <= counts.shape[1] else counts.T
    columns = range(wide.shape[1])
    return max(
        sum(int(wide[row, column]) for row, column in enumerate(order))
        for order in itertools.permutations(columns, wide.shape[0])
    )


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (1, 4), (4, 1)])
@pytest.mark.parametrize("seed", range(5))
def test_the_hungarian_matching_is_the_best_of_all_matchings(shape: tuple[int, int], seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 30, shape)
    mapping = hungarian_mapping(table)
    assert len(set(mapping.values())) == len(mapping)
    assert sum(int(table[row, cluster]) for cluster, row in mapping.items()) == best_one_to_one(table)


def test_the_majority_mapping_takes_each_clusters_most_frequent_class() -> None:
    table = np.array([[5, 0, 0, 2], [4, 3, 0, 2]])
    assert majority_mapping(table, (24, 26)) == {0: 24, 1: 26, 3: 24}, (
        "an empty cluster maps to nothing, a tie to the first"
    )


def test_label_mapping_uses_spare_clusters_by_majority_but_not_one_to_one() -> None:
    counts = ClassCounts((24, 26), np.array([[10, 9, 0], [0, 1, 8]]))
    assert label_mapping(counts) == {0: 24, 1: 24, 2: 26}
    assert label_mapping(counts, "hungarian") == {0: 24, 2: 26}


def test_counting_leaves_unknown_labels_out_and_keeps_empty_clusters() -> None:
    counts = count_classes(np.array([26, -1, 24, 26, 26]), np.array([0, 0, 2, 2, 0]), 4)
    assert counts.class_ids == (24, 26)
    assert counts.table.tolist() == [[0, 0, 1, 0], [2, 0, 1, 0]]


def test_counting_nothing_is_a_usage_error_that_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="ground truth"):
        count_classes(np.array([-1, -1]), np.array([0, 1]), 2)


@pytest.mark.parametrize("clusters", [[0, 3], [-1, 0]])
def test_counting_refuses_clusters_out_of_range(clusters: list[int]) -> None:
    with pytest.raises(ValueError, match="expected 0 to 2"):
        count_classes(np.array([24, 24]), np.array(clusters), 3)


def test_counting_refuses_vectors_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="3 labels for 2 clusters"):
        count_classes(np.array([1, 1, 1]), np.array([0, 0]), 2)


def test_a_mapping_from_another_split_may_name_classes_that_this_one_lacks() -> None:
    counts = ClassCounts((24, 26), np.array([[3, 1], [0, 4]]))
    mapping = {0: 24, 1: 33, 7: 26}
    assert mapped_recall(counts, mapping).tolist() == [0.75, 0.0]
    assert mapped_accuracy(counts, mapping) == 3 / 8
