"""One clustering out of many, and Ward's clusters at several levels of one tree."""

import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from objdisc.clustering.consensus import consensus
from objdisc.clustering.hierarchy import ward_cuts


def test_cuts_are_scikit_learns_clusters_at_each_number() -> None:
    points = torch.randn(80, 5, generator=torch.Generator().manual_seed(0))
    for number, found in zip((3, 12, 80, 1, 3), ward_cuts(points, [3, 12, 80, 1, 3]), strict=True):
        expected = AgglomerativeClustering(number, linkage="ward").fit_predict(points.numpy())
        assert adjusted_rand_score(expected, found) == 1
        assert sorted(set(found.tolist())) == list(range(number))


def test_one_point_is_one_cluster() -> None:
    assert [labels.tolist() for labels in ward_cuts(torch.zeros(1, 3), [1])] == [[0]]


def test_errors_that_partitions_do_not_share_cancel_out() -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([0] * 150 + [1] * 40 + [2] * 10)
    partitions = []
    for _ in range(15):
        names = torch.randperm(3, generator=generator)
        wrong = torch.rand(200, generator=generator) < 0.2
        partitions.append(names[torch.where(wrong, torch.randint(3, (200,), generator=generator), kinds)])
    alone = max(adjusted_rand_score(kinds, labels) for labels in partitions)
    found = consensus(torch.stack(partitions), 3)
    assert adjusted_rand_score(kinds, found) > max(alone, 0.95)


def test_the_consensus_of_one_partition_is_that_partition() -> None:
    labels = torch.tensor([2, 0, 0, 1, 2, 1, 1])
    assert adjusted_rand_score(labels, consensus(labels[None], 3)) == 1
