"""The k-means memory method: where its memories, its projection and its prior start."""

import numpy as np
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from torch.nn import functional as F

from objdisc.clustering.kmeans import kmeans_plus_plus
from objdisc.clustering.projections import view_discriminant
from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder

from ..support.kmeans_memory import PAPER, embedded, method_of, nearest_memory, objects
from .conftest import World


@pytest.mark.parametrize("projection", ["linear", "relu", "discriminant"])
def test_ward_starts_memories_at_the_means_of_wards_clusters(pixels: Encoder, world: World, projection: str) -> None:
    method = method_of(pixels, projection=projection, init="ward")
    method.begin_epoch(0, world)
    points = embedded(method, world)
    clusters = AgglomerativeClustering(3, linkage="ward").fit_predict(points.numpy())
    means = {tuple(np.round(points.numpy()[clusters == k].mean(axis=0), 4)) for k in range(3)}
    assert {tuple(np.round(memory, 4)) for memory in method.memories.detach().numpy()} == means


def test_kmeans_starts_memories_at_k_means_centroids(pixels: Encoder, world: World) -> None:
    world.calm()
    method = method_of(pixels, projection="linear", init="kmeans")
    method.begin_epoch(0, world)
    points = embedded(method, world)
    inertia = torch.cdist(points, method.memories.detach()).min(dim=1).values.square().sum()
    assert float(inertia) == pytest.approx(KMeans(3, n_init=10, random_state=0).fit(points.numpy()).inertia_, rel=0.01)


def test_kmeans_plus_plus_starts_memories_at_means_of_cells(pixels: Encoder, world: World) -> None:
    method = method_of(pixels, projection="linear", init="kmeans++")
    method.begin_epoch(0, world)
    points = embedded(method, world)
    seeds = kmeans_plus_plus(points, 3, torch.Generator().manual_seed(0))
    cells = {tuple(cell.tolist()) for cell in F.one_hot(torch.cdist(points, seeds).argmin(dim=1), 3).T}
    means = [points[torch.tensor(cell).bool()].mean(dim=0) for cell in cells]
    nearest_mean = torch.cdist(method.memories.detach(), torch.stack(means)).min(dim=1).values
    assert len(cells) == 3
    assert float(nearest_mean.max()) < 0.5


def test_random_memories_stay_what_the_constructor_drew(pixels: Encoder, world: World) -> None:
    method = method_of(pixels, **PAPER)
    before = method.memories.detach().clone()
    method.begin_epoch(0, world)
    assert torch.equal(method.memories.detach(), before)


def test_initialisation_happens_once(pixels: Encoder, world: World) -> None:
    method = method_of(pixels)
    method.begin_epoch(0, world)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    world.seen.clear()
    method.begin_epoch(1, world)
    assert world.seen == []
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_the_discriminant_finds_the_kinds_that_raw_pixels_hide(pixels: Encoder, world: World) -> None:
    kinds = world.kinds[objects(world)]
    raw = AgglomerativeClustering(3, linkage="ward").fit_predict(world.images[objects(world)].flatten(1).numpy())
    method = method_of(pixels)
    method.begin_epoch(0, world)
    found = nearest_memory(method, embedded(method, world))
    assert adjusted_rand_score(kinds, found) > 0.95
    assert adjusted_rand_score(kinds, raw) < 0.6


def test_the_number_of_directions_is_the_one_whose_clusters_views_change_least(pixels: Encoder, world: World) -> None:
    method = method_of(pixels, embedding_dim=20)
    method.begin_epoch(0, world)
    rows = objects(world)
    unit = F.normalize(world.images[rows].flatten(1), dim=1)
    views = torch.stack([F.normalize(world.view(rows, view).flatten(1), dim=1) for view in range(3)])
    weight, bias = view_discriminant(views, 20)
    stability = {}
    for dim in (8, 10, 12, 14, 16, 20):
        points, seen = (F.normalize(x @ weight[:dim].T + bias[:dim], dim=-1).numpy() for x in (unit, views))
        ward = AgglomerativeClustering(3, linkage="ward").fit_predict(points)
        means = np.stack([points[ward == k].mean(axis=0) for k in range(3)])
        winners = np.linalg.norm(points[:, None] - means, axis=2).argmin(axis=1)
        others = [np.linalg.norm(view[:, None] - means, axis=2).argmin(axis=1) for view in seen]
        stability[dim] = np.mean([adjusted_rand_score(winners, other) for other in others])
    chosen = int((method.embedding.weight.norm(dim=1) > 0).sum())
    assert chosen == max(stability, key=lambda dim: stability[dim])
    torch.testing.assert_close(method.embedding.weight.detach()[:chosen], weight[:chosen])


def test_few_patches_do_not_blow_noise_up(pixels: Encoder, world: World) -> None:
    world.foreground = torch.arange(90) < 5
    method = method_of(pixels)
    method.begin_epoch(0, world)
    assert float(method.embedding.weight.detach().abs().max()) < 1000
    assert len(set(nearest_memory(method, embedded(method, world)).tolist())) == 3


def test_identical_patches_give_finite_weights_and_losses(pixels: Encoder, world: World) -> None:
    world.images = torch.ones_like(world.images)
    method = method_of(pixels)
    method.begin_epoch(0, world)
    loss = method.train()(world.batch(torch.arange(40, 80)), world)["loss"]
    torch.autograd.backward(loss)
    assert all(bool(torch.isfinite(value).all()) for value in method.state_dict().values())
    assert bool(torch.isfinite(loss))


@pytest.mark.parametrize("init", ["ward", "random"])
def test_fewer_objects_than_clusters_are_an_error(pixels: Encoder, world: World, init: str) -> None:
    world.foreground = torch.arange(90) < 4
    with pytest.raises(UsageError, match=r"--num-clusters 5: there are only 4 foreground patches"):
        method_of(pixels, 5, init=init).begin_epoch(0, world)


def test_fewer_clusters_than_stay_are_an_error(pixels: Encoder) -> None:
    with pytest.raises(UsageError, match=r"init_finer 0: give 1"):
        method_of(pixels, init_finer=0)


def test_more_discriminant_directions_than_features_are_an_error(pixels: Encoder) -> None:
    with pytest.raises(UsageError, match=r"embedding_dim 49: the encoder has 48 features"):
        method_of(pixels, embedding_dim=49)


def test_the_initial_prior_holds_the_shares_of_the_first_clusters(pixels: Encoder, world: World) -> None:
    world.foreground = (torch.arange(90) < 60) & ((world.kinds == 0) | (torch.arange(90) < 20))
    method = method_of(pixels)
    method.begin_epoch(0, world)
    shares = torch.bincount(nearest_memory(method, embedded(method, world)), minlength=3) / len(objects(world))
    torch.testing.assert_close(method.cluster_prior, shares)
    assert float(shares.max() - shares.min()) > 0.2
    uniform = method_of(pixels, prior="uniform")
    uniform.begin_epoch(0, world)
    torch.testing.assert_close(uniform.cluster_prior, torch.full((3,), 1 / 3))


def test_a_memory_that_starts_empty_is_expected_to_get_a_sample_at_least(pixels: Encoder, world: World) -> None:
    method = method_of(pixels, 6, init="random", projection="linear", prior="initial")
    with torch.no_grad():
        method.memories[1:] = 50
    method.begin_epoch(0, world)
    assert float(method.cluster_prior.min()) == pytest.approx(1 / 65)
    assert float(method.cluster_prior.sum()) == pytest.approx(1)
    assert float(method(world.batch(torch.arange(60)), world)["count"]) < 20
