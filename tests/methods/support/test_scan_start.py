"""Heads of SCAN that learn on features alone: they find kinds, and of all the best by their loss are taken."""

import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from objdisc.clustering.neighbors import nearest
from objdisc.losses.scan import scan_loss
from objdisc.methods.support.scan_start import start_heads
from objdisc.models.heads import SubHeads

KINDS = torch.arange(90) % 3


def make_features() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(3, 8, generator=generator)
    return centers[KINDS] + 0.4 * torch.randn(90, 8, generator=generator)


def neighbors_of(features: Tensor) -> Tensor:
    return nearest(features, features, 5, "euclidean")[0]


def started(features: Tensor, heads: int = 2, candidates: int = 6, seed: int = 0) -> SubHeads:
    found = SubHeads(8, 3, heads)
    start_heads(found, features, neighbors_of(features), candidates, entropy_weight=5.0, seed=seed)
    return found


def losses_of(heads: SubHeads, features: Tensor) -> Tensor:
    told = heads(features).detach()
    near = neighbors_of(features)
    return torch.stack([scan_loss(told, told[:, column]).loss for column in near.T]).mean(dim=0)


def test_the_best_head_finds_the_kinds() -> None:
    features = make_features()
    predicted = started(features)(features)[0].argmax(dim=1)
    assert adjusted_rand_score(KINDS, predicted) > 0.9


def test_those_with_the_lowest_losses_are_taken_best_first() -> None:
    features = make_features()
    everyone = losses_of(started(features, heads=6), features)
    best = losses_of(started(features, heads=2), features)
    assert torch.equal(everyone, everyone.sort().values)
    torch.testing.assert_close(best, everyone[:2])
    assert everyone[-1] > everyone[0]


def test_neither_scale_nor_place_of_the_features_matters() -> None:
    features = make_features()
    torch.testing.assert_close(
        started(20 * features + 3)(20 * features + 3), started(features)(features), atol=1e-3, rtol=0
    )


def test_constant_features_leave_finite_heads() -> None:
    found = started(torch.ones(90, 8))
    assert all(bool(torch.isfinite(parameter).all()) for parameter in found.parameters())


def test_the_same_seed_gives_the_same_heads_and_leaves_other_chance_alone() -> None:
    features = make_features()
    near = neighbors_of(features)
    found = [SubHeads(8, 3, 2) for _ in range(3)]
    before = torch.get_rng_state()
    for heads, seed in zip(found, (0, 0, 1), strict=True):
        start_heads(heads, features, near, 4, entropy_weight=5.0, seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found[0].weight, found[1].weight)
    assert not torch.equal(found[0].weight, found[2].weight)
