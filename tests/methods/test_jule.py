"""JULE: clusters merge in periods, the network learns from them, and two assignments are made."""

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from objdisc.clustering.agglomerative import GraphDegreeLinkage
from objdisc.errors import UsageError
from objdisc.methods.jule import JULE
from objdisc.methods.support.triplet_rows import lay_out_triplets
from objdisc.models.encoder import Encoder
from objdisc.types import Batch

from .conftest import World, clusters_of, shares_of, told


def started(encoder: Encoder, world: World, **settings: object) -> JULE:
    method = JULE(encoder, 3, neighbors=6, **settings)  # type: ignore[arg-type]
    method.setup(90)
    method.begin_epoch(0, world)
    return method


def test_starts_from_many_clusters_of_pixels(pixels: Encoder, world: World) -> None:
    method = started(pixels, world)
    assert 5 < method.clusters_left < 30
    assert (method.clusters[60:] == -1).all(), "background is in none"
    assert sorted(set(method.clusters[:60].tolist())) == list(range(method.clusters_left))


def test_each_period_merges_its_share_until_k_are_left(learner: Encoder, world: World) -> None:
    method = started(learner, world, period_epochs=2, eta=0.5)
    before, left = method.clusters_left, []
    for epoch in range(1, 13):
        method.begin_epoch(epoch, world)
        left.append(method.clusters_left)
    assert left[0] == before, "in the middle of a period nothing merges"
    expected = before
    for count in left[1::2]:
        expected = max(expected - -(-expected // 2), 3)
        assert count == expected
    assert left[-1] == 3
    assert "occupancy" in method(world.batch(torch.arange(9)), world)


def test_occupancy_is_that_of_the_whole_set_as_soon_as_k_clusters_are_left(learner: Encoder, world: World) -> None:
    method = started(learner, world)
    batch = world.batch(torch.arange(40, 50))
    assert "occupancy" not in method(batch, world)
    method.clusters[:60] = world.kinds[:60].clamp_min(1)
    method.clusters[0] = 0
    assert shares_of(method(batch, world)) == pytest.approx([1 / 60, 39 / 60, 20 / 60])


def test_a_merge_never_parts_what_was_together(learner: Encoder, world: World) -> None:
    method = started(learner, world, period_epochs=1, eta=0.5)
    before = method.clusters.clone()
    method.begin_epoch(1, world)
    joined = {(old, new) for old, new in zip(before.tolist(), method.clusters.tolist(), strict=True)}
    assert len({old for old, _ in joined}) == len(joined)


@pytest.mark.parametrize("triplets", ["hinge", "paper"])
def test_learning_draws_the_clusters_apart(learner: Encoder, world: World, triplets: str) -> None:
    world.calm()
    method = started(learner, world, triplets=triplets)
    optimizer = torch.optim.SGD(method.parameters(), lr=0.05)
    rows, images = torch.arange(60), world.images[:60]
    batch = Batch((images,), rows, world.foreground[rows], images)
    losses = []
    for _ in range(30):
        terms = method(batch, world)
        optimizer.zero_grad()
        torch.autograd.backward(terms["loss"])
        optimizer.step()
        losses.append(float(terms["loss"].detach()))
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert terms["triplets"] > 0
    assert terms["clusters"] == method.clusters_left


def test_rc_is_graph_degree_linkage_on_the_features_and_sf_the_merges(pixels: Encoder, world: World) -> None:
    world.calm()
    method = started(pixels, world)
    merged_so_far = method.clusters[:60].clone()
    method.finish(world)
    features = method.embed(world.images[:60])
    oracle = GraphDegreeLinkage(3, n_neighbors=6, local_neighbors=5).fit_predict(features)
    both = told(method, world.images[:60]).subheads
    assert both is not None
    rc, sf = both.argmax(dim=2)
    assert adjusted_rand_score(oracle, rc) == 1
    assert torch.equal(clusters_of(method, world.images[:60]), rc)
    assert len({(old, new) for old, new in zip(merged_so_far.tolist(), sf.tolist(), strict=True)}) == len(
        set(merged_so_far.tolist())
    )
    other = JULE(pixels, 3, prediction="sf")
    other.load_state_dict({**method.state_dict(), "remembered_clusters": sf}, strict=False)
    assert torch.equal(clusters_of(other, world.images[:60]), sf)


def test_weights_of_version_0_1_are_read_under_their_former_key(pixels: Encoder, world: World) -> None:
    method = started(pixels, world)
    method.finish(world)
    saved = method.state_dict()
    saved["remembered_answers"] = saved.pop("remembered_assignments")
    other = JULE(pixels, 3)
    other.setup(len(world.images))
    other.load_state_dict(saved)
    assert torch.equal(other.remembered_assignments, method.remembered_assignments)


def ring(radius: float, height: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    flat = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    noise = np.random.default_rng(0).normal(scale=0.02 * radius, size=(72, 3))
    return np.column_stack([flat, np.full(72, height)]) + noise


def test_rc_finds_rings_of_unequal_density(pixels: Encoder) -> None:
    """Two dense ones beside a sparse one: with links of one reach the dense ones merge, the sparse one falls apart."""
    points = torch.from_numpy(np.concatenate([ring(1, 0), ring(1, 0.3), ring(5, 50)])).float()
    kinds = np.repeat(np.arange(3), 72)
    found = {tuned: JULE(pixels, 3, neighbors=5, self_tuning=tuned).cluster(points) for tuned in (False, True)}
    assert adjusted_rand_score(kinds, found[True]) == 1
    assert adjusted_rand_score(kinds, found[False]) < 0.5


def test_finds_plain_kinds(pixels: Encoder, world: World) -> None:
    world.calm()
    method = started(pixels, world)
    method.finish(world)
    found = clusters_of(method, world.images[:60])
    assert adjusted_rand_score(world.kinds[:60], found) == 1


def test_state_survives_in_buffers(learner: Encoder, world: World) -> None:
    method = started(learner, world, period_epochs=1, eta=0.5, triplets="paper")
    method.begin_epoch(1, world)
    again = JULE(learner, 3, neighbors=6, period_epochs=1, eta=0.5, triplets="paper")
    again.setup(90)
    again.load_state_dict(method.state_dict())
    rows = []
    for one in (method, again):
        world.generator = np.random.default_rng(5)
        rows.append(one.begin_epoch(2, world).rows)
    assert torch.equal(again.clusters, method.clusters)
    assert rows[0] is not None
    assert rows[1] is not None
    assert torch.equal(rows[0], rows[1])


def test_the_programs_triplets_need_no_layout(pixels: Encoder, world: World) -> None:
    assert JULE(pixels, 3).begin_epoch(1, world).rows is None


def test_laid_out_blocks_hold_an_anchor_its_partner_and_the_clusters_around() -> None:
    clusters = np.array([0, 0, 0, 1, 1, 2, -1, 2, 3, 1])
    around = np.array([[1, 3], [0, -1], [3, -1], [0, 1]])
    seen = set()
    for seed in range(50):
        rows = lay_out_triplets(clusters, around, np.random.default_rng(seed))
        assert (clusters[rows] >= 0).all()
        anchor, positive, *negatives = rows[: 2 + (around[clusters[rows[0]]] >= 0).sum()]
        assert clusters[anchor] == clusters[positive] != 3, "a single row has no partner"
        assert anchor != positive
        assert clusters[negatives].tolist() == [one for one in around[clusters[anchor]] if one >= 0]
        seen.add((int(anchor), int(positive)))
    assert len(seen) > 8


def test_rows_of_single_clusters_are_shown_all_the_same() -> None:
    rows = lay_out_triplets(np.arange(6), np.full((6, 2), -1), np.random.default_rng(0))
    assert len(rows) >= 1


def test_identical_images_are_clustered_somehow(pixels: Encoder, world: World) -> None:
    world.images[:] = 0.5
    method = started(pixels, world)
    method.finish(world)
    assert told(method, world.images).probabilities.shape == (90, 3, 1, 1)
    assert sorted(set(method.remembered_clusters.tolist())) == [0, 1, 2]


def test_settings_that_make_no_sense_are_errors(pixels: Encoder) -> None:
    with pytest.raises(UsageError, match="period_epochs 0"):
        JULE(pixels, 3, period_epochs=0)
    with pytest.raises(UsageError, match="scale is above 0"):
        JULE(pixels, 3, scale=0)
