"""Triplet losses against their formulas, one triplet after the other."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.triplet import affinity_triplets, hinge_triplets


def features(count: int = 12, seed: int = 0) -> Tensor:
    drawn = torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))
    return F.normalize(drawn, dim=1).requires_grad_()


CLUSTERS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3, 4, 4, -1, -1])


def test_hinge_is_the_mean_over_all_triplets() -> None:
    x, terms = features().detach(), []
    for a in range(10):
        for p in range(10):
            for n in range(10):
                if a != p and CLUSTERS[a] == CLUSTERS[p] != CLUSTERS[n]:
                    difference = 1.5 * (x[a] - x[p]).square().sum() - (x[a] - x[n]).square().sum()
                    terms.append(max(0.0, float(difference) + 0.3))
    found = hinge_triplets(features(), CLUSTERS, margin=0.3, gamma=1.5)
    assert found.loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    assert float(found.triplets) == len(terms)
    assert float(found.active) == pytest.approx(sum(term > 0 for term in terms) / len(terms))


def test_affinities_differ_between_a_cluster_and_those_around_it() -> None:
    around = torch.tensor([[1, 2], [0, -1], [3, 0], [2, 4], [-1, -1]])
    of_sample = torch.where((CLUSTERS < 0)[:, None], -1, around[CLUSTERS])
    x, sigma2, terms = features().detach(), 0.8, []
    for a in range(10):
        for p in range(10):
            for n in range(10):
                near = CLUSTERS[n] in around[CLUSTERS[a]]
                if a != p and CLUSTERS[a] == CLUSTERS[p] and near:
                    positive = 2 * torch.exp(-((x[a] - x[p]).square().sum()) / sigma2) ** 2
                    negative = 2 * torch.exp(-((x[a] - x[n]).square().sum()) / sigma2) ** 2
                    terms.append(-0.5 * float(2 * positive - negative))
    found = affinity_triplets(features(), CLUSTERS, of_sample, torch.tensor(sigma2), gamma=2.0, local_weight=0.5)
    assert found.loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    assert float(found.triplets) == len(terms)


@pytest.mark.parametrize("clusters", [torch.arange(12), torch.zeros(12, dtype=torch.int64), torch.full((12,), -1)])
def test_without_a_triplet_there_is_nothing_to_learn(clusters: Tensor) -> None:
    around = torch.full((12, 2), -1)
    for loss in (hinge_triplets, affinity_triplets):
        x = features()
        found = (
            hinge_triplets(x, clusters)
            if loss is hinge_triplets
            else affinity_triplets(x, clusters, around, torch.tensor(1.0))
        )
        (gradient,) = torch.autograd.grad(found.loss, x)
        assert found.loss.item() == 0
        assert not gradient.any()


def test_equal_features_and_no_bandwidth_give_finite_gradients() -> None:
    x = torch.ones(6, 4, requires_grad=True)
    clusters = torch.tensor([0, 0, 1, 1, 2, 2])
    around = torch.tensor([[1], [1], [0], [0], [0], [0]])
    for found in (hinge_triplets(x, clusters), affinity_triplets(x, clusters, around, torch.tensor(0.0))):
        assert torch.isfinite(found.loss)
        assert torch.isfinite(torch.autograd.grad(found.loss, x)[0]).all()


def test_learning_pulls_clusters_together() -> None:
    points = features(seed=3).detach().requires_grad_()
    optimizer = torch.optim.SGD([points], lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        torch.autograd.backward(hinge_triplets(F.normalize(points, dim=1), CLUSTERS).loss)
        optimizer.step()
    assert float(hinge_triplets(F.normalize(points, dim=1), CLUSTERS).active) < 0.05
