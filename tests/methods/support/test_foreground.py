"""The foreground head: what it learns from, and that it cannot cheat."""

import pytest
import torch
from torch.nn import functional as F

from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.models.origin import WeightsOrigin
from objdisc.types import Batch

from ..conftest import World, told


def test_terms_are_cross_entropy_and_accuracy_of_a_logistic_regression(pixels: Encoder, world: World) -> None:
    method = KMeansBaseline(pixels, 3)
    batch = world.batch(torch.arange(40, 80))
    terms = method.foreground_terms(batch.context.flatten(1), batch)
    likely = told(method, batch.context).foreground
    assert likely is not None
    torch.testing.assert_close(terms["foreground"], F.binary_cross_entropy(likely, batch.foreground.float()))
    assert terms["foreground_accuracy"].item() == float(((likely > 0.5) == batch.foreground).float().mean())


def test_the_head_learns_from_objects_in_their_surroundings_not_from_blanked_ones(
    pixels: Encoder, world: World
) -> None:
    """Views are blanked for objects only, which would give away what is an object; context is the same for both."""
    rows = torch.arange(40, 80)
    whole = world.view(rows, 0)
    blanked = whole * ~world.foreground[rows][:, None, None, None]
    torch.manual_seed(0)
    method = KMeansMemory(pixels, 3, embedding_dim=8).train()
    seen = method(Batch((blanked,), rows, world.foreground[rows], whole), world)["foreground"]
    logits = method.head(whole.flatten(1))[:, 0]
    torch.testing.assert_close(
        seen, F.binary_cross_entropy_with_logits(logits, world.foreground[rows].float()).detach()
    )


def test_one_pass_over_shared_views_equals_two_over_equal_ones(pixels: Encoder, world: World) -> None:
    """With backgrounds kept, context is the first view itself and is encoded once."""
    rows = torch.arange(40, 80)
    shared = world.batch(rows, num_views=2)
    copied = Batch(shared.views, rows, shared.foreground, shared.context.clone())
    losses = []
    for batch in (shared, copied):
        torch.manual_seed(0)
        method = KMeansMemory(pixels, 3, embedding_dim=8, agreement_weight=1.0).train()
        losses.append(method(batch, world)["loss"])
    torch.testing.assert_close(losses[0], losses[1])


def test_a_frozen_encoder_takes_a_large_batch_in_pieces(
    pixels: Encoder, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels.origin = WeightsOrigin("file", "none")  # pretrained, so frozen by default
    method = KMeansBaseline(pixels, 3).train()
    batch = world.batch(torch.arange(40, 80))
    whole = method(batch, world)
    sizes: list[int] = []
    pixels.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    monkeypatch.setattr("objdisc.methods.support.foreground.PIXELS_AT_ONCE", 7 * batch.context[0, 0].numel())
    for name, term in method(batch, world).items():
        torch.testing.assert_close(term, whole[name])
    assert max(sizes) == 7


def test_without_background_no_head_is_learned_and_none_after_loading(pixels: Encoder, world: World) -> None:
    rows = torch.arange(40)
    method = KMeansBaseline(pixels, 3)
    seen = world.batch(rows[world.foreground[rows]])
    everything = world.foreground.clone()
    world.foreground.fill_(True)
    try:
        method.begin_epoch(0, world)
    finally:
        world.foreground.copy_(everything)
    assert method.foreground_terms(seen.context.flatten(1), seen).keys() == {"foreground"}
    assert told(method, seen.context).foreground is None
    loaded = KMeansBaseline(pixels, 3)
    loaded.load_state_dict(method.state_dict())
    assert told(loaded, seen.context).foreground is None
    loaded.begin_epoch(0, world)
    assert told(loaded, seen.context).foreground is not None, "a training with background learns one"
