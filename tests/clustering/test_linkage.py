"""Merging clusters of a graph against the same done from scratch, with dense matrices, after every merge."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from objdisc.clustering.affinity import knn_graph, nearest_chains
from objdisc.clustering.linkage import ClusterGraph, cluster_links


def dense_affinity(weights: NDArray[np.float64], one: NDArray[np.int64], two: NDArray[np.int64]) -> float:
    """The formula as it is printed."""
    there, back = weights[np.ix_(one, two)], weights[np.ix_(two, one)]
    return float((there @ back).sum() / len(one) ** 2 + (back @ there).sum() / len(two) ** 2)


def dense_table(weights: NDArray[np.float64], clusters: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    table = np.zeros((len(clusters), len(clusters)))
    for i, one in enumerate(clusters):
        for j, two in enumerate(clusters):
            if i != j:
                table[i, j] = dense_affinity(weights, one, two)
    return table


def dense_merging(
    weights: NDArray[np.float64], labels: NDArray[np.int64], num_clusters: int, local: int, weight: float
) -> NDArray[np.int64]:
    clusters = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    while len(clusters) > num_clusters:
        table = dense_table(weights, clusters)
        if table.max() == 0:
            break
        ranked = -np.sort(-table, axis=1)
        scores = ranked[:, 0].copy()
        if local > 1:
            scores += weight / (local - 1) * (ranked[:, :1] - ranked[:, 1:local]).sum(axis=1)
        first = int(scores.argmax())
        second = int(table[first].argmax())
        first, second = min(first, second), max(first, second)
        clusters[first] = np.concatenate([clusters[first], clusters.pop(second)])
    merged = np.empty(len(labels), dtype=np.int64)
    for label, members in enumerate(clusters):
        merged[members] = label
    return merged


def same_partition(one: NDArray[np.int64], two: NDArray[np.int64]) -> bool:
    return len(set(zip(one.tolist(), two.tolist(), strict=True))) == len(set(one.tolist())) == len(set(two.tolist()))


def small_graph(seed: int, count: int = 70) -> csr_array:
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return knn_graph(points, 6).affinity


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("local", "weight"), [(1, 1.0), (3, 0.5), (5, 1.0)])
def test_every_merge_is_that_of_the_dense_formula(seed: int, local: int, weight: float) -> None:
    graph = small_graph(seed)
    start = nearest_chains(graph)
    for wanted in range(start.max(), 1, -1):
        merging = ClusterGraph(graph, start, local, weight)
        merging.merge(wanted)
        assert same_partition(merging.labels(), dense_merging(graph.toarray(), start, wanted, local, weight))


def test_merging_in_steps_is_merging_at_once() -> None:
    graph = small_graph(9)
    at_once, in_steps = (ClusterGraph(graph, nearest_chains(graph), 5) for _ in range(2))
    at_once.merge(3)
    for wanted in (12, 7, 3):
        in_steps.merge(wanted)
    assert np.array_equal(at_once.labels(), in_steps.labels())


def test_single_points_are_a_start_too() -> None:
    graph = small_graph(5, 40)
    merging = ClusterGraph(graph, np.arange(40))
    merging.merge(4)
    assert same_partition(merging.labels(), dense_merging(graph.toarray(), np.arange(40), 4, 1, 0.0))


def test_nearest_clusters_are_those_of_the_dense_table_also_after_merging() -> None:
    graph = small_graph(2)
    merging = ClusterGraph(graph, nearest_chains(graph), 5)
    merging.merge(8)
    labels = merging.labels()
    table = dense_table(graph.toarray(), [np.flatnonzero(labels == label) for label in range(8)])
    for row, found in zip(table, merging.neighbors(5), strict=True):
        order = np.argsort(-row, kind="stable")[:5]
        assert found.tolist() == [int(one) if row[one] > 0 else -1 for one in order]


def test_clusters_without_links_stay_apart() -> None:
    graph = csr_array(np.kron(np.eye(4), 1 - np.eye(3)))
    merging = ClusterGraph(graph, np.arange(12))
    merging.merge(2)
    assert merging.num_clusters == 4
    assert merging.labels().tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert (merging.neighbors(2) == -1).all()


def test_links_are_sums_over_what_comes_and_goes() -> None:
    graph = small_graph(3, 30)
    labels = np.arange(30) % 5
    weights = graph.toarray()
    found = cluster_links(graph, labels, 5).toarray()
    for one in range(5):
        for two in set(range(5)) - {one}:
            a, b = np.flatnonzero(labels == one), np.flatnonzero(labels == two)
            assert found[one, two] == pytest.approx((weights[np.ix_(a, b)] @ weights[np.ix_(b, a)]).sum())
