"""Mutual information against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score

from objdisc.clustering.mutual_information import normalized_mutual_information, walk_information


@pytest.mark.parametrize(("first", "second"), [(3, 3), (10, 200), (1, 4), (1, 1)])
def test_it_is_scikit_learns(first: int, second: int) -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randint(first, (500,), generator=generator)
    other = (one * 7 + torch.randint(2, (500,), generator=generator)) % second
    expected = normalized_mutual_info_score(one, other, average_method="arithmetic")
    assert normalized_mutual_information(one, other) == pytest.approx(expected, abs=1e-12)


def test_names_of_clusters_do_not_matter() -> None:
    one = torch.tensor([0, 0, 1, 2, 2, 2])
    assert normalized_mutual_information(one, (one + 5) * 1000) == pytest.approx(1)


def test_information_of_one_step_is_that_between_the_ends_of_links() -> None:
    generator = np.random.default_rng(0)
    labels, ends = generator.integers(4, size=50), generator.integers(50, size=(2, 200))
    graph = csr_array((np.ones(200), tuple(ends)), shape=(50, 50))  # several links of the same ends add up
    there, back = labels[ends], labels[ends[::-1]]
    expected = mutual_info_score(*np.concatenate([there, back], axis=1))
    assert walk_information(graph, labels, steps=1) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("steps", [1, 16])
def test_information_of_walks_is_highest_along_the_gaps(steps: int) -> None:
    graph = csr_array(np.kron(np.eye(4), np.ones((10, 10))))
    apart = np.repeat(np.arange(4), 10)
    assert walk_information(graph, apart, steps) == pytest.approx(math.log(4))
    assert walk_information(graph, np.where(apart == 3, 2, apart), steps) < math.log(4)
    assert walk_information(graph, np.roll(apart, 3), steps) < math.log(4)
    assert walk_information(csr_array((40, 40)), apart, steps) == 0


def test_a_long_walk_crosses_what_is_no_gap() -> None:
    """A ring cut into two halves: few links cross, but there is no gap that would hold a walk."""
    ring = csr_array(np.roll(np.eye(40), 1, axis=1))
    halves = np.repeat([0, 1], 20)
    told = [walk_information(ring, halves, steps) for steps in (1, 16, 1000)]
    assert math.log(2) > told[0] > told[1] > told[2] >= 0
