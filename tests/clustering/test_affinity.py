"""The graph of nearest neighbours against scikit-learn's, and the clusters that its strongest links make."""

import logging

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors

from objdisc.clustering.affinity import knn_graph, nearest_chains
from objdisc.errors import UsageError


def test_weights_fall_with_the_distance_of_the_nearest_neighbours() -> None:
    points = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    distances, rows = NearestNeighbors(n_neighbors=7).fit(points.astype(float)).kneighbors()
    expected = np.zeros((200, 200))
    for row in range(200):
        for other, distance in zip(rows[row], distances[row], strict=True):
            expected[row, other] = np.exp(-(distance**2) / (2 * np.mean(distances**2)))
    found = knn_graph(torch.from_numpy(points), 7, scale=2.0).affinity.toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_self_tuned_links_reach_as_far_as_the_neighbours_of_both_ends() -> None:
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 3))).float()
    distances, rows = NearestNeighbors(n_neighbors=7).fit(points.double()).kneighbors()
    own = np.sqrt(2 * np.mean(distances**2, axis=1))
    found = knn_graph(points, 7, scale=2.0, self_tuning=True).affinity.toarray()
    for row in range(50):
        expected = np.exp(-(distances[row] ** 2) / (own[row] * own[rows[row]]))
        np.testing.assert_allclose(found[row, rows[row]], expected, rtol=1e-4)


def test_self_tuned_links_of_points_that_coincide_are_whole_and_all_others_nothing() -> None:
    points = torch.tensor([[0.0]] * 4 + [[1.0]])
    found = knn_graph(points, 3, self_tuning=True).affinity.toarray()
    assert (found[:4, :4] == 1 - np.eye(4)).all()
    assert not found[4].any()


def test_no_point_is_linked_to_itself_even_among_identical_ones() -> None:
    graph = knn_graph(torch.ones(30, 4), 5).affinity.toarray()
    assert (np.diag(graph) == 0).all()
    assert ((graph == 1).sum(axis=1) == 5).all()


def test_with_fewer_points_than_neighbours_all_are_linked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        graph = knn_graph(torch.randn(6, 3), 20).affinity.toarray()
    assert (np.count_nonzero(graph, axis=1) == 5).all()
    assert "20 neighbours of 6 points" in caplog.text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(value: float) -> None:
    points = torch.zeros(5, 2)
    points[3, 1] = value
    with pytest.raises(UsageError, match="point 3 of 5 holds values that are not finite"):
        knn_graph(points)


def test_a_single_point_cannot_be_linked() -> None:
    with pytest.raises(UsageError, match="1 points: at least 2"):
        knn_graph(torch.zeros(1, 2))


def test_chains_follow_the_strongest_links() -> None:
    #    0 -> 1 <-> 2    3 -> 4 <-> 5    6 has no link
    graph = np.zeros((7, 7))
    graph[0, 1], graph[0, 5] = 0.9, 0.1
    graph[1, 2], graph[1, 0] = 0.8, 0.7
    graph[2, 1] = 0.8
    graph[3, 0], graph[3, 4] = 0.2, 0.3
    graph[4, 5], graph[5, 4] = 0.5, 0.5
    labels = nearest_chains(csr_array(graph))
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2]
