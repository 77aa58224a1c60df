"""SCAN: mining, learning, and the epoch and head that are kept without labels."""

import logging

import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.errors import ObjdiscError, UsageError
from objdisc.losses.scan import scan_loss
from objdisc.methods.scan import SCAN
from objdisc.models.encoder import Encoder
from objdisc.types import Batch

from .conftest import World, clusters_of, shares_of, told


def built(encoder: Encoder, world: World, **switches: object) -> SCAN:
    torch.manual_seed(0)
    method = SCAN(encoder, 3, **{"neighbors": 5} | switches)  # type: ignore[arg-type]
    method.setup(len(world.images))
    return method


def paired(world: World, method: SCAN, rows: Tensor, step: int) -> Batch:
    """Stand in for the loader: views of rows and of one partner each."""
    column = torch.randint(method.near.shape[1], (len(rows),), generator=torch.Generator().manual_seed(step))
    views = world.view(rows, 2 * step), world.view(method.near[rows, column], 2 * step + 1)
    return Batch(views, rows, world.foreground[rows], views[0])


def trained(method: SCAN, world: World, epochs: int = 6, lr: float = 1e-2) -> list[float]:
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr)
    losses = []
    for epoch in range(epochs):
        method.begin_epoch(epoch, world)
        method.train()
        for step in range(10):
            rows = torch.randperm(60, generator=torch.Generator().manual_seed(step))[:40]
            loss = method.training_step(paired(world, method, rows, 10 * epoch + step), world)["loss"]
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses


def test_neighbours_are_scikit_learns_by_cosine_and_background_has_none(world: World, pixels: Encoder) -> None:
    method = built(pixels, world, neighbors=6)
    partners = method.begin_epoch(0, world).partners
    assert partners is not None
    points = world.images[:60].flatten(1)
    expected = NearestNeighbors(n_neighbors=6, metric="cosine").fit(points).kneighbors(points)[1]
    assert torch.equal(partners[:60], torch.from_numpy(expected))
    assert (partners[60:] == -1).all()


def test_a_sample_may_be_left_out_of_its_own_neighbours(world: World, pixels: Encoder) -> None:
    world.images = torch.cat([world.images[60:], world.images[:60]])  # rows and places are not the same
    world.foreground = world.foreground.flip(0)
    with_self, without = built(pixels, world, neighbors=6), built(pixels, world, neighbors=5, include_self=False)
    itself, others = (method.begin_epoch(0, world).partners for method in (with_self, without))
    assert itself is not None
    assert others is not None
    assert torch.equal(itself[30:, 0], torch.arange(30, 90))
    assert torch.equal(itself[30:, 1:], others[30:])


def test_it_finds_the_kinds(world: World, pixels: Encoder) -> None:
    world.calm()
    method = built(pixels, world, heads=4, entropy_weight=2.0)
    losses = trained(method, world)
    method.finish(world)
    assert losses[-1] < losses[0]
    said = told(method.eval(), world.images[:60])
    assert said.probabilities.shape == (60, 3, 1, 1)
    assert adjusted_rand_score(world.kinds[:60], said.probabilities.argmax(dim=1).flatten()) > 0.9
    assert said.subheads is not None
    assert torch.equal(said.subheads[method.chosen], said.probabilities[..., 0, 0])


def test_epoch_and_head_with_the_lowest_loss_of_the_whole_set_are_kept(world: World, learner: Encoder) -> None:
    method = built(learner, world, heads=3)
    seen: list[tuple[float, int, dict[str, Tensor]]] = []

    def loss_now() -> tuple[float, int]:
        with torch.no_grad():
            told = method.eval().probabilities(world.images)
        column = torch.randint(5, (60,), generator=torch.Generator().manual_seed(0))
        losses = scan_loss(told[:, :60], told[:, method.near[torch.arange(60), column]]).loss
        return float(losses.min()), int(losses.argmin())

    for epoch, change in enumerate((0.0, 0.3, -0.5, 0.2)):
        method.begin_epoch(epoch, world)
        generator = torch.Generator().manual_seed(epoch)
        with torch.no_grad():
            for parameter in method.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=change)
        seen.append((*loss_now(), {name: value.clone() for name, value in method.state_dict().items()}))
    method.finish(world)
    _, head, state = min(seen, key=lambda item: item[0])
    assert int(method.chosen) == head
    for name, value in method.state_dict().items():
        if name.startswith(("encoder.", "heads.")):
            assert torch.equal(value, state[name]), name


