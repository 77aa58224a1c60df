"""SimCLR: it learns what views share, and k-means on that answers."""

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from torch.nn import functional as F

from objdisc.errors import UsageError
from objdisc.losses.contrastive import info_nce
from objdisc.methods.simclr import SimCLR
from objdisc.models.encoder import Encoder

from .conftest import World


def test_the_loss_is_infonce_of_the_projected_views_of_objects(world: World, pixels: Encoder) -> None:
    method = SimCLR(pixels, 3, hidden=8, embedding_dim=4)
    batch = world.batch(torch.arange(50, 70), num_views=2)
    layers = [layer for layer in method.projection if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(48, 8), (8, 4)]
    first, second = (method.projection(view[:10].flatten(1)) for view in batch.views)
    assert torch.allclose(method.training_step(batch)["loss"], info_nce(first, second, 0.1))


def test_it_learns_to_tell_the_kinds_apart_in_spite_of_pixels_that_say_nothing(world: World, learner: Encoder) -> None:
    method = SimCLR(learner, 3, temperature=0.5)
    optimizer = torch.optim.Adam(method.parameters(), 1e-3)
    losses = []
    for step in range(60):
        method.train()
        generator = torch.Generator().manual_seed(step)
        rows = torch.randperm(60, generator=generator)[:30]
        views = tuple(world.view(rows, 2 * step + view) for view in range(2))
        batch = world.batch(rows, num_views=2)
        loss = method.training_step(type(batch)(views, rows, batch.foreground, views[0]))["loss"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0]


def test_it_answers_with_k_means_on_features_of_unit_length(world: World, pixels: Encoder) -> None:
    world.calm()
    method = SimCLR(pixels, 3)
    method.finish(world)
    points = F.normalize(world.images[:60].flatten(1), dim=1)
    expected = KMeans(3, n_init=10, random_state=0).fit(points).predict(points)
    answered = method.predict(world.images[:60])
    assert answered.shape == (60, 3, 1, 1)
    assert torch.allclose(answered.sum(dim=1), torch.ones(60, 1, 1))
    assert adjusted_rand_score(expected, answered.argmax(dim=1).flatten()) == pytest.approx(1)
    assert torch.allclose(method.embed(world.images[:9]).norm(dim=1), torch.ones(9))


def test_too_few_objects_and_numbers_out_of_range_are_usage_errors(world: World, pixels: Encoder) -> None:
    with pytest.raises(UsageError, match="there are only 60 foreground patches"):
        SimCLR(pixels, 61).finish(world)
    with pytest.raises(UsageError, match="temperature is above 0"):
        SimCLR(pixels, 3, temperature=0)
