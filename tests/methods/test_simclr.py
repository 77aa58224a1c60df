"""SimCLR: it learns what views share, and k-means clusters that."""

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional as F

from objdisc.errors import UsageError
from objdisc.losses.contrastive import info_nce
from objdisc.methods.base import Views
from objdisc.methods.simclr import SimCLR
from objdisc.models.encoder import Encoder

from .conftest import World, told


def test_the_loss_is_infonce_of_the_projected_views_of_objects(world: World, pixels: Encoder) -> None:
    method = SimCLR(pixels, 3, hidden=8, embedding_dim=4)
    batch = world.batch(torch.arange(50, 70), num_views=2)
    layers = [layer for layer in method.projection if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(48, 8), (8, 4)]
    first, second = (method.projection(view[:10].flatten(1)) for view in batch.views)
    assert torch.allclose(method.training_step(batch, world)["loss"], info_nce(first, second, 0.1))


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
        loss = method.training_step(type(batch)(views, rows, batch.foreground, views[0]), world)["loss"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0]


def test_it_predicts_by_k_means_on_features_of_unit_length(world: World, pixels: Encoder) -> None:
    world.calm()
    method = SimCLR(pixels, 3)
    method.finish(world)
    points = F.normalize(world.images[:60].flatten(1), dim=1)
    expected = KMeans(3, n_init=10, random_state=0).fit(points).predict(points)
    predicted = told(method, world.images[:60]).probabilities
    assert predicted.shape == (60, 3, 1, 1)
    assert torch.allclose(predicted.sum(dim=1), torch.ones(60, 1, 1))
    assert adjusted_rand_score(expected, predicted.argmax(dim=1).flatten()) == pytest.approx(1)
    assert torch.allclose(method.embed(world.images[:9]).norm(dim=1), torch.ones(9))


def test_partners_are_the_nearest_mined_again_when_the_encoder_has_moved(world: World, learner: Encoder) -> None:
    method = SimCLR(learner, 3, neighbors=4, mining_period=2)
    method.setup(len(world.images))
    assert method.views is Views.NEIGHBOR_PAIR
    expected, mined = [], []
    for epoch in range(3):
        method.begin_epoch(epoch, world)
        mined.append(method.near.clone())
        expected.append(near_by_cosine(method, world))
        with torch.no_grad():
            for weight in learner.parameters():
                weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(epoch)))
    assert not torch.equal(expected[0], expected[2])
    for epoch, when in ((0, 0), (1, 0), (2, 2)):
        assert torch.equal(mined[epoch][:60], expected[when])
        assert (mined[epoch][60:] == -1).all()


def near_by_cosine(method: SimCLR, world: World) -> Tensor:
    with torch.no_grad():
        points = method.embed(world.images[:60])
    return torch.from_numpy(NearestNeighbors(n_neighbors=4, metric="cosine").fit(points).kneighbors(points)[1])


def test_a_kept_copy_takes_part_in_mining_alone(world: World, pixels: Encoder) -> None:
    plain, beside = SimCLR(pixels, 3, neighbors=4), SimCLR(pixels, 3, neighbors=4, kept_side=2)
    for method in (plain, beside):
        method.setup(len(world.images))
        method.begin_epoch(0, world)
        method.finish(world)
    assert beside.kept_copy is not None
    assert torch.equal(plain.embed(world.images), beside.embed(world.images))
    assert torch.equal(plain.centroids, beside.centroids)


def test_neighbours_are_not_kept_with_the_weights(world: World, pixels: Encoder) -> None:
    names = {}
    for neighbors in (0, 4):
        method = SimCLR(pixels, 3, neighbors=neighbors)
        method.setup(len(world.images))
        assert (method.begin_epoch(0, world).partners is None) == (neighbors == 0)
        method.finish(world)
        names[neighbors] = set(method.state_dict())
    assert names[0] == names[4]


def test_too_few_objects_and_numbers_out_of_range_are_usage_errors(world: World, pixels: Encoder) -> None:
    with pytest.raises(UsageError, match="there are only 60 foreground patches"):
        SimCLR(pixels, 61).finish(world)
    with pytest.raises(UsageError, match="temperature is above 0"):
        SimCLR(pixels, 3, temperature=0)
    for wrong in ({"neighbors": -1}, {"mining_period": 0}, {"kept_side": 8}):
        with pytest.raises(
            UsageError, match="neighbors starts at 0, mining_period at 1, and kept_side wants neighbors"
        ):
            SimCLR(pixels, 3, **wrong)
    method = SimCLR(pixels, 3, neighbors=62)
    method.setup(len(world.images))
    with pytest.raises(UsageError, match="there are only 60 object patches"):
        method.begin_epoch(0, world)