def test_candidates_find_the_kinds_before_the_first_epoch(
    world: World, pixels: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    world.calm()
    method = built(pixels, world, heads=2, candidates=8)
    with caplog.at_level(logging.INFO, logger="objdisc"):
        method.begin_epoch(0, world)
    method.finish(world)
    assert "at the start" in caplog.text
    assert adjusted_rand_score(world.kinds[:60], clusters_of(method.eval(), world.images[:60])) > 0.9


def test_what_candidates_found_stays_if_training_makes_it_worse(world: World, pixels: Encoder) -> None:
    world.calm()
    method = built(pixels, world, candidates=4)
    method.begin_epoch(0, world)
    best = method.heads.weight.detach().clone()
    with torch.no_grad():
        method.heads.weight.normal_()
    method.begin_epoch(1, world)
    method.finish(world)
    assert torch.equal(method.heads.weight, best)


def test_a_kept_copy_sees_what_the_run_before_has_forgotten(world: World, learner: Encoder) -> None:
    method = built(learner, world, kept_side=4)
    forgot = {
        name: torch.zeros_like(value) for name, value in method.state_dict().items() if name.startswith("encoder.")
    }
    came_with = learner.eval()(world.images).detach().clone()
    method.start_from(forgot)
    embedded = told(method.eval(), world.images).embedding
    assert embedded.shape == (90, 256)
    torch.testing.assert_close(embedded[:, 128:], F.normalize(came_with, dim=1))
    assert not any(name.startswith("kept_copy") for name, each in method.named_parameters() if each.requires_grad)
    partners = method.begin_epoch(0, world).partners
    assert partners is not None
    assert (partners[:60] >= 0).all()


def test_what_only_training_needs_does_not_stay(world: World, pixels: Encoder) -> None:
    method = built(pixels, world)
    method.begin_epoch(0, world)
    method.finish(world)
    assert set(method.state_dict()) == set(SCAN(pixels, 3).state_dict())


def test_a_frozen_encoder_stays_as_it_is_in_weights_and_statistics(world: World, learner: Encoder) -> None:
    method = built(learner, world, freeze="encoder")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    trained(method, world, epochs=2)
    method.finish(world)
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    assert not any(parameter.requires_grad for parameter in learner.parameters())


def test_occupancy_is_of_the_chosen_head(world: World, pixels: Encoder) -> None:
    method = built(pixels, world, heads=2)
    method.begin_epoch(0, world)
    with torch.no_grad():
        method.heads.bias[1, 2] = 50
    method.chosen.fill_(1)
    assert shares_of(method.training_step(paired(world, method, torch.arange(30), 0), world)) == [0, 0, 1]


def test_identical_images_among_others_are_paired_with_each_other(world: World, pixels: Encoder) -> None:
    world.images[:10] = world.images[0].clone()
    method = built(pixels, world)
    partners = method.begin_epoch(0, world).partners
    assert partners is not None
    assert torch.equal(partners[:10, 0], torch.arange(10))
    assert (partners[:10] < 10).all()


def test_images_that_are_all_the_same_have_no_neighbours(world: World, pixels: Encoder) -> None:
    world.images[:] = 1.0
    with pytest.raises(UsageError, match="all object patches have the same features"):
        built(pixels, world).begin_epoch(0, world)


def test_fewer_objects_than_neighbours_are_a_usage_error_with_the_fix(world: World, pixels: Encoder) -> None:
    with pytest.raises(UsageError, match=r"--method\.neighbors 62: there are only 60 object patches; lower it"):
        built(pixels, world, neighbors=62).begin_epoch(0, world)


@pytest.mark.parametrize("when", ["mining", "training"])
def test_values_that_are_not_finite_stop_with_a_reason(world: World, pixels: Encoder, when: str) -> None:
    method = built(pixels, world)
    if when == "training":
        method.begin_epoch(0, world)
    world.images[3] = torch.nan
    with pytest.raises(ObjdiscError, match="not finite"):
        method.begin_epoch(int(when == "training"), world)


def test_each_epochs_loss_is_said(world: World, pixels: Encoder, caplog: pytest.LogCaptureFixture) -> None:
    method = built(pixels, world)
    with caplog.at_level(logging.INFO, logger="objdisc"):
        method.begin_epoch(0, world)
        method.begin_epoch(1, world)
        method.finish(world)
    assert "after epoch 1, lowest" in caplog.text
    assert "after the last epoch, lowest" in caplog.text


def test_the_embedding_is_of_unit_length(world: World, learner: Encoder) -> None:
    embedded = told(SCAN(learner, 3).eval(), world.images[:4]).embedding
    assert torch.allclose(embedded, F.normalize(learner(world.images[:4]), dim=1))


@pytest.mark.parametrize("wrong", [{"neighbors": 0}, {"heads": 0}, {"entropy_weight": -1.0}])
def test_numbers_out_of_range_are_usage_errors(pixels: Encoder, wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="scan: neighbors and heads start at 1"):
        SCAN(pixels, 3, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"heads": 3, "candidates": 2}, {"candidates": -1}, {"kept_side": -1}])
def test_what_goes_beyond_the_paper_has_its_ranges_too(pixels: Encoder, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"candidates|kept_side"):
        SCAN(pixels, 3, **wrong)  # type: ignore[arg-type]


def test_heads_are_plain_linear_layers(pixels: Encoder, world: World) -> None:
    method = SCAN(pixels, 3, heads=2)
    layer = nn.Linear(48, 3)
    layer.weight.data, layer.bias.data = method.heads.weight[1], method.heads.bias[1]
    expected = torch.softmax(layer(world.images.flatten(1)), dim=1)
    assert torch.allclose(method.probabilities(world.images)[1], expected, atol=1e-6)
