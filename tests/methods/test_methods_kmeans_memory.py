"""The k-means memory method: where it starts, what it optimises, what it keeps as it is."""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.clustering.kmeans import kmeans_plus_plus
from objdisc.clustering.projections import view_discriminant
from objdisc.errors import UsageError
from objdisc.methods.base import Views
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.models.origin import WeightsOrigin

if TYPE_CHECKING:
    from tests.methods.conftest import World

PAPER: dict[str, Any] = {
    "projection": "relu",
    "init": "random",
    "normalize": False,
    "prior": "uniform",
    "agreement_weight": 0.0,
    "l2_weight": 0.25,
    "count_weight": 1.0,
    "counts": "hard",
}


def method_of(encoder: Encoder, clusters: int = 3, **switches: Any) -> KMeansMemory:
    torch.manual_seed(1)
    return KMeansMemory(encoder, clusters, **{"embedding_dim": 16, "queue_size": 64, "init_views": 3} | switches)


def objects(world: "World") -> Tensor:
    return world.foreground.nonzero()[:, 0]


@torch.no_grad()
def embedded(method: KMeansMemory, world: "World") -> Tensor:
    return method.eval().embed(world.images[objects(world)])


def nearest_memory(method: KMeansMemory, points: Tensor) -> Tensor:
    return torch.cdist(points, method.memories.detach()).argmin(dim=1)


@pytest.mark.parametrize("projection", ["linear", "relu", "discriminant"])
def test_ward_starts_memories_at_the_means_of_wards_clusters(pixels: Encoder, world: "World", projection: str) -> None:
    method = method_of(pixels, projection=projection, init="ward")
    method.begin_epoch(0, world)
    points = embedded(method, world)
    clusters = AgglomerativeClustering(3, linkage="ward").fit_predict(points.numpy())
    means = {tuple(np.round(points.numpy()[clusters == k].mean(axis=0), 4)) for k in range(3)}
    assert {tuple(np.round(memory, 4)) for memory in method.memories.detach().numpy()} == means


def test_kmeans_starts_memories_at_k_means_centroids(pixels: Encoder, world: "World") -> None:
    world.calm()
    method = method_of(pixels, projection="linear", init="kmeans")
    method.begin_epoch(0, world)
    points = embedded(method, world)
    inertia = torch.cdist(points, method.memories.detach()).min(dim=1).values.square().sum()
    assert float(inertia) == pytest.approx(KMeans(3, n_init=10, random_state=0).fit(points.numpy()).inertia_, rel=0.01)


def test_kmeans_plus_plus_starts_memories_at_means_of_cells(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels, projection="linear", init="kmeans++")
    method.begin_epoch(0, world)
    points = embedded(method, world)
    seeds = kmeans_plus_plus(points, 3, torch.Generator().manual_seed(0))
    cells = {tuple(cell.tolist()) for cell in F.one_hot(torch.cdist(points, seeds).argmin(dim=1), 3).T}
    means = [points[torch.tensor(cell).bool()].mean(dim=0) for cell in cells]
    nearest_mean = torch.cdist(method.memories.detach(), torch.stack(means)).min(dim=1).values
    assert len(cells) == 3
    assert float(nearest_mean.max()) < 0.5


def test_a_stack_of_views_is_projected_view_by_view(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels)
    views = torch.stack([world.view(objects(world), view).flatten(1) for view in range(3)])
    each = torch.stack([method.project(view) for view in views])
    torch.testing.assert_close(method.project(views), each)


def test_random_memories_stay_what_the_constructor_drew(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels, **PAPER)
    before = method.memories.detach().clone()
    method.begin_epoch(0, world)
    assert torch.equal(method.memories.detach(), before)


def test_initialisation_happens_once(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels)
    method.begin_epoch(0, world)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    world.seen.clear()
    method.begin_epoch(1, world)
    assert world.seen == []
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_the_discriminant_finds_the_kinds_that_raw_pixels_hide(pixels: Encoder, world: "World") -> None:
    kinds = world.kinds[objects(world)]
    raw = AgglomerativeClustering(3, linkage="ward").fit_predict(world.images[objects(world)].flatten(1).numpy())
    method = method_of(pixels)
    method.begin_epoch(0, world)
    found = nearest_memory(method, embedded(method, world))
    assert adjusted_rand_score(kinds, found) > 0.95
    assert adjusted_rand_score(kinds, raw) < 0.6


def test_the_number_of_directions_is_the_one_whose_clusters_views_change_least(pixels: Encoder, world: "World") -> None:
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


def test_few_patches_do_not_blow_noise_up(pixels: Encoder, world: "World") -> None:
    world.foreground = torch.arange(90) < 5
    method = method_of(pixels)
    method.begin_epoch(0, world)
    assert float(method.embedding.weight.detach().abs().max()) < 1000
    assert len(set(nearest_memory(method, embedded(method, world)).tolist())) == 3


