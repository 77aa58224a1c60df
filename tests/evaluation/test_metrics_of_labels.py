"""The scores of label arrays against scikit-learn, and against all matchings tried out."""

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import (
    adjusted_rand_score,
    balanced_accuracy_score,
    jaccard_score,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

from objdisc.evaluation import metrics
from objdisc.evaluation.metrics import (
    adjusted_rand,
    balanced_clustering_accuracy,
    clustering_accuracy,
    majority_accuracy,
    mean_iou,
    normalized_mutual_info,
)

Labels = NDArray[np.int64]
Score = Callable[[Labels, Labels], float]

SCORES: list[Score] = [
    adjusted_rand,
    balanced_clustering_accuracy,
    clustering_accuracy,
    majority_accuracy,
    mean_iou,
    normalized_mutual_info,
]
READINGS = SCORES[1:5]


def draw(classes: int, clusters: int, seed: int = 0, count: int = 200) -> tuple[Labels, Labels]:
    """Draw labels with gaps between the ids, and clusters that follow them more often than not."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    found = np.where(rng.random(count) < 0.6, labels % clusters, rng.integers(clusters, size=count))
    return 7 * labels + 3, 5 * rng.permutation(clusters)[found]


def matchings(labels: Labels, clusters: Labels) -> Iterator[Labels]:
    """Yield the clusters read as classes under every one-to-one matching; -1 where a cluster is matched with none."""
    ids, names = np.unique(clusters), list(np.unique(labels))
    names += [-1] * max(len(ids) - len(names), 0)
    for chosen in permutations(names, len(ids)):
        yield np.array(chosen)[np.searchsorted(ids, clusters)]


@pytest.mark.parametrize(("classes", "clusters"), [(4, 4), (5, 3), (3, 6), (1, 2)])
def test_clustering_accuracy_is_the_best_of_all_matchings(classes: int, clusters: int) -> None:
    labels, found = draw(classes, clusters)
    best = max(float((read == labels).mean()) for read in matchings(labels, found))
    assert clustering_accuracy(labels, found) == pytest.approx(best)


@pytest.mark.parametrize("clusters", [4, 6, 3])
def test_recall_and_iou_are_scikit_learns_under_the_best_matching(clusters: int) -> None:
    labels, found = draw(4, clusters)
    read = max(matchings(labels, found), key=lambda read: float((read == labels).mean()))
    assert balanced_clustering_accuracy(labels, found) == pytest.approx(
        np.mean([(read == label)[labels == label].mean() for label in np.unique(labels)])
    )
    expected = jaccard_score(labels, read, labels=np.unique(labels), average="macro", zero_division=0)
    assert mean_iou(labels, found) == pytest.approx(expected)
    if clusters == 4:
        assert balanced_clustering_accuracy(labels, found) == pytest.approx(balanced_accuracy_score(labels, read))


@pytest.mark.parametrize("clusters", [2, 9])
def test_majority_accuracy_is_purity(clusters: int) -> None:
    labels, found = draw(4, clusters)
    table = contingency_matrix(labels, found)
    assert majority_accuracy(labels, found) == pytest.approx(table.max(axis=0).sum() / len(labels))
    read = np.unique(labels)[table.argmax(axis=0)][np.searchsorted(np.unique(found), found)]
    expected = jaccard_score(labels, read, labels=np.unique(labels), average="macro", zero_division=0)
    assert mean_iou(labels, found, matching="majority") == pytest.approx(expected)


@pytest.mark.parametrize("average", ["arithmetic", "geometric"])
def test_information_and_pairs_are_scikit_learns(average: str) -> None:
    labels, found = draw(4, 6)
    expected = normalized_mutual_info_score(labels, found, average_method=average)
    assert normalized_mutual_info(labels, found, average_method=average) == expected  # type: ignore[arg-type]
    assert adjusted_rand(labels, found) == adjusted_rand_score(labels, found)


@pytest.mark.parametrize("score", SCORES)
def test_the_same_partition_scores_1_whatever_the_names(score: Score) -> None:
    labels, _ = draw(4, 4)
    assert score(labels, 100 - labels) == pytest.approx(1)


@pytest.mark.parametrize("score", SCORES)
def test_samples_of_no_known_class_are_left_out(score: Score) -> None:
    labels, found = draw(4, 5)
    padded = np.concatenate([labels, [-1, -7, -1]])
    assert score(padded, np.concatenate([found, [0, 5, -1]])) == score(labels, found)


@pytest.mark.parametrize("score", READINGS)
def test_a_sample_without_a_cluster_is_wrong(score: Score) -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    half = np.array([4, 4, -1, 2, 2, -9])
    assert score(labels, half) == pytest.approx(2 / 3)
    assert score(labels, np.full(6, -1)) == 0


def test_samples_without_a_cluster_are_one_cluster_to_the_other_scores() -> None:
    labels, found = draw(3, 4)
    without = np.where(found == 0, -1 - np.arange(len(found)), found)
    assert adjusted_rand(labels, without) == adjusted_rand(labels, found)
    assert normalized_mutual_info(labels, without) == pytest.approx(normalized_mutual_info(labels, found))


@pytest.mark.parametrize("score", SCORES)
def test_maps_lists_and_tensors_are_taken_as_well(score: Score) -> None:
    labels, found = draw(4, 5)
    expected = score(labels, found)
    assert score(labels.reshape(10, 20), found.reshape(10, 20)) == expected
    assert score(labels.tolist(), torch.from_numpy(found)) == expected  # type: ignore[arg-type]
    assert score(labels.astype(np.uint8), found.astype(np.uint8)) == expected


@pytest.mark.parametrize("score", SCORES)
def test_what_cannot_be_compared_is_an_error(score: Score) -> None:
    with pytest.raises(ValueError, match="labels_true is of shape"):
        score(np.zeros(3, np.int64), np.zeros((3, 1), np.int64))
    with pytest.raises(ValueError, match="no known class"):
        score(np.array([-1, -1]), np.array([0, 1]))
    with pytest.raises(TypeError, match="Cannot cast"):
        score(np.array([0.5, 1.5]), np.array([0, 1]))


def test_the_module_offers_what_it_defines() -> None:
    public = {
        name
        for name, value in vars(metrics).items()
        if getattr(value, "__module__", None) == metrics.__name__ and not name.startswith("_")
    }
    assert public == set(metrics.__all__)
