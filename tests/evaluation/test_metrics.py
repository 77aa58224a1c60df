"""Agreement of clusters with classes; the paper's own tables are an oracle."""

import json
import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from objdisc.errors import UsageError
from objdisc.evaluation.metrics import ClusterMetrics, cluster_metrics, effective_clusters, foreground_accuracy

NAMES = {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}
TABLE_2 = [[4320, 138], [676, 138], [1491, 4399], [60, 69], [49, 89], [17, 16], [88, 205], [795, 787]]
TABLE_3 = [
    [151, 4315, 17],
    [258, 551, 7],
    [5195, 950, 180],
    [89, 39, 5],
    [127, 20, 5],
    [25, 9, 1],
    [127, 76, 4],
    [1128, 541, 450],
]
TABLE_3_BASELINE = [
    [4482, 1, 0],
    [816, 0, 0],
    [6312, 13, 0],
    [131, 2, 0],
    [152, 0, 0],
    [35, 0, 0],
    [207, 0, 0],
    [2119, 0, 0],
]


def patches_of(table: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Undo the counting: one label and one cluster for each patch of a table."""
    counts = np.array(table)
    ids = np.array(list(NAMES))[: len(counts)]
    rows, columns = np.indices(counts.shape)
    return np.repeat(ids[rows.ravel()], counts.ravel()), np.repeat(columns.ravel(), counts.ravel())


def score(table: list[list[int]]) -> ClusterMetrics:
    return cluster_metrics(*patches_of(table), len(table[0]), NAMES)


def entropy(ids: NDArray[np.int64]) -> float:
    return -sum(n / len(ids) * math.log(n / len(ids)) for n in Counter(ids.tolist()).values())


def mutual_information(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    return entropy(a) + entropy(b) - entropy(a * 1000 + b)


def test_the_papers_tables_give_the_papers_accuracies() -> None:
    assert score(TABLE_2).accuracy_majority == pytest.approx(0.654, abs=5e-4)
    assert score(TABLE_3).accuracy_majority == pytest.approx(0.6980, abs=5e-5)
    assert score(TABLE_3_BASELINE).accuracy_majority == pytest.approx(0.443, abs=5e-4)


def test_the_counts_come_back_by_name() -> None:
    metrics = score(TABLE_3)
    assert list(metrics.counts) == list(NAMES.values())
    assert list(metrics.counts.values()) == TABLE_3
    assert metrics.majority == ["car", "person", "bicycle"]
    assert metrics.matched == ["car", "person", "bicycle"]
    assert metrics.num_patches == sum(map(sum, TABLE_3))


def test_the_baseline_that_fills_one_cluster_is_at_the_floor() -> None:
    metrics = score(TABLE_3_BASELINE)
    assert metrics.accuracy_majority == pytest.approx(metrics.accuracy_floor)
    assert metrics.effective_clusters < 1.02
    assert metrics.majority == ["car", "car", None]
    assert metrics.nmi < 0.01


def test_nmi_is_mutual_information_over_the_mean_entropy() -> None:
    labels, clusters = patches_of(TABLE_3)
    metrics = score(TABLE_3)
    shared = mutual_information(labels, clusters)
    assert metrics.nmi == pytest.approx(2 * shared / (entropy(labels) + entropy(clusters)))
    assert metrics.nmi_geometric == pytest.approx(shared / math.sqrt(entropy(labels) * entropy(clusters)))


def test_ari_is_the_pair_counting_formula() -> None:
    table = np.array(TABLE_3)

    def pairs(counts: NDArray[np.int64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = rows * columns / pairs(table.sum(keepdims=True))
    assert score(TABLE_3).ari == pytest.approx((both - expected) / ((rows + columns) / 2 - expected))


@pytest.mark.parametrize(("classes", "num_clusters"), [(3, 3), (4, 2), (2, 5)])
def test_scores_are_those_of_scikit_learn_and_of_all_matchings_tried(classes: int, num_clusters: int) -> None:
    rng = np.random.default_rng(classes)
    labels = rng.integers(24, 24 + classes, 300)
    clusters = np.where(rng.random(300) < 0.6, labels % num_clusters, rng.integers(0, num_clusters, 300))
    metrics = cluster_metrics(labels, clusters, num_clusters, NAMES)
    assert metrics.nmi == pytest.approx(normalized_mutual_info_score(labels, clusters))
    geometric = normalized_mutual_info_score(labels, clusters, average_method="geometric")
    assert metrics.nmi_geometric == pytest.approx(geometric)
    assert metrics.nmi_geometric >= metrics.nmi
    assert metrics.ari == pytest.approx(adjusted_rand_score(labels, clusters))
    # a class that no cluster is left for gets an id that no cluster has
    ids = range(max(classes, num_clusters))
    best = max(int((np.array(order)[labels - 24] == clusters).sum()) for order in permutations(ids, classes))
    assert metrics.accuracy_hungarian == pytest.approx(best / 300)


def test_accuracies_on_a_table_worked_by_hand() -> None:
    metrics = score([[6, 0, 2], [1, 9, 0], [2, 0, 0]])
    assert metrics.accuracy_majority == metrics.purity == pytest.approx(17 / 20)
    assert metrics.accuracy_hungarian == pytest.approx(15 / 20)
    assert metrics.matched == ["person", "rider", None], "cluster 2 is left, and class car gave it no patch"
    assert metrics.accuracy_balanced == pytest.approx((6 / 8 + 9 / 10 + 0) / 3)
    assert metrics.accuracy_floor == pytest.approx(10 / 20)
    assert metrics.effective_clusters == pytest.approx(math.exp(entropy(patches_of([[9, 9, 2]])[1])))


@pytest.mark.parametrize("num_clusters", [1, 2, 5])
def test_more_or_fewer_clusters_than_classes(num_clusters: int) -> None:
    rng = np.random.default_rng(0)
    metrics = cluster_metrics(rng.choice([24, 25, 26], 200), rng.integers(0, num_clusters, 200), num_clusters, NAMES)
    assert metrics.accuracy_hungarian <= metrics.accuracy_majority
    assert metrics.accuracy_floor <= metrics.accuracy_majority
    assert sum(name is not None for name in metrics.matched) <= min(3, num_clusters)
    assert 1 <= metrics.effective_clusters <= num_clusters + 1e-9


def test_one_class_in_many_clusters_is_all_right_by_majority_and_carries_no_information() -> None:
    metrics = score([[3, 3, 0]])
    assert metrics.accuracy_majority == metrics.accuracy_floor == 1
    assert metrics.accuracy_hungarian == metrics.accuracy_balanced == pytest.approx(0.5)
    assert metrics.nmi == 0


def test_many_classes_in_one_cluster_are_at_the_floor() -> None:
    metrics = score([[3], [5]])
    assert metrics.accuracy_majority == metrics.accuracy_hungarian == metrics.accuracy_floor == pytest.approx(5 / 8)
    assert metrics.accuracy_balanced == pytest.approx(0.5)
    assert metrics.nmi == metrics.ari == 0
    assert metrics.effective_clusters == 1


def test_renaming_clusters_changes_no_score() -> None:
    labels, clusters = patches_of(TABLE_3)
    renamed = np.array([2, 0, 1])[clusters]
    before = cluster_metrics(labels, clusters, 3, NAMES)
    after = cluster_metrics(labels, renamed, 3, NAMES)
    for key in ("accuracy_majority", "accuracy_hungarian", "accuracy_balanced", "nmi", "nmi_geometric", "ari"):
        assert getattr(after, key) == pytest.approx(getattr(before, key)), key


def test_background_and_unknown_patches_count_nowhere() -> None:
    labels, clusters = patches_of(TABLE_2)
    padded = np.concatenate([labels, np.full(50, -1)])
    assert cluster_metrics(padded, np.concatenate([clusters, np.full(50, -1)]), 2, NAMES) == score(TABLE_2)


def test_a_class_without_a_name_is_called_by_its_id() -> None:
    assert list(cluster_metrics(np.array([24, 99]), np.array([0, 1]), 2, NAMES).counts) == ["person", "class 99"]


def test_no_labelled_patch_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no object patch"):
        cluster_metrics(np.array([], np.int64), np.array([], np.int64), 3, NAMES)


def test_metrics_go_through_json_unchanged() -> None:
    metrics = score(TABLE_3)
    assert ClusterMetrics(**json.loads(json.dumps(metrics.to_json()))) == metrics


@pytest.mark.parametrize(("sizes", "expected"), [([4, 4, 4], 3), ([7, 0, 0], 1), ([1, 1, 0], 2), ([0, 0, 0], 0)])
def test_effective_clusters_counts_equal_clusters(sizes: list[int], expected: float) -> None:
    assert effective_clusters(np.array(sizes)) == pytest.approx(expected)


def test_foreground_accuracy_plain_balanced_and_floor() -> None:
    probability = np.array([0.9, 0.5, 0.2, 0.6, 0.1, 0.1])
    scores = foreground_accuracy(probability, np.array([True, True, True, True, False, False]))
    assert scores == {
        "foreground_accuracy": pytest.approx(5 / 6),
        "foreground_accuracy_balanced": pytest.approx((3 / 4 + 1) / 2),
        "foreground_accuracy_floor": pytest.approx(4 / 6),
    }


def test_foreground_accuracy_with_objects_only() -> None:
    scores = foreground_accuracy(np.array([0.9, 0.1]), np.array([True, True]))
    assert scores["foreground_accuracy"] == scores["foreground_accuracy_balanced"] == 0.5
    assert scores["foreground_accuracy_floor"] == 1


def test_foreground_accuracy_without_windows_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no window"):
        foreground_accuracy(np.array([]), np.array([], np.bool_))


def test_foreground_accuracy_refuses_vectors_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="1 probabilities for 2 windows"):
        foreground_accuracy(np.array([0.5]), np.array([True, False]))
