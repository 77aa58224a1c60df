"""Graph degree linkage in the hands of a user: scikit-learn's conventions, and whatever data may come."""

import logging

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

from objdisc.clustering.affinity import knn_graph
from objdisc.clustering.agglomerative import GraphDegreeLinkage, merge_clusters, start_clusters
from objdisc.errors import UsageError


def blobs(count: int = 300, centers: int = 4) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    points, kinds = make_blobs(count, centers=centers, cluster_std=0.6, random_state=3)
    return points, kinds


def sizes(labels: NDArray[np.int64]) -> list[int]:
    return sorted(np.bincount(labels).tolist())


def test_finds_what_hangs_together_even_where_centres_say_nothing() -> None:
    points, kinds = make_moons(400, noise=0.05, random_state=0)
    assert adjusted_rand_score(kinds, GraphDegreeLinkage(2, n_neighbors=15).fit_predict(points)) == 1


@pytest.mark.parametrize("local", [1, 5])
def test_partition_does_not_depend_on_the_order_of_points(local: int) -> None:
    points, _ = blobs(200)
    order = np.random.default_rng(0).permutation(200)
    one = GraphDegreeLinkage(6, local_neighbors=local).fit_predict(points)
    two = GraphDegreeLinkage(6, local_neighbors=local).fit_predict(points[order])
    assert adjusted_rand_score(one[order], two) == 1


def test_follows_the_conventions_of_scikit_learn() -> None:
    model = GraphDegreeLinkage(3, n_neighbors=9)
    assert model.get_params()["n_neighbors"] == 9
    copied = clone(model).set_params(n_clusters=4)
    points, kinds = blobs()
    assert copied.fit(points) is copied
    assert np.array_equal(copied.labels_, GraphDegreeLinkage(4, n_neighbors=9).fit_predict(points))
    assert adjusted_rand_score(kinds, copied.labels_) == 1


def test_takes_tensors_and_ready_made_links() -> None:
    points, _ = blobs()
    tensor = torch.from_numpy(points)
    expected = GraphDegreeLinkage(4).fit_predict(points)
    assert np.array_equal(GraphDegreeLinkage(4).fit_predict(tensor), expected)
    links = knn_graph(tensor.float()).affinity
    assert np.array_equal(GraphDegreeLinkage(4, affinity="precomputed").fit_predict(links), expected)


@pytest.mark.parametrize("wanted", [1, 2, 7, 30])
def test_gives_exactly_the_clusters_that_are_wanted(wanted: int) -> None:
    points, _ = blobs(30, 2)
    labels = GraphDegreeLinkage(wanted, n_neighbors=3).fit_predict(points)
    assert np.array_equal(np.unique(labels), np.arange(wanted))


def test_parts_that_no_link_ties_join_by_their_means(caplog: pytest.LogCaptureFixture) -> None:
    # four far blobs, of which two are nearer to each other
    centers = [[0.0, 0.0], [0.0, 100.0], [300.0, 0.0], [0.0, 700.0]]
    points, kinds = make_blobs(120, centers=centers, cluster_std=1.0, random_state=0)
    with caplog.at_level(logging.WARNING):
        labels = GraphDegreeLinkage(3, n_neighbors=5).fit_predict(points)
    assert "merging them by their means" in caplog.text
    assert adjusted_rand_score(np.where(kinds == 1, 0, kinds), labels) == 1


def test_parts_that_no_link_ties_are_an_error_where_there_are_only_links() -> None:
    links = csr_array(np.kron(np.eye(4), 1 - np.eye(3)))
    model = GraphDegreeLinkage(3, affinity="precomputed")
    with pytest.raises(UsageError, match="no link is left to merge 4 clusters into 3"):
        model.fit(links)
    assert sizes(model.set_params(n_clusters=4).fit_predict(links)) == [3, 3, 3, 3]


