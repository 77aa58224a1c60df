"""Nearest neighbours against scikit-learn's, whatever the size of the chunks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from objdisc.clustering.neighbors import (
    Distance,
    Metric,
    candidate_rows,
    nearest,
    nearest_centroid,
    squared_lengths_of,
)


def vectors(count: int, length: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, length, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pairs_at_once", [1, 500, 2**24])
def test_euclidean_neighbours_are_scikit_learns(pairs_at_once: int) -> None:
    points, queries = vectors(200), vectors(70, seed=1)
    rows, squared = nearest(queries, points, 7, "euclidean", pairs_at_once=pairs_at_once)
    distances, expected = NearestNeighbors(n_neighbors=7).fit(points).kneighbors(queries)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(squared.sqrt(), distances, rtol=1e-5)


@pytest.mark.parametrize("pairs_at_once", [300, 2**24])
def test_inner_products_of_unit_vectors_are_scikit_learns_cosines(pairs_at_once: int) -> None:
    points = torch.nn.functional.normalize(vectors(150), dim=1)
    rows, cosines = nearest(points, points, 5, pairs_at_once=pairs_at_once)
    distances, expected = NearestNeighbors(n_neighbors=5, metric="cosine").fit(points).kneighbors(points)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(1 - cosines, distances, atol=1e-5)


def test_cosines_are_inner_products_at_unit_length() -> None:
    points, queries = vectors(150), 3 * vectors(20, seed=1)
    rows, cosines = nearest(queries, points, 5, "cosine")
    unit = torch.nn.functional.normalize
    expected = nearest(unit(queries, dim=1), unit(points, dim=1), 5)
    assert torch.equal(rows, expected[0])
    assert torch.equal(cosines, expected[1])


def test_float64_is_kept() -> None:
    """What lies nearer together than float32 can tell is told apart."""
    points = 1 + torch.tensor([[0.0], [3e-9], [1e-9], [7e-9]], dtype=torch.float64)
    rows, squared = nearest(points, points, 2, "euclidean", exclude_self=True)
    assert rows.tolist() == [[2, 1], [2, 0], [0, 1], [1, 2]]
    assert squared.dtype == torch.float64


@pytest.mark.parametrize("metric", ["inner", "euclidean"])
def test_a_point_is_its_own_neighbour_unless_it_is_left_out(metric: Metric) -> None:
    points = torch.nn.functional.normalize(vectors(60), dim=1)
    itself = torch.arange(60)
    with_self, _ = nearest(points, points, 4, metric)
    without, _ = nearest(points, points, 3, metric, exclude_self=True)
    assert torch.equal(with_self[:, 0], itself)
    assert torch.equal(without, with_self[:, 1:])


def test_neighbours_of_some_rows_leave_those_rows_out() -> None:
    points = vectors(40)
    rows, _ = nearest(points[:9], points, 39, "euclidean", exclude_self=True)
    assert all(set(found.tolist()) == set(range(40)) - {row} for row, found in enumerate(rows))


@pytest.mark.parametrize("metric", ["inner", "euclidean"])
def test_identical_points_come_in_order_of_their_rows(metric: Metric) -> None:
    points = torch.ones(30, 4)
    rows, values = nearest(points, points, 3, metric, exclude_self=True)
    assert rows[0].tolist() == [1, 2, 3]
    assert rows[2].tolist() == [0, 1, 3]
    assert torch.equal(values, torch.full((30, 3), 4.0 if metric == "inner" else 0.0))


def test_many_equally_near_points_on_a_grid_come_in_order_of_their_rows() -> None:
    """More ties than any margin of candidates: on a circle all points are as far from the centre."""
    angles = torch.arange(64) * torch.pi / 32
    circle = torch.stack([angles.cos(), angles.sin()], dim=1).mul(1024).round()
    squared = circle.square().sum(dim=1)
    rows, found = nearest(torch.zeros(1, 2), circle, 5, "euclidean")
    expected = sorted(range(64), key=lambda row: (float(squared[row]), row))[:5]
    assert rows[0].tolist() == expected
    assert found[0].tolist() == squared[expected].tolist()


def test_near_points_far_from_the_origin_are_told_apart() -> None:
    """In float32 the expanded square of the distance would be rounding errors alone."""
    points = 1e4 + torch.tensor([[0.0], [0.1], [0.25], [0.5]]).expand(4, 8)
    rows, _ = nearest(points, points, 2, "euclidean", exclude_self=True)
    assert rows.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]


def test_half_precision_and_autocast_are_compared_in_float32() -> None:
    points = vectors(50)
    expected = nearest(points.bfloat16().float(), points.bfloat16().float(), 5)
    with torch.autocast("cpu", torch.bfloat16):
        rows, values = nearest(points.bfloat16(), points.bfloat16(), 5)
    assert torch.equal(rows, expected[0])
    assert values.dtype == torch.float32


def test_no_query_has_no_neighbours() -> None:
    rows, values = nearest(torch.zeros(0, 3), vectors(5, 3), 2)
    assert rows.shape == values.shape == (0, 2)


@pytest.mark.parametrize(("count", "exclude_self"), [(4, False), (5, True)])
def test_too_few_points_are_an_error(count: int, exclude_self: bool) -> None:
    points = vectors(count)
    with pytest.raises(ValueError, match="5 neighbours are wanted of 4 points"):
        nearest(points, points, 5, exclude_self=exclude_self)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_an_error(broken: float) -> None:
    points = vectors(9)
    points[3, 0] = broken
    with pytest.raises(ValueError, match="not finite"):
        nearest(points, points, 2)


@pytest.mark.parametrize("distance", ["differences", "products"])
@pytest.mark.parametrize("at_once", [3, 2**16])
def test_the_nearest_centroid_is_the_first_neighbour(distance: Distance, at_once: int) -> None:
    points, centroids = vectors(50), vectors(7, seed=1)
    rows, squared = nearest(points, centroids, 1, "euclidean")
    assigned, distances = nearest_centroid(points, centroids, distance, points_at_once=at_once)
    assert torch.equal(assigned, rows[:, 0])
    torch.testing.assert_close(distances, squared[:, 0])


def test_centroids_in_float64_are_compared_in_float64() -> None:
    distances = nearest_centroid(vectors(9), vectors(3, seed=1).double(), "products")[1]
    assert distances.dtype == torch.float64


@pytest.mark.parametrize("values_at_once", [120, 2**25])
@pytest.mark.parametrize("num_queries", [1, 6])
def test_candidates_among_rows_on_disk_are_the_neighbours(
    num_queries: int, values_at_once: int, tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", vectors(200).numpy())
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    queries, eligible = vectors(num_queries, seed=1), np.arange(200) % 2 == 0
    expected = nearest(queries, vectors(200), 5, "euclidean")[0]
    found = candidate_rows(rows, queries.numpy(), 5, values_at_once=values_at_once)
    np.testing.assert_array_equal(found, expected)
    expected = 2 * nearest(queries, vectors(200)[::2], 100, "euclidean")[0]
    lengths = squared_lengths_of(rows, values_at_once=values_at_once)
    found = candidate_rows(
        rows, queries.numpy(), 110, eligible=eligible, squared_lengths=lengths, values_at_once=values_at_once
    )
    np.testing.assert_array_equal(found[:, :100], expected)
    assert (found[:, 100:] == -1).all()


def test_squared_lengths_of_rows() -> None:
    rows = vectors(101, 3).numpy()
    np.testing.assert_allclose(
        squared_lengths_of(rows, values_at_once=30), np.linalg.norm(rows, axis=1) ** 2, rtol=1e-5
    )
    assert squared_lengths_of(rows[:0]).shape == (0,)
