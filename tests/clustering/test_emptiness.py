"""Empty clusters take half of the largest one."""

import torch

from objdisc.clustering.emptiness import split_largest

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
