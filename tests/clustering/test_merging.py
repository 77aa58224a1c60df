"""Merging by information and by cut: they find blocks, and are the best of all by brute force."""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objdisc.clustering.merging import merge_by_cut, merge_by_information


def information(table: NDArray[np.float64]) -> float:
    table = (table + table.T) / (table + table.T).sum()
    independent = np.outer(table.sum(1), table.sum(0))
    seen = table > 0
    return float((table[seen] * np.log(table[seen] / independent[seen])).sum())


def merged(table: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    members = np.eye(groups.max() + 1)[groups]
    return np.asarray(members.T @ table @ members)


def test_parts_of_one_cluster_are_put_together() -> None:
    kinds = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    joint = 0.01 + (kinds[:, None] == kinds).double()
    groups, _ = merge_by_information(joint, 3)
    assert set(groups.tolist()) == {0, 1, 2}
    assert torch.equal(groups[:, None] == groups, kinds[:, None] == kinds)


@pytest.mark.parametrize("seed", range(5))
def test_one_step_is_the_best_of_all_pairs(seed: int) -> None:
    joint = torch.rand(6, 6, generator=torch.Generator().manual_seed(seed)).square()
    groups, left = merge_by_information(joint, 5)
    table = joint.double().numpy()
    best = max(
        information(merged(table, np.array([min(i, j) if k == max(i, j) else k - (k > max(i, j)) for k in range(6)])))
        for i, j in itertools.combinations(range(6), 2)
    )
    assert left == pytest.approx(best)
    assert information(merged(table, groups.numpy())) == pytest.approx(left)


def test_empty_clusters_do_no_harm() -> None:
    joint = torch.zeros(4, 4)
    joint[0, 0] = joint[1, 1] = 3
    groups, left = merge_by_information(joint, 2)
    assert groups[0] != groups[1]
    assert left == pytest.approx(np.log(2))
    assert merge_by_information(torch.zeros(3, 3), 2)[0].max() == 1


def test_as_many_clusters_as_there_are_stay_themselves() -> None:
    assert merge_by_information(torch.rand(4, 4), 4)[0].tolist() == [0, 1, 2, 3]


def test_the_cut_into_two_is_the_best_of_all() -> None:
    joint = 0.02 * torch.rand(8, 8, generator=torch.Generator().manual_seed(0)).double()
    joint[:3, :3] += 0.3
    joint[3:, 3:] += 0.1
    joint *= torch.rand(8, generator=torch.Generator().manual_seed(1)).double()[:, None] + 0.5
    weights = (joint + joint.T).numpy()

    def cost(members: NDArray[np.bool_]) -> float:
        across = weights[members][:, ~members].sum()
        return float(across / weights[members].sum() + across / weights[~members].sum())

    choices = [np.array([bool(code >> bit & 1) for bit in range(8)]) for code in range(1, 2**7)]
    best = min(choices, key=cost)
    groups = merge_by_cut(joint, 2, seed=0).numpy()
    assert cost(groups == 1) == pytest.approx(cost(best))
    assert best.tolist() in [(groups == cluster).tolist() for cluster in range(2)]


def test_the_cut_does_not_ask_for_the_scale_nor_for_ties() -> None:
    kinds = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    joint = (kinds[:, None] == kinds).double()
    joint[6] = joint[:, 6] = 0  # met nobody, not even itself
    for scale in (1e-12, 1e6):
        groups = merge_by_cut(scale * joint, 3, seed=0)
        assert torch.equal(groups[:6, None] == groups[:6], kinds[:6, None] == kinds[:6])
    assert merge_by_cut(joint, 7, seed=0).tolist() == list(range(7))
