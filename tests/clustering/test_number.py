"""The number of clusters without labels: against a direct count of pairs, and on blobs of known number."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from torch import Tensor

from objdisc.clustering.number import (
    RecommendedNumber,
    noise_recurrences,
    numbers_to_try,
    recommend_number,
    recurrence_of_each,
    recurrences,
)
from objdisc.errors import UsageError


def blobs(number: int, samples: int, seed: int, dim: int = 16) -> tuple[Tensor, Tensor]:
    """Give features of as many blobs, and three views of each sample that stay in its blob."""
    points, _ = make_blobs(samples, dim, centers=number, cluster_std=0.6, center_box=(-6, 6), random_state=seed)
    generator = torch.Generator().manual_seed(seed)
    features = torch.from_numpy(points).float()
    return features, torch.stack([features + 0.5 * torch.randn(features.shape, generator=generator) for _ in range(3)])


def test_the_recurrence_of_a_cluster_is_that_of_sets_counted_sample_by_sample() -> None:
    generator = np.random.default_rng(0)
    clusters, predicted = generator.integers(0, 4, 60), generator.integers(0, 3, 60)
    expected = []
    for cluster in range(4):
        members = set(np.flatnonzero(clusters == cluster))
        others = [set(np.flatnonzero(predicted == predicted[member])) for member in members]
        expected.append(np.mean([len(members & other) / len(members | other) for other in others]))
    assert recurrence_of_each(clusters, predicted, 4) == pytest.approx(expected)


def test_a_cluster_that_is_cut_or_part_of_another_recurs_by_half() -> None:
    whole, cut = np.array([0, 0, 0, 0, 1, 1]), np.array([2, 2, 0, 0, 1, 1])
    assert recurrence_of_each(whole, cut, 3).tolist() == [0.5, 1, 0]
    assert recurrence_of_each(cut, whole, 3).tolist() == [0.5, 1, 0.5]


@pytest.mark.parametrize("number", [3, 6])
def test_as_many_as_there_are(number: int) -> None:
    found = recommend_number(*blobs(number, 160, seed=number), seed=0)
    assert (found.chosen, found.silhouette, found.samples) == (number, number, 160)
    assert found.is_found_again
    assert found.runner_up is not None
    assert abs(found.runner_up - number) > number / 4
    assert found.strengths[found.runner_up] == max(
        strength for other, strength in found.strengths.items() if abs(other - number) > number / 4
    )


def test_the_same_again_and_back_from_json() -> None:
    features, views = blobs(3, 120, seed=1)
    found = recommend_number(features, views, seed=5)
    assert recommend_number(features, views, seed=5) == found
    again = RecommendedNumber.from_json(found.to_json())
    assert (again.chosen, again.runner_up, again.silhouette) == (found.chosen, found.runner_up, found.silhouette)
    assert again.strengths == pytest.approx(found.strengths, abs=1e-4)
    assert again.noise == pytest.approx(found.noise, abs=1e-4)
    assert (again.threshold, again.is_found_again) == (found.threshold, found.is_found_again)


def test_a_number_without_evidence_is_refused() -> None:
    facts = recommend_number(*blobs(3, 64, seed=1), seed=0).to_json()
    with pytest.raises(ValueError, match="99 clusters were chosen"):
        RecommendedNumber.from_json({**facts, "chosen": 99})


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_number_that_is_found_again(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(120, 16, generator=generator)
    views = features + 0.3 * torch.randn(3, 120, 16, generator=generator)
    found = recommend_number(features, views, seed=seed)
    assert not found.is_found_again
    assert found.threshold == 0.5


def test_strengths_are_relative_to_those_of_noise() -> None:
    features, views = blobs(3, 120, seed=1)
    found = recommend_number(features, views, seed=0)
    assert found.strengths[3] == pytest.approx(1)
    assert found.noise == noise_recurrences(120, 14, numbers_to_try(120), seed=0)
    assert found.threshold == pytest.approx(0.9 * max(found.strengths.values()), abs=1e-4)
    assert (
        found.strengths[found.chosen]
        >= found.threshold
        > max(value for number, value in found.strengths.items() if number > found.chosen)
    )


def test_clusters_that_lie_apart_recur_wholly() -> None:
    corners = np.eye(4, dtype=np.float32)[np.arange(80) % 4, :3] - 0.25
    assert recurrences(corners, [4], seed=0) == {4: 1.0}


def test_samples_that_coincide_are_no_error() -> None:
    features = torch.ones(40, 4)
    found = recommend_number(features, features.expand(2, -1, -1), seed=0)
    assert not found.is_found_again
    assert found.chosen in found.strengths


def test_too_few_samples() -> None:
    features = torch.ones(31, 4)
    with pytest.raises(UsageError, match="31 objects are too few; at least 32"):
        recommend_number(features, features.expand(2, -1, -1), seed=0)


def test_numbers_that_are_tried_ascend_and_leave_eight_samples_each() -> None:
    assert numbers_to_try(32) == [2, 3, 4]
    numbers = numbers_to_try(10_000)
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[18]) == (2, 20)
    assert max(later / number for number, later in itertools.pairwise(numbers[18:])) <= 1.2
    assert numbers[-1] >= 100
