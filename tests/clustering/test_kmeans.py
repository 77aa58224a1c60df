"""k-means against scikit-learn, and on the sets that break naive ones."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from objdisc.clustering.kmeans import (
    centroids_of,
    kmeans,
    kmeans_plus_plus,
    soft_assignments,
    split_largest,
)
from objdisc.clustering.neighbors import Distance, nearest_centroid


def blobs(centers: int = 5, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    points, labels = make_blobs(400, n_features=6, centers=centers, cluster_std=spread, random_state=0)
    return torch.from_numpy(points).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("spread", [1.0, 6.0])
def test_inertia_is_that_of_scikit_learn(spread: float) -> None:
    points, _ = blobs(spread=spread)
    centroids, assignments = kmeans(points, 5)
    inertia = float((points - centroids[assignments]).square().sum())
    oracle = KMeans(5, n_init=10, random_state=0).fit(points.numpy())
    assert inertia == pytest.approx(oracle.inertia_, rel=0.01 if spread > 1 else 1e-4)


def test_blobs_are_found() -> None:
    points, labels = blobs()
    assert adjusted_rand_score(labels, kmeans(points, 5)[1]) == 1


def test_the_centroids_are_a_fixed_point_of_lloyds_iteration() -> None:
    points, _ = blobs(spread=3)
    centroids, assignments = kmeans(points, 4)
    for cluster in range(4):
        torch.testing.assert_close(centroids[cluster], points[assignments == cluster].mean(0), rtol=1e-4, atol=1e-4)
    naive = np.linalg.norm(points.numpy()[:, None] - centroids.numpy(), axis=2).argmin(axis=1)
    np.testing.assert_array_equal(assignments, naive)


def test_the_seed_decides_everything() -> None:
    points, _ = blobs(spread=6)
    first, again, other = (kmeans(points, 7, seed=seed, restarts=1)[0] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_identical_points_share_one_cluster_and_nothing_breaks() -> None:
    points = torch.full((10, 3), 2.0)
    centroids, assignments = kmeans(points, 3)
    assert len(set(assignments.tolist())) == 1
    assert torch.equal(centroids, torch.full((3, 3), 2.0))


def test_as_many_clusters_as_points_give_each_its_own() -> None:
    points = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    centroids, assignments = kmeans(points, 6)
    assert sorted(assignments.tolist()) == list(range(6))
    torch.testing.assert_close(centroids[assignments], points)


def test_a_cluster_without_points_keeps_its_centroid() -> None:
    points = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    previous = torch.tensor([[1.0, 1.0], [9.0, 9.0]])
    means = centroids_of(points, torch.tensor([0, 0]), previous)
    assert means.tolist() == [[1.0, 0.0], [9.0, 9.0]]


def test_seeds_are_distinct_points_where_there_are_enough() -> None:
    points, _ = blobs()
    seeds = kmeans_plus_plus(points, 8, torch.Generator().manual_seed(0))
    assert len({tuple(seed) for seed in seeds.tolist()}) == 8
    assert all((points == seed).all(dim=1).any() for seed in seeds)


def test_seeds_are_drawn_by_squared_distance() -> None:
    """From either seed, the far point is at 10 and the two near ones at most at 1: chance 100 / 101 at least."""
    points = torch.tensor([[0.0], [1.0], [10.0]])
    drawn = [kmeans_plus_plus(points, 2, torch.Generator().manual_seed(seed)) for seed in range(300)]
    with_far_point = np.mean([bool((seeds == 10).any()) for seeds in drawn])
    assert with_far_point > 0.97


def test_chunks_change_nothing() -> None:
    points, _ = blobs()
    whole = nearest_centroid(points, points[:5])
    chunked = nearest_centroid(points, points[:5], points_at_once=7)
    assert torch.equal(whole[0], chunked[0])
    assert torch.equal(whole[1], chunked[1])


def unit_blobs() -> Tensor:
    return torch.nn.functional.normalize(blobs(spread=3)[0], dim=1)


@pytest.mark.parametrize("distance", ["products", "cosine"])
def test_products_find_the_same_nearest_as_differences_on_unit_vectors(distance: Distance) -> None:
    points = unit_blobs()
    exact, quick = nearest_centroid(points, points[:9]), nearest_centroid(points, points[:9], distance)
    assert torch.equal(exact[0], quick[0])
    torch.testing.assert_close(exact[1], quick[1], rtol=1e-4, atol=1e-5)


def test_k_means_by_products_is_k_means_on_unit_vectors() -> None:
    points = unit_blobs()
    exact, quick = kmeans(points, 6), kmeans(points, 6, distance="products")
    assert adjusted_rand_score(exact[1], quick[1]) == 1
    torch.testing.assert_close(exact[0], quick[0])


def test_spherical_centroids_point_where_the_sum_of_their_members_does() -> None:
    points = unit_blobs()
    centroids, assignments = kmeans(points, 4, distance="cosine")
    torch.testing.assert_close(centroids.norm(dim=1), torch.ones(4))
    for cluster in range(4):
        direction = points[assignments == cluster].sum(0)
        torch.testing.assert_close(centroids[cluster], direction / direction.norm())
    torch.testing.assert_close((points @ centroids.T).argmax(1), assignments)


def test_soft_assignments_are_probabilities_and_the_nearest_is_the_likeliest() -> None:
    points, _ = blobs()
    soft = soft_assignments(points, points[:5])
    torch.testing.assert_close(soft.sum(1), torch.ones(len(points)))
    assert torch.equal(soft.argmax(1), nearest_centroid(points, points[:5])[0])
    assert torch.isfinite(soft_assignments(torch.zeros(3, 2), torch.zeros(4, 2))).all()


LINE = torch.tensor([0.0, 0.1, 10.0, 10.1, 10.2, 10.3, 20.0, 20.1])[:, None]


def test_the_largest_cluster_is_cut_where_it_falls_apart() -> None:
    centroids = torch.tensor([[0.05], [12.0], [99.0]])
    assignments = torch.tensor([0, 0, 1, 1, 1, 1, 1, 1])
    found, filled_assignments, filled = split_largest(LINE, centroids, assignments)
    assert filled == 1
    assert sorted(torch.bincount(filled_assignments).tolist()) == [2, 2, 4]
    for cluster in range(3):
        torch.testing.assert_close(found[cluster], LINE[filled_assignments == cluster].mean(0))
    assert centroids[2] == 99, "what was given stays as it was"


def test_several_empty_clusters_are_filled_one_after_the_other() -> None:
    assignments = torch.zeros(8, dtype=torch.int64)
    _, found, filled = split_largest(LINE, torch.zeros(5, 1), assignments)
    assert filled == 4
    assert int((torch.bincount(found, minlength=5) == 0).sum()) == 0


def test_without_empty_clusters_nothing_changes() -> None:
    assignments = torch.tensor([0, 0, 1, 1, 1, 1, 1, 1])
    _, found, filled = split_largest(LINE, torch.zeros(2, 1), assignments)
    assert filled == 0
    assert torch.equal(found, assignments)


def test_points_that_coincide_stay_together_and_clusters_empty() -> None:
    _, found, filled = split_largest(torch.ones(6, 2), torch.ones(3, 2), torch.zeros(6, dtype=torch.int64))
    assert filled == 0
    assert not found.any()


def test_a_larger_cluster_of_one_point_repeated_does_not_stop_the_cut_of_a_smaller_one() -> None:
    points = torch.cat([torch.zeros(5, 1), torch.tensor([[3.0], [4.0]])])
    assignments = torch.tensor([0, 0, 0, 0, 0, 1, 1])
    _, found, filled = split_largest(points, torch.zeros(3, 1), assignments)
    assert filled == 1
    assert torch.bincount(found).tolist() == [5, 1, 1]
