"""The SCAN loss and self-labelling against the formulas of the paper, written out sample by sample."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.scan import curriculum_thresholds, marginal_entropy, scan_loss, self_label_loss


def probabilities(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(2 * torch.randn(*shape, generator=generator), dim=-1)


def test_both_terms_are_those_of_equation_2() -> None:
    anchors, neighbors = probabilities(7, 4), probabilities(7, 4, seed=1)
    products = [sum(float(a * b) for a, b in zip(*pair, strict=True)) for pair in zip(anchors, neighbors, strict=True)]
    consistency = -sum(math.log(product) for product in products) / 7
    mean = [sum(float(p[k]) for p in anchors) / 7 for k in range(4)]
    entropy = -sum(m * math.log(m) for m in mean)
    terms = scan_loss(anchors, neighbors, entropy_weight=3.0)
    assert float(terms.consistency) == pytest.approx(consistency, rel=1e-5)
    assert float(terms.entropy) == pytest.approx(entropy, rel=1e-5)
    assert float(terms.loss) == pytest.approx(consistency - 3 * entropy, rel=1e-5)


def test_heads_are_scored_side_by_side() -> None:
    anchors, neighbors = probabilities(3, 9, 5), probabilities(3, 9, 5, seed=1)
    together = scan_loss(anchors, neighbors)
    for head in range(3):
        assert torch.allclose(together.loss[head], scan_loss(anchors[head], neighbors[head]).loss)


def test_sure_neighbours_in_clusters_of_equal_size_are_the_best_there_is() -> None:
    best = torch.eye(5).repeat(4, 1)
    terms = scan_loss(best, best, entropy_weight=5.0)
    assert float(terms.loss) == pytest.approx(-5 * math.log(5), rel=1e-5)
    assert float(scan_loss(probabilities(20, 5), probabilities(20, 5)).loss) > float(terms.loss)


def test_one_cluster_for_all_is_worse_than_no_opinion() -> None:
    collapsed = torch.eye(5)[:1].repeat(8, 1)
    undecided = torch.full((8, 5), 0.2)
    assert float(scan_loss(collapsed, collapsed).loss) > float(scan_loss(undecided, undecided).loss)


def test_neighbours_that_share_nothing_cost_much_and_not_infinity() -> None:
    first, second = torch.eye(2).requires_grad_(), torch.eye(2).flip(0)
    loss = scan_loss(first, second).loss
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert first.grad is not None
    assert torch.isfinite(first.grad).all()


def test_half_precision_is_computed_in_float32() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert scan_loss(probabilities(4, 3).bfloat16(), probabilities(4, 3).bfloat16()).loss.dtype == torch.float32
    assert float(marginal_entropy(torch.full((9, 8), 1 / 8))) == pytest.approx(math.log(8))


def logits_of(classes: list[int], sure: list[bool], count: int = 4) -> Tensor:
    return torch.stack(
        [F.one_hot(torch.tensor(k), count) * (9.0 if s else 1.0) for k, s in zip(classes, sure, strict=True)]
    )


def test_self_labels_are_pytorchs_weighted_cross_entropy_of_the_confident() -> None:
    believed = torch.softmax(logits_of([0, 0, 0, 2, 1], [True, True, True, True, False]), dim=1)
    strong = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    loss, sure = self_label_loss(believed, torch.softmax(strong, dim=1))
    assert sure.tolist() == [True, True, True, True, False]
    weights = torch.tensor([4 / 3, 1.0, 4.0, 1.0])  # n / count among four confident; those without any, 1
    expected = F.cross_entropy(strong[:4], torch.tensor([0, 0, 0, 2]), weights)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_classes_weigh_the_same_however_many_are_confident() -> None:
    """Nine of one class and one of another: the mean is that of the two classes' means."""
    believed = torch.softmax(logits_of([0] * 9 + [1], [True] * 10, count=2), dim=1)
    strong = probabilities(10, 2)
    loss, _ = self_label_loss(believed, strong)
    expected = (-strong[:9, 0].log().mean() - strong[9, 1].log()) / 2
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_no_gradient_reaches_what_is_believed() -> None:
    believed = torch.softmax(logits_of([0, 1], [True, True]), dim=1).requires_grad_()
    strong = probabilities(2, 4).requires_grad_()
    torch.autograd.backward(self_label_loss(believed, strong)[0])
    assert believed.grad is None
    assert strong.grad is not None


def test_without_anybody_confident_the_loss_is_0() -> None:
    strong = probabilities(3, 4).requires_grad_()
    loss, sure = self_label_loss(torch.full((3, 4), 0.25), strong)
    torch.autograd.backward(loss)
    assert (float(loss.detach()), sure.any().item()) == (0.0, False)
    assert strong.grad is not None
    assert not strong.grad.any()


def test_each_cluster_may_have_a_threshold_of_its_own() -> None:
    believed = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.4, 0.6], [0.1, 0.9]])
    _, sure = self_label_loss(believed, probabilities(4, 2), torch.tensor([0.9, 0.5]))
    assert sure.tolist() == [False, False, True, True]


def test_clusters_that_are_seldom_sure_are_believed_with_less() -> None:
    """Four are sure of cluster 0, two of 1, nobody of 2: 0.9 b / (2 - b) with b = 1, 1/2 and 0."""
    believed = torch.softmax(logits_of([0] * 4 + [1] * 2 + [2], [True] * 6 + [False], count=3), dim=1)
    assert curriculum_thresholds(believed, 0.9).tolist() == pytest.approx([0.9, 0.3, 0.0])


def test_where_nobody_is_sure_the_threshold_stays() -> None:
    assert curriculum_thresholds(torch.full((5, 3), 1 / 3), 0.9).tolist() == pytest.approx([0.9] * 3)
