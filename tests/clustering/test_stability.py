"""Choosing clusterings by how stable they are between views."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, confusion_matrix
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.stability import adjusted_rand_index, discriminant_projections, merge_confused, most_stable


def table(first: list[int], second: list[int], size: int) -> Tensor:
    return torch.from_numpy(confusion_matrix(first, second, labels=range(size))).double()


def test_adjusted_rand_index_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for size in (2, 5, 9):
        first, second = rng.integers(size, size=(2, 200)).tolist()
        noisy = [b if flip else a for a, b, flip in zip(first, second, rng.random(200) < 0.3, strict=True)]
        found = adjusted_rand_index(torch.stack([table(first, second, size), table(first, noisy, size)]))
        expected = [adjusted_rand_score(first, second), adjusted_rand_score(first, noisy)]
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_one_cluster_that_stays_one_is_stable() -> None:
    assert float(adjusted_rand_index(table([0] * 5, [0] * 5, 2))) == 1


def test_merges_the_pair_that_is_best_for_all_views() -> None:
    rng = np.random.default_rng(1)
    size = 6
    first = rng.integers(size, size=300)
    views = [np.where(rng.random(300) < 0.4, rng.integers(size, size=300), first) for _ in range(3)]
    confusion = torch.stack([table(first.tolist(), view.tolist(), size) for view in views])

    def after(pair: tuple[int, int]) -> float:
        kept, gone = pair
        merged = [np.where(labels == gone, kept, labels) for labels in (first, *views)]
        return float(np.mean([adjusted_rand_score(merged[0], view) for view in merged[1:]]))

    best = max(combinations(range(size), 2), key=after)
    assert sorted(best) in merge_confused(confusion, size - 1)


def test_merges_clusters_that_views_swap() -> None:
    # clusters 0 and 2 are one thing: every other sample changes sides from view to view
    first = [0, 2] * 20 + [1] * 30 + [3] * 10
    view = [2, 0] * 10 + [0, 2] * 10 + [1] * 30 + [3] * 10
    assert merge_confused(table(first, view, 4)[None], 3) == [[0, 2], [1], [3]]


def test_nothing_is_merged_where_there_are_few_enough() -> None:
    assert merge_confused(table([0, 1, 2], [0, 1, 2], 3)[None], 3) == [[0], [1], [2]]


def project(weight: Tensor, bias: Tensor, features: Tensor) -> Tensor:
    return F.normalize(features @ weight.T + bias, dim=-1)


def linear(weight: Tensor, bias: Tensor, features: Tensor) -> Tensor:
    return features @ weight.T + bias


def ward(points: Tensor, numbers: Sequence[int]) -> list[Tensor]:
    found = [AgglomerativeClustering(number, linkage="ward").fit_predict(points.numpy()) for number in numbers]
    return [torch.from_numpy(labels) for labels in found]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_takes_the_split_that_views_keep_not_the_wider_one(seed: int) -> None:
    """Along axis 0, views change sides at random, and it spreads widest; kinds differ along axis 1."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.arange(600) % 2

    def drawn() -> Tensor:
        side = torch.randint(2, (600,), generator=generator) * 2.0 - 1
        return torch.stack([1.5 * side, kind * 2.0 - 1], 1) + 0.2 * torch.randn(600, 2, generator=generator)

    views = torch.stack([drawn() for _ in range(6)])
    found = most_stable(drawn(), views, discriminant_projections(views, 2, 3, generator), project, ward, 2)
    points = project(found.weight, found.bias, views[0])
    clusters = torch.cdist(points, found.centroids).argmin(1)
    assert adjusted_rand_score(kind, clusters) > 0.95
    assert found.stability > 0.95
    assert found.centroids.shape == (2, 2)


def test_as_many_samples_as_clusters() -> None:
    views = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    projections = discriminant_projections(views, 3, 2, torch.Generator().manual_seed(0))
    found = most_stable(views[0], views, projections, project, ward, 3)
    assert torch.isfinite(found.centroids).all()


def test_kinds_of_equal_size_without_parts_are_not_merged(caplog: pytest.LogCaptureFixture) -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.repeat_interleave(torch.arange(6), 40)
    centers = 3 * torch.eye(8)[kinds]
    views = torch.stack([centers + 0.5 * torch.randn(240, 8, generator=generator) for _ in range(5)])
    with caplog.at_level("INFO", logger="objdisc"):
        found = most_stable(views[0], views[1:], discriminant_projections(views, 8, 3, generator), project, ward, 6)
    clusters = torch.cdist(project(found.weight, found.bias, views[0]), found.centroids).argmin(1)
    assert adjusted_rand_score(kinds, clusters) > 0.95
    assert "not merged" in caplog.text


def test_a_multiple_that_is_given_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    views = torch.randn(4, 60, 5, generator=torch.Generator().manual_seed(0))
    numbers: list[int] = []

    def noted(points: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        numbers.extend(wanted)
        return ward(points, wanted)

    projections = discriminant_projections(views, 3, 2, torch.Generator().manual_seed(0))
    with caplog.at_level("INFO", logger="objdisc"):
        most_stable(views[0], views, projections, project, noted, 3, finer=5)
    assert set(numbers) == {15}
    assert "merged" not in caplog.text


@pytest.mark.parametrize("finer", [1, 4, "auto"])
@pytest.mark.parametrize("odd", [2, 4])
def test_a_few_odd_samples_are_no_cluster_beside_kinds_that_views_blur(finer: Any, odd: int) -> None:
    """Nothing is as stable as a few samples far from all others, and nothing says as little."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.arange(200) % 2
    features = torch.randn(200, 4, generator=generator)
    features[:, 0] += 3 * kind
    features[-odd:, 1] += 60
    views = features + 0.7 * torch.randn(6, 200, 4, generator=generator)
    projections = discriminant_projections(views, 3, 2, generator)
    found = most_stable(features, views, projections, linear, ward, 2, finer)
    clusters = torch.cdist(linear(found.weight, found.bias, features), found.centroids).argmin(1)
    assert torch.bincount(clusters, minlength=2).min() > 60
    assert adjusted_rand_score(kind, clusters) > 0.5
