"""Self-labelling: it starts from SCAN's chosen head, learns from the confident alone, and says when there are none."""

import logging

import pytest
import torch
from torch import Tensor

from objdisc.errors import UsageError
from objdisc.losses.scan import curriculum_thresholds, self_label_loss
from objdisc.methods.scan import SCAN
from objdisc.methods.selflabel import SelfLabel
from objdisc.models.encoder import Encoder

from .conftest import World, shares_of, told


@pytest.fixture
def surely(pixels: Encoder) -> SelfLabel:
    """A head that is sure of its prediction for about half of the images."""
    torch.manual_seed(0)
    method = SelfLabel(pixels, 3)
    with torch.no_grad():
        method.heads.weight.mul_(15)
    return method


def test_it_takes_over_the_head_that_was_chosen(world: World, pixels: Encoder) -> None:
    torch.manual_seed(0)
    scan = SCAN(pixels, 3, heads=4)
    scan.chosen.fill_(2)
    method = SelfLabel(pixels, 3)
    method.start_from(scan.state_dict())
    expected = told(scan, world.images).probabilities
    assert torch.equal(told(method, world.images).probabilities, expected)
    again = SelfLabel(pixels, 3)
    again.start_from(method.state_dict())
    assert torch.equal(told(again, world.images).probabilities, expected)


def test_a_kept_copy_is_taken_over_and_must_not_be_left_out(world: World, learner: Encoder) -> None:
    torch.manual_seed(0)
    scan = SCAN(learner, 3, kept_side=4)
    scan.chosen.fill_(0)
    method = SelfLabel(learner, 3, kept_side=4)
    with torch.no_grad():
        scan.kept_copy.encoder.body[0].weight.add_(1)  # type: ignore[union-attr,index]
    method.start_from(scan.state_dict())
    found, expected = (told(each.eval(), world.images).probabilities for each in (method, scan))
    assert torch.equal(found, expected)
    with pytest.raises(UsageError, match="kept-side"):
        SelfLabel(learner, 3).start_from(scan.state_dict())


def test_the_plain_view_teaches_the_strong_one(world: World, surely: SelfLabel) -> None:
    batch = world.batch(torch.arange(40, 80), num_views=2)
    terms = surely.training_step(batch, world)
    plain, strong = (surely.probabilities(view[:20]) for view in batch.views)
    expected, sure = self_label_loss(plain, strong, 0.99)
    assert 0 < sure.sum() < 20
    assert torch.equal(terms["loss"], expected)
    assert float(terms["confident"]) == pytest.approx(float(sure.float().mean()))
    assert torch.equal(surely.sizes, torch.bincount(plain.argmax(dim=1), minlength=3).float())
    assert surely.seen.tolist() == [1, float(sure.sum())]


def steps(method: SelfLabel, world: World, count: int = 3) -> list[Tensor]:
    optimizer = torch.optim.AdamW(method.parameters(), 0.1, weight_decay=0.1)
    for _ in range(count):
        optimizer.zero_grad()
        torch.autograd.backward(method.training_step(world.batch(torch.arange(30), num_views=2), world)["loss"])
        optimizer.step()
    return [parameter.detach().clone() for parameter in method.parameters()]


def test_without_anybody_confident_no_weight_moves_and_it_is_said(
    world: World, pixels: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    method = SelfLabel(pixels, 3)
    before = [parameter.detach().clone() for parameter in method.parameters()]
    with caplog.at_level(logging.WARNING, logger="objdisc"):
        method.begin_epoch(0, world)
        assert not caplog.text
        after = steps(method, world)
        method.begin_epoch(1, world)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert "no sample was more confident than 0.99 in epoch 1: nothing was learned" in caplog.text
    assert not method.seen.any()


def test_one_batch_without_anybody_confident_is_no_alarm(
    world: World, surely: SelfLabel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="objdisc"):
        surely.begin_epoch(0, world)
        surely.training_step(world.batch(torch.arange(60), num_views=2), world)
        with torch.no_grad():
            surely.heads.weight.mul_(1e-3)
        surely.training_step(world.batch(torch.arange(60), num_views=2), world)
        surely.finish(world)
    assert not caplog.text


def test_the_last_epoch_is_spoken_of_too(world: World, pixels: Encoder, caplog: pytest.LogCaptureFixture) -> None:
    method = SelfLabel(pixels, 3)
    method.begin_epoch(0, world)
    method.training_step(world.batch(torch.arange(9), num_views=2), world)
    with caplog.at_level(logging.WARNING, logger="objdisc"):
        method.finish(world)
    assert "in the last epoch" in caplog.text


def test_occupancy_shows_a_collapse(world: World, surely: SelfLabel) -> None:
    with torch.no_grad():
        surely.heads.bias[0, 1] = 100
    assert shares_of(surely.training_step(world.batch(torch.arange(60), num_views=2), world)) == [0, 1, 0]


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.5])
def test_a_threshold_that_is_no_probability_is_a_usage_error(pixels: Encoder, threshold: float) -> None:
    with pytest.raises(UsageError, match="must lie between 0 and 1"):
        SelfLabel(pixels, 3, threshold=threshold)


def test_a_curriculum_looks_at_all_samples_before_each_epoch(world: World, surely: SelfLabel) -> None:
    with torch.no_grad():
        surely.heads.bias[0, 1] = -2
    surely.begin_epoch(0, world)
    assert surely.thresholds.tolist() == pytest.approx([0.99] * 3)
    surely.curriculum = True
    surely.begin_epoch(0, world)
    expected = curriculum_thresholds(surely.probabilities(world.images[world.foreground]), 0.99)
    assert torch.equal(surely.thresholds, expected)
    assert float(expected.max()) == pytest.approx(0.99)
    assert float(expected.min()) < 0.9
    batch = world.batch(torch.arange(40), num_views=2)
    plain, strong = (surely.probabilities(view) for view in batch.views)
    assert torch.equal(surely.training_step(batch, world)["loss"], self_label_loss(plain, strong, expected)[0])