def test_strays_join_before_real_clusters_merge() -> None:
    """Pairs far from everything, linked to each other alone, are no clusters as long as many others are."""
    points, kinds = blobs(600, 3)
    strays = np.array([[60.0, 60.0], [60.1, 60.0], [-70.0, 0.0], [-70.1, 0.0]])
    everything = torch.from_numpy(np.concatenate([points, strays])).float()
    graph, labels = knn_graph(everything).affinity, np.concatenate([np.arange(600), [600, 600, 601, 601]])
    graph = graph.tolil()
    graph[600:, :], graph[:, 600:] = 0, 0
    graph = csr_array(graph)
    naive = merge_clusters(graph, labels, 5, everything)
    joined = merge_clusters(graph, labels, 3, everything, strays=20)
    assert adjusted_rand_score(kinds, joined[:600]) == 1
    assert sizes(naive)[:2] == [2, 2]


def test_a_few_odd_points_do_not_cost_a_real_cluster() -> None:
    """A pair that one faint link ties to the rest ends as a cluster, unless so small a one is suspected."""
    centers = [[0.0, 0.0], [0.0, 6.0], [6.0, 0.0]]
    points, kinds = make_blobs(600, centers=centers, cluster_std=1.0, random_state=0)
    everything = torch.from_numpy(np.concatenate([points, [[40.0, 40.0], [40.1, 40.0]]])).float()
    graph = knn_graph(everything).affinity.tolil()
    graph[600, 0] = graph[0, 600] = 1e-9
    graph = csr_array(graph)
    start = start_clusters(graph, 3)
    kept = merge_clusters(graph, start, 3, everything)
    assert sizes(kept)[0] == 2
    joined = merge_clusters(graph, start, 3, everything, suspect=0.05)
    assert joined[600] == joined[601]
    assert adjusted_rand_score(kinds, joined[:600]) == 1


def test_a_small_cluster_that_lies_apart_is_no_stray() -> None:
    """Suspected for its size, it stays: without it a large one would be cut, and more links would cross."""
    points, kinds = make_blobs([60, 60, 12], centers=[[0, 0], [0, 20], [20, 0]], cluster_std=1.0, random_state=0)
    everything = torch.from_numpy(points).float()
    graph = knn_graph(everything, 8).affinity
    labels = merge_clusters(graph, start_clusters(graph, 3), 3, everything, suspect=0.5)
    assert adjusted_rand_score(kinds, labels) == 1


def test_nothing_is_compared_where_nothing_is_suspected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks of as many clusters as a first merge leaves would take more memory than all the rest."""
    monkeypatch.setattr("objdisc.clustering.agglomerative.walk_information", None)
    points, _ = blobs()
    assert GraphDegreeLinkage(60).fit_predict(points).max() == 59


def test_identical_points_are_clustered_somehow() -> None:
    labels = GraphDegreeLinkage(3).fit_predict(np.ones((200, 4)))
    assert np.array_equal(np.unique(labels), np.arange(3))


def test_points_at_few_places_are_clustered_by_place() -> None:
    places = np.repeat(np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 9.0]]), 50, axis=0)
    assert adjusted_rand_score(np.arange(150) // 50, GraphDegreeLinkage(3).fit_predict(places)) == 1


def test_bad_input_is_an_error_in_one_line() -> None:
    with pytest.raises(UsageError, match="n_clusters=5 of n_samples=3 points: give 1 to 3 clusters"):
        GraphDegreeLinkage(5).fit(np.zeros((3, 2)))
    with pytest.raises(UsageError, match="contains NaN"):
        GraphDegreeLinkage(2).fit(np.array([[0.0], [np.nan], [1.0]]))
    with pytest.raises(UsageError, match="square sparse matrix"):
        GraphDegreeLinkage(2, affinity="precomputed").fit(np.zeros((3, 3)))
    with pytest.raises(UsageError, match="finite weights of at least 0"):
        GraphDegreeLinkage(2, affinity="precomputed").fit(csr_array(-np.eye(3)))


def test_a_single_point_is_one_cluster() -> None:
    assert GraphDegreeLinkage(1).fit_predict(np.zeros((1, 2))).tolist() == [0]
