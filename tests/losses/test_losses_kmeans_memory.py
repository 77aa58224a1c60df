"""Equations 1 to 5 of Hickson et al. against plain loops and finite differences."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from objdisc.losses.kmeans_memory import (
    Counts,
    agreement_loss,
    balance_loss,
    balanced_targets,
    cluster_counts,
    kmeans_loss,
    squared_distances,
)

COUNTS: list[Counts] = ["soft", "ste", "hard"]


@pytest.fixture
def points() -> Tensor:
    return torch.randn(40, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def memories() -> Tensor:
    return torch.randn(4, 5, generator=torch.Generator().manual_seed(1))


def naive_distances(points: Tensor, memories: Tensor) -> NDArray[np.float64]:
    return np.array(
        [[sum((a - b) ** 2 for a, b in zip(x, w, strict=True)) for w in memories.tolist()] for x in points.tolist()]
    )


def naive_balance(counts: list[float]) -> float:
    """Equation 3 as printed."""
    clusters = range(len(counts))
    return sum(abs(counts[k] - counts[j]) for k in clusters for j in clusters if j >= k) / (sum(counts) * len(counts))


def test_distances_are_those_of_a_loop(points: Tensor, memories: Tensor) -> None:
    np.testing.assert_allclose(
        squared_distances(points, memories), naive_distances(points, memories), rtol=1e-4, atol=1e-5
    )


def test_distances_of_a_point_to_itself_are_never_negative(points: Tensor) -> None:
    far = points + 100
    distances = squared_distances(far, far)
    assert float(distances.min()) >= 0
    assert float(distances.diagonal().max()) < 0.1


def test_equation_1_is_half_the_mean_squared_distance_to_the_nearest_memory(points: Tensor, memories: Tensor) -> None:
    expected = naive_distances(points, memories).min(axis=1).sum() / (2 * len(points))
    assert float(kmeans_loss(squared_distances(points, memories))) == pytest.approx(expected, rel=1e-5)


def test_equation_2_is_the_gradient_of_equation_1(points: Tensor, memories: Tensor) -> None:
    """Memories move towards the samples they win: minus the gradient is sum (x_n - w_k) / N over n with s(x_n) = k."""
    memories.requires_grad_(True)
    torch.autograd.backward(kmeans_loss(squared_distances(points, memories)))
    winners = naive_distances(points, memories.detach()).argmin(axis=1)
    expected = np.zeros(memories.shape)
    for x, k in zip(points.numpy(), winners, strict=True):
        expected[k] += (memories.detach().numpy()[k] - x) / len(points)
    assert memories.grad is not None
    np.testing.assert_allclose(memories.grad, expected, rtol=1e-4, atol=1e-6)


def test_equation_1_has_the_gradient_of_finite_differences_in_the_samples(points: Tensor, memories: Tensor) -> None:
    points.requires_grad_(True)
    torch.autograd.backward(kmeans_loss(squared_distances(points, memories)))
    assert points.grad is not None
    step = 1e-4
    for n, d in [(0, 0), (7, 3), (39, 4)]:
        moved = points.detach().double().numpy().copy()
        moved[n, d] += step
        higher = ((moved[:, None] - memories.double().numpy()) ** 2).sum(2).min(1).mean() / 2
        moved[n, d] -= 2 * step
        lower = ((moved[:, None] - memories.double().numpy()) ** 2).sum(2).min(1).mean() / 2
        assert float(points.grad[n, d]) == pytest.approx((higher - lower) / (2 * step), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("counts", ["ste", "hard"])
def test_equation_4_counts_the_winners(points: Tensor, memories: Tensor, counts: Counts) -> None:
    expected = np.bincount(naive_distances(points, memories).argmin(axis=1), minlength=4)
    np.testing.assert_allclose(cluster_counts(squared_distances(points, memories), counts), expected, atol=1e-5)


def test_soft_counts_are_sums_of_softmaxes_relative_to_the_mean_distance(points: Tensor, memories: Tensor) -> None:
    distances = naive_distances(points, memories)
    weights = np.exp(-distances / (0.1 * distances.mean()))
    expected = (weights / weights.sum(axis=1, keepdims=True)).sum(axis=0)
    np.testing.assert_allclose(cluster_counts(squared_distances(points, memories), "soft"), expected, rtol=1e-4)


@pytest.mark.parametrize("counts", COUNTS)
def test_counts_sum_to_the_number_of_samples(points: Tensor, memories: Tensor, counts: Counts) -> None:
    assert float(cluster_counts(squared_distances(points, memories), counts).sum()) == pytest.approx(40, abs=1e-4)


def test_literal_counts_train_nothing(points: Tensor, memories: Tensor) -> None:
    memories.requires_grad_(True)
    assert not cluster_counts(squared_distances(points, memories), "hard").requires_grad


def test_straight_through_counts_have_the_gradient_of_soft_counts(points: Tensor, memories: Tensor) -> None:
    gradients = []
    for counts in ("ste", "soft"):
        leaf = memories.clone().requires_grad_(True)
        torch.autograd.backward((cluster_counts(squared_distances(points, leaf), counts) * torch.arange(4.0)).sum())
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[0] is not None
    assert float(gradients[0].abs().max()) > 0


def test_soft_counts_pass_gradcheck() -> None:
    distances = torch.rand(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) + 0.5
    mean = float(distances.mean())

    def soft(values: Tensor) -> Tensor:
        # the scale is a constant of the gradient: undo what a moved mean does to it
        return cluster_counts(values, "soft", temperature=mean / float(values.detach().mean()))

    assert torch.autograd.gradcheck(soft, distances.requires_grad_(True))


@pytest.mark.parametrize("counts", [[3.0, 9.0], [5.0, 5.0, 2.0], [1.0, 0.0, 7.0, 4.0], [10.0, 0.0]])
def test_equation_3_is_the_printed_sum(counts: list[float]) -> None:
    assert float(balance_loss(torch.tensor(counts))) == pytest.approx(naive_balance(counts), rel=1e-6)


@pytest.mark.parametrize("clusters", [2, 3, 7])
def test_equation_3_ranges_from_0_to_k_minus_1_over_k(clusters: int) -> None:
    assert float(balance_loss(torch.full((clusters,), 8.0))) == 0
    all_in_one = torch.zeros(clusters)
    all_in_one[0] = 50
    assert float(balance_loss(all_in_one)) == pytest.approx((clusters - 1) / clusters)
    drawn = torch.rand(200, clusters, generator=torch.Generator().manual_seed(3)) * 100
    assert max(float(balance_loss(counts)) for counts in drawn) <= (clusters - 1) / clusters + 1e-6


def test_balance_loss_with_a_prior_is_0_where_counts_follow_it_and_only_there() -> None:
    prior = torch.tensor([0.7, 0.2, 0.1])
    assert float(balance_loss(100 * prior, prior)) == pytest.approx(0, abs=1e-6)
    assert float(balance_loss(torch.full((3,), 100 / 3), prior)) > 0.1


def test_a_uniform_prior_is_the_papers() -> None:
    counts = torch.tensor([5.0, 1.0, 14.0])
    torch.testing.assert_close(balance_loss(counts, torch.full((3,), 1 / 3)), balance_loss(counts))


def test_descending_equation_3_with_straight_through_counts_balances_two_clusters() -> None:
    points = torch.randn(100, 1, generator=torch.Generator().manual_seed(4)) + 1
    memories = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    for _ in range(200):
        loss = balance_loss(cluster_counts(squared_distances(points, memories), "ste"))
        (gradient,) = torch.autograd.grad(loss, memories)
        memories = (memories - 0.05 * gradient).detach().requires_grad_(True)
    shares = cluster_counts(squared_distances(points, memories), "hard") / 100
    assert 0.35 < float(shares[0]) < 0.65


def test_balanced_targets_are_distributions_whose_masses_follow_the_prior() -> None:
    scores = torch.randn(300, 3, generator=torch.Generator().manual_seed(5)) * 0.3
    scores[:, 0] += 0.5
    prior = torch.tensor([0.2, 0.5, 0.3])
    targets = balanced_targets(scores, prior, epsilon=0.05, iterations=60)
    torch.testing.assert_close(targets.sum(1), torch.ones(300))
    torch.testing.assert_close(targets.mean(0), prior, atol=1e-3, rtol=0)
    after_three = balanced_targets(scores, prior)
    torch.testing.assert_close(after_three.sum(1), torch.ones(300))
    unbalanced = torch.softmax(scores / 0.05, dim=1).mean(0)
    assert float((after_three.mean(0) - prior).abs().max()) < 0.5 * float((unbalanced - prior).abs().max())


def test_balanced_targets_are_those_of_alternating_scaling() -> None:
    """The oracle scales a plain matrix, columns to the prior and rows to one."""
    scores = torch.randn(20, 3, generator=torch.Generator().manual_seed(6)) * 0.2
    prior = np.array([0.5, 0.25, 0.25])
    matrix = np.exp(scores.double().numpy() / 0.05)
    for _ in range(3):
        matrix = matrix / matrix.sum(axis=0) * prior
        matrix = matrix / matrix.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(balanced_targets(scores, torch.from_numpy(prior)), matrix, rtol=1e-3, atol=1e-5)


def test_agreement_is_cross_entropy_with_constant_targets() -> None:
    generator = torch.Generator().manual_seed(7)
    scores = torch.randn(8, 3, generator=generator, requires_grad=True)
    targets = torch.softmax(torch.randn(8, 3, generator=generator), dim=1).requires_grad_(True)
    loss = agreement_loss(scores, targets, temperature=0.5)
    exponentials = np.exp(scores.detach().double().numpy() / 0.5)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected = -(targets.detach().numpy() * np.log(probabilities)).sum(axis=1).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    torch.autograd.backward(loss)
    assert scores.grad is not None
    assert targets.grad is None


@pytest.mark.parametrize("counts", COUNTS)
def test_a_batch_without_foreground_costs_nothing_and_breaks_nothing(memories: Tensor, counts: Counts) -> None:
    memories.requires_grad_(True)
    points = torch.zeros(0, 5, requires_grad=True)
    distances = squared_distances(points, memories)
    scores = -0.5 * distances
    targets = balanced_targets(scores, torch.full((4,), 0.25))
    loss = kmeans_loss(distances) + balance_loss(cluster_counts(distances, counts)) + agreement_loss(scores, targets)
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert memories.grad is not None
    assert not memories.grad.any()


@pytest.mark.parametrize("counts", COUNTS)
def test_identical_points_on_a_memory_give_finite_values_and_gradients(counts: Counts) -> None:
    memories = torch.ones(3, 5, requires_grad=True)
    distances = squared_distances(torch.ones(10, 5), memories)
    loss = kmeans_loss(distances) + balance_loss(cluster_counts(distances, counts))
    torch.autograd.backward(loss)
    assert bool(torch.isfinite(loss))
    assert memories.grad is not None
    assert bool(torch.isfinite(memories.grad).all())


def test_losses_are_float32_and_the_same_under_bf16_autocast(points: Tensor, memories: Tensor) -> None:
    prior = torch.full((4,), 0.25)

    def terms() -> list[Tensor]:
        distances = squared_distances(points, memories)
        scores = -0.5 * distances
        targets = balanced_targets(scores, prior)
        counts = cluster_counts(distances, "soft")
        return [distances, kmeans_loss(distances), counts, balance_loss(counts, prior), agreement_loss(scores, targets)]

    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = terms()
    for value, expected in zip(inside, terms(), strict=True):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


def test_half_precision_embeddings_are_compared_in_float32(points: Tensor, memories: Tensor) -> None:
    half = points.bfloat16()
    expected = squared_distances(half.float(), memories)
    torch.testing.assert_close(squared_distances(half, memories), expected, rtol=0, atol=0)