def test_identical_patches_give_finite_weights_and_losses(pixels: Encoder, world: "World") -> None:
    world.images = torch.ones_like(world.images)
    method = method_of(pixels)
    method.begin_epoch(0, world)
    loss = method.train()(world.batch(torch.arange(40, 80)))["loss"]
    torch.autograd.backward(loss)
    assert all(bool(torch.isfinite(value).all()) for value in method.state_dict().values())
    assert bool(torch.isfinite(loss))


@pytest.mark.parametrize("init", ["ward", "random"])
def test_fewer_objects_than_clusters_are_an_error(pixels: Encoder, world: "World", init: str) -> None:
    world.foreground = torch.arange(90) < 4
    with pytest.raises(UsageError, match=r"--num-clusters 5: there are only 4 foreground patches"):
        method_of(pixels, 5, init=init).begin_epoch(0, world)


def test_one_cluster_is_an_error(pixels: Encoder) -> None:
    with pytest.raises(UsageError, match=r"--num-clusters 1: at least 2"):
        method_of(pixels, 1)


def test_fewer_clusters_than_stay_are_an_error(pixels: Encoder) -> None:
    with pytest.raises(UsageError, match=r"init_finer 0: give 1"):
        method_of(pixels, init_finer=0)


def test_more_discriminant_directions_than_features_are_an_error(pixels: Encoder) -> None:
    with pytest.raises(UsageError, match=r"embedding_dim 49: the encoder has 48 features"):
        method_of(pixels, embedding_dim=49)


def test_the_initial_prior_holds_the_shares_of_the_first_clusters(pixels: Encoder, world: "World") -> None:
    world.foreground = (torch.arange(90) < 60) & ((world.kinds == 0) | (torch.arange(90) < 20))
    method = method_of(pixels)
    method.begin_epoch(0, world)
    shares = torch.bincount(nearest_memory(method, embedded(method, world)), minlength=3) / len(objects(world))
    torch.testing.assert_close(method.cluster_prior, shares)
    assert float(shares.max() - shares.min()) > 0.2
    uniform = method_of(pixels, prior="uniform")
    uniform.begin_epoch(0, world)
    torch.testing.assert_close(uniform.cluster_prior, torch.full((3,), 1 / 3))


def test_a_memory_that_starts_empty_is_expected_to_get_a_sample_at_least(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels, 6, init="random", projection="linear", prior="initial")
    with torch.no_grad():
        method.memories[1:] = 50
    method.begin_epoch(0, world)
    assert float(method.cluster_prior.min()) == pytest.approx(1 / 65)
    assert float(method.cluster_prior.sum()) == pytest.approx(1)
    assert float(method(world.batch(torch.arange(60)))["count"]) < 20


def test_the_papers_switches_give_equation_5(pixels: Encoder, world: "World") -> None:
    """Written out anew: eq. 1 + 0.25 eq. L2 + eq. 3 + cross-entropy of the foreground."""
    method = method_of(pixels, **PAPER).train()
    method.begin_epoch(0, world)
    rows = torch.arange(40, 80)
    batch = world.batch(rows)
    terms = method(batch)
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


def test_l2_covers_memories_or_all_weights(pixels: Encoder, world: "World") -> None:
    for covered in ("memories", "all"):
        method = method_of(pixels, l2_on=covered)
        weights = [method.memories] if covered == "memories" else list(method.parameters())
        expected = sum(float(weight.detach().square().sum()) for weight in weights)
        assert float(method(world.batch(torch.arange(20)))["l2"]) == pytest.approx(expected, rel=1e-5)


def test_dead_memories_move_to_the_farthest_samples(
    pixels: Encoder, world: "World", caplog: pytest.LogCaptureFixture
) -> None:
    method = method_of(pixels)
    method.begin_epoch(0, world)
    with torch.no_grad():
        method.memories[1] = 30.0
    method.train()(world.batch(torch.arange(50)))
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


def test_occupancy_is_the_share_of_each_memory_in_the_epoch(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels).train()
    method.begin_epoch(0, world)
    winners = []
    for rows in (torch.arange(0, 30), torch.arange(30, 70)):
        batch = world.batch(rows)
        with torch.no_grad():
            winners += nearest_memory(method, method.embed(batch.views[0][batch.foreground])).tolist()
        method(batch)
    expected = torch.bincount(torch.tensor(winners), minlength=3) / 60
    torch.testing.assert_close(method.occupancy(), expected)


def test_the_queue_holds_the_latest_objects_first(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels, queue_size=32).train()
    for rows in (torch.arange(0, 20), torch.arange(20, 45)):
        method(world.batch(rows))
    with torch.no_grad():
        latest, before = (method.embed(world.view(rows, 0)) for rows in (torch.arange(20, 45), torch.arange(0, 20)))
    torch.testing.assert_close(method.queue, torch.cat([latest, before])[:32])
    assert int(method.queue_filled) == 32


