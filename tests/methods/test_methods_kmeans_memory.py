"""The k-means memory method: what it optimises, and what it predicts."""

import logging
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from objdisc.methods.base import Views
from objdisc.models.encoder import Encoder

from ..support.kmeans_memory import PAPER, embedded, method_of, nearest_memory, objects
from .conftest import World, told


def test_a_stack_of_views_is_projected_view_by_view(pixels: Encoder, world: World) -> None:
    method = method_of(pixels)
    views = torch.stack([world.view(objects(world), view).flatten(1) for view in range(3)])
    each = torch.stack([method.project(view) for view in views])
    torch.testing.assert_close(method.project(views), each)


def test_the_papers_switches_give_equation_5(pixels: Encoder, world: World) -> None:
    """Written out anew: eq. 1 + 0.25 eq. L2 + eq. 3 + cross-entropy of the foreground."""
    method = method_of(pixels, **PAPER).train()
    method.begin_epoch(0, world)
    rows = torch.arange(40, 80)
    batch = world.batch(rows)
    terms = method(batch, world)
    x = np.maximum(
        batch.views[0][batch.foreground].flatten(1).numpy() @ method.embedding.weight.detach().numpy().T
        + method.embedding.bias.detach().numpy(),
        0,
    )
    w = method.memories.detach().numpy()
    distances = ((x[:, None] - w) ** 2).sum(axis=2)
    counts = np.bincount(distances.argmin(axis=1), minlength=3)
    pairs = sum(abs(counts[k] - counts[j]) for k in range(3) for j in range(k, 3)) / (20 * 3)
    logits = (batch.context.flatten(1) @ method.head.weight.T + method.head.bias)[:, 0]
    foreground = F.binary_cross_entropy(torch.sigmoid(logits), batch.foreground.float())
    expected = distances.min(axis=1).mean() / 2 + 0.25 * (w**2).sum() + pairs + foreground.item()
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-4)
    assert method.views is Views.SINGLE


def test_l2_covers_memories_or_all_weights(pixels: Encoder, world: World) -> None:
    for covered in ("memories", "all"):
        method = method_of(pixels, l2_on=covered)
        weights = [method.memories] if covered == "memories" else list(method.parameters())
        expected = sum(float(weight.detach().square().sum()) for weight in weights)
        assert float(method(world.batch(torch.arange(20)), world)["l2"]) == pytest.approx(expected, rel=1e-5)


def test_dead_memories_move_to_the_farthest_samples(
    pixels: Encoder, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    method = method_of(pixels)
    method.begin_epoch(0, world)
    with torch.no_grad():
        method.memories[1] = 30.0
    method.train()(world.batch(torch.arange(50)), world)
    assert float(method.wins[1]) == 0
    queue = method.queue[:50]
    alive = method.memories.detach()[[0, 2]]
    expected = queue[torch.cdist(queue, alive).min(dim=1).values.argmax()]
    with caplog.at_level(logging.WARNING, logger="objdisc"):
        method.begin_epoch(1, world)
    torch.testing.assert_close(method.memories.detach()[1], expected)
    torch.testing.assert_close(method.memories.detach()[[0, 2]], alive)
    assert "memory units [1] won no sample" in caplog.text
    assert not method.wins.any()


def test_occupancy_counts_what_each_memory_wins_in_a_batch(pixels: Encoder, world: World) -> None:
    method = method_of(pixels).train()
    method.begin_epoch(0, world)
    total = torch.zeros(3)
    for rows, count in ((torch.arange(0, 30), 30), (torch.arange(30, 70), 30)):
        batch = world.batch(rows)
        with torch.no_grad():
            winners = nearest_memory(method, told(method, batch.views[0][batch.foreground]).embedding)
        occupancy = method(batch, world)["occupancy"]
        assert occupancy.tolist() == torch.bincount(winners, minlength=3).tolist()
        assert int(occupancy.sum()) == count
        total += occupancy
    torch.testing.assert_close(method.wins, total)


def test_the_queue_holds_the_latest_objects_first(pixels: Encoder, world: World) -> None:
    method = method_of(pixels, queue_size=32).train()
    for rows in (torch.arange(0, 20), torch.arange(20, 45)):
        method(world.batch(rows), world)
    with torch.no_grad():
        latest, before = (
            told(method, world.view(rows, 0)).embedding for rows in (torch.arange(20, 45), torch.arange(0, 20))
        )
    torch.testing.assert_close(method.queue, torch.cat([latest, before])[:32])
    assert int(method.queue_filled) == 32


def test_agreement_asks_for_pairs_and_trains_the_embedding(pixels: Encoder, world: World) -> None:
    method = method_of(pixels, agreement_weight=1.0, kmeans_weight=0.0, count_weight=0.0, foreground_weight=0.0).train()
    method.begin_epoch(0, world)
    assert method.views is Views.AUGMENTED_PAIR
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for _ in range(30):
        loss = method(world.batch(torch.arange(60), num_views=2), world)["loss"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_a_batch_without_objects_trains_the_head_alone(pixels: Encoder, world: World) -> None:
    for switches in ({}, {"agreement_weight": 1.0}, {"projection": "batchnorm"}, PAPER | {"l2_weight": 0.0}):
        method = method_of(pixels, **switches).train()
        method.begin_epoch(0, world)
        pairs = 2 if switches.get("agreement_weight") else 1
        terms = method(world.batch(torch.arange(60, 90), num_views=pairs), world)
        torch.autograd.backward(terms["loss"])
        assert terms["loss"].item() == pytest.approx(terms["foreground"].item())
        assert method.head.weight.grad is not None
        assert method.memories.grad is None or not method.memories.grad.any()


@pytest.mark.parametrize("switches", [{}, PAPER])
def test_predictions_are_distributions_with_their_peak_at_the_nearest_memory(
    pixels: Encoder, world: World, switches: dict[str, Any]
) -> None:
    method = method_of(pixels, **switches).eval()
    method.begin_epoch(0, world)
    with torch.no_grad():
        said = told(method, world.images)
        probabilities = said.probabilities
        assert probabilities.shape == (90, 3, 1, 1)
        torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(90, 1, 1))
        assert torch.equal(probabilities[:, :, 0, 0].argmax(1), nearest_memory(method, said.embedding))
        alone = torch.cat([told(method, image[None]).probabilities for image in world.images[:10]])
    torch.testing.assert_close(alone, probabilities[:10], msg="a patch's prediction depends on the patches beside it")


def test_predictions_under_autocast_are_those_of_float32_distances(pixels: Encoder, world: World) -> None:
    method = method_of(pixels).eval()
    method.begin_epoch(0, world)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        inside = told(method, world.images)
    with torch.no_grad():
        outside = told(method, world.images)
    assert torch.equal(inside.probabilities, outside.probabilities)
    assert inside.foreground is not None
    assert outside.foreground is not None
    assert torch.equal(inside.foreground, outside.foreground)


def test_batch_normalised_embeddings_spread_over_all_directions(learner: Encoder, world: World) -> None:
    """An encoder with random weights gives nearly the same vector for everything."""
    rows = objects(world)
    spreads = {}
    for projection in ("linear", "batchnorm"):
        method = method_of(learner, projection=projection).train()
        cosines = (embedding := told(method, world.images[rows]).embedding.detach()) @ embedding.T
        spreads[projection] = 1 - float(cosines.mean())
    assert spreads["batchnorm"] > 0.9
    assert spreads["linear"] < 0.5


def test_normalised_embeddings_have_unit_length(pixels: Encoder, world: World) -> None:
    method = method_of(pixels)
    method.begin_epoch(0, world)
    torch.testing.assert_close(embedded(method, world).norm(dim=1), torch.ones(60))