def test_agreement_asks_for_pairs_and_trains_the_embedding(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels, agreement_weight=1.0, kmeans_weight=0.0, count_weight=0.0, foreground_weight=0.0).train()
    method.begin_epoch(0, world)
    assert method.views is Views.AUGMENTED_PAIR
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for _ in range(30):
        loss = method(world.batch(torch.arange(60), num_views=2))["loss"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_a_batch_without_objects_trains_the_head_alone(pixels: Encoder, world: "World") -> None:
    for switches in ({}, {"agreement_weight": 1.0}, {"projection": "batchnorm"}, PAPER | {"l2_weight": 0.0}):
        method = method_of(pixels, **switches).train()
        method.begin_epoch(0, world)
        pairs = 2 if switches.get("agreement_weight") else 1
        terms = method(world.batch(torch.arange(60, 90), num_views=pairs))
        torch.autograd.backward(terms["loss"])
        assert terms["loss"].item() == pytest.approx(terms["foreground"].item())
        assert method.head.weight.grad is not None
        assert method.memories.grad is None or not method.memories.grad.any()


def train_a_little(method: KMeansMemory, world: "World") -> None:
    method.begin_epoch(0, world)
    method.train()
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(method(world.batch(torch.arange(30, 75)))["loss"])
        optimizer.step()


def test_a_frozen_encoder_stays_bit_identical_and_gets_no_gradient(learner: Encoder, world: "World") -> None:
    learner.origin = WeightsOrigin("file", "some")
    method = method_of(learner, freeze="encoder")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    train_a_little(method, world)
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    assert all(parameter.grad is None for parameter in learner.parameters())
    assert not learner.training


def test_frozen_batchnorm_keeps_its_statistics_while_weights_learn(learner: Encoder, world: "World") -> None:
    learner.origin = WeightsOrigin("file", "some")
    method = method_of(learner, freeze="batchnorm")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    train_a_little(method, world)
    changed = {name for name, value in learner.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in changed if "running" in name or "num_batches" in name}
    assert "body.0.weight" in changed


def test_an_encoder_with_random_weights_always_learns(learner: Encoder, world: "World") -> None:
    method = method_of(learner, freeze="encoder")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    train_a_little(method, world)
    assert method.freeze == "nothing"
    kept = {name for name, value in learner.state_dict().items() if torch.equal(value, before[name])}
    assert kept <= {"body.0.bias"}  # batch normalisation takes a bias before it away again


def test_every_buffer_is_there_before_a_checkpoint_is_loaded(learner: Encoder, world: "World") -> None:
    trained = method_of(learner)
    train_a_little(trained, world)
    fresh = KMeansMemory(Encoder(nn.Sequential(*learner.body.children()), 128), 3, embedding_dim=16, queue_size=64)
    fresh.setup(len(world.images))
    fresh.load_state_dict(trained.state_dict())
    assert bool(fresh.initialised)
    assert {name: value.shape for name, value in fresh.state_dict().items()} == {
        name: value.shape for name, value in trained.state_dict().items()
    }


@pytest.mark.parametrize("switches", [{}, PAPER])
def test_predictions_are_distributions_with_their_peak_at_the_nearest_memory(
    pixels: Encoder, world: "World", switches: dict[str, Any]
) -> None:
    method = method_of(pixels, **switches).eval()
    method.begin_epoch(0, world)
    with torch.no_grad():
        probabilities = method.predict(world.images)
        assert probabilities.shape == (90, 3, 1, 1)
        torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(90, 1, 1))
        assert torch.equal(probabilities[:, :, 0, 0].argmax(1), nearest_memory(method, method.embed(world.images)))
        alone = torch.cat([method.predict(image[None]) for image in world.images[:10]])
    torch.testing.assert_close(alone, probabilities[:10], msg="a patch's answer depends on the patches beside it")


def test_predictions_under_autocast_are_those_of_float32_distances(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels).eval()
    method.begin_epoch(0, world)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        inside, likely = method.predict(world.images), method.foreground_probability(world.images)
    with torch.no_grad():
        assert torch.equal(inside, method.predict(world.images))
        assert torch.equal(likely, method.foreground_probability(world.images))


def test_batch_normalised_embeddings_spread_over_all_directions(learner: Encoder, world: "World") -> None:
    """An encoder with random weights gives nearly the same vector for everything."""
    rows = objects(world)
    spreads = {}
    for projection in ("linear", "batchnorm"):
        method = method_of(learner, projection=projection).train()
        cosines = (embedding := method.embed(world.images[rows]).detach()) @ embedding.T
        spreads[projection] = 1 - float(cosines.mean())
    assert spreads["batchnorm"] > 0.9
    assert spreads["linear"] < 0.5


def test_normalised_embeddings_have_unit_length(pixels: Encoder, world: "World") -> None:
    method = method_of(pixels)
    method.begin_epoch(0, world)
    torch.testing.assert_close(embedded(method, world).norm(dim=1), torch.ones(60))
