"""DeepCluster: what is clustered, what is learned of it, and that three kinds are found without labels."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.errors import ObjdiscError, UsageError
from objdisc.methods.deepcluster import DeepCluster, uniform_over_clusters
from objdisc.models.encoder import Encoder

from .conftest import World, clusters_of, shares_of, told

OBJECTS = torch.arange(60)


def ready(encoder: Encoder, world: World, **arguments: object) -> DeepCluster:
    """A method as the trainer prepares it."""
    settings: dict[str, object] = {"overclusters": 6, "dimensions": 8} | arguments
    method = DeepCluster(encoder, 3, **settings)  # type: ignore[arg-type] # any of its settings
    method.setup(len(world.images))
    return method


def test_pseudo_clusters_are_those_of_k_means_on_whitened_features_of_unit_length(
    pixels: Encoder, world: World
) -> None:
    world.calm()
    method = ready(pixels, world, overclusters=3, dimensions=2)
    method.begin_epoch(0, world)
    white = PCA(2, whiten=True).fit_transform(world.images[OBJECTS].flatten(1).numpy())
    unit = white / np.linalg.norm(white, axis=1, keepdims=True)
    oracle = KMeans(3, n_init=10, random_state=0).fit(unit)
    assert adjusted_rand_score(oracle.labels_, method.targets[0, OBJECTS]) == 1
    assert bool((method.targets[0, 60:] == -1).all()), "background has no cluster"


def test_every_cluster_is_seen_equally_often_and_background_never() -> None:
    targets = np.array([0] * 50 + [3] * 8 + [5] * 2 + [-1] * 30)
    rows = uniform_over_clusters(targets, np.random.default_rng(0))
    assert len(rows) == 60
    assert np.bincount(targets[rows]).tolist() == [20, 0, 0, 20, 0, 20]
    assert set(rows[targets[rows] == 5]) == {58, 59}, "small clusters come whole"
    assert len(set(rows[targets[rows] == 0])) == 20, "large ones without repeats"
    assert not np.array_equal(np.sort(rows), rows)
    assert np.array_equal(rows, uniform_over_clusters(targets, np.random.default_rng(0)))


def test_loss_is_the_cross_entropy_of_the_objects_clusters(pixels: Encoder, world: World) -> None:
    method = ready(pixels, world)
    method.begin_epoch(0, world)
    terms = method.training_step(world.batch(torch.arange(90)), world)
    logits = world.view(OBJECTS, 0).flatten(1) @ method.head.weight.T + method.head.bias
    torch.testing.assert_close(terms["loss"], F.cross_entropy(logits, method.targets[0, OBJECTS]))
    assert "nmi_previous" not in terms, "there is no assignment before the first"


def test_agreement_with_the_assignment_before_is_scikit_learns(learner: Encoder, world: World) -> None:
    method = ready(learner, world)
    method.begin_epoch(0, world)
    before = method.targets[0, OBJECTS].clone()
    torch.nn.init.normal_(learner.body[0].weight)  # type: ignore[index]
    method.begin_epoch(1, world)
    expected = normalized_mutual_info_score(before, method.targets[0, OBJECTS])
    assert float(method.training_step(world.batch(OBJECTS), world)["nmi_previous"]) == pytest.approx(expected, abs=1e-6)
    assert expected < 1


def test_each_epoch_has_a_new_top_layer_of_its_own(pixels: Encoder, world: World) -> None:
    method, again = ready(pixels, world), ready(pixels, world)
    method.begin_epoch(0, world)
    first = method.head.weight.clone()
    plan = method.begin_epoch(1, world)
    assert not torch.equal(first, method.head.weight)
    again.begin_epoch(1, world)
    assert torch.equal(again.head.weight, method.head.weight), "whatever came before"
    assert set(plan.reset) == set(method.head.parameters())
    kept = ready(pixels, world, keep_top_layer=True)
    weight = kept.head.weight.clone()
    plan = kept.begin_epoch(0, world)
    assert torch.equal(kept.head.weight, weight)
    assert not plan.reset


def test_occupancy_and_assignments_are_those_of_the_objects(pixels: Encoder, world: World) -> None:
    method = ready(pixels, world)
    assert "occupancy" not in method.terms(torch.zeros(()), torch.zeros(()))
    assigned = method.begin_epoch(0, world).assignments
    assert assigned is not None
    sizes = sorted(np.bincount(assigned[OBJECTS], minlength=6), reverse=True)
    shares = shares_of(method.training_step(world.batch(OBJECTS), world))
    assert shares == pytest.approx([size / 60 for size in sizes])
    assert bool((assigned[60:] == -1).all())


def test_three_kinds_are_found_and_the_prediction_is_the_nearest_centroid(learner: Encoder, world: World) -> None:
    world.calm()
    method = ready(learner, world, dimensions=6)
    optimizer = torch.optim.SGD(method.parameters(), 0.1, momentum=0.9)
    for epoch in range(4):
        rows = method.begin_epoch(epoch, world).rows
        assert rows is not None
        method.train()
        for _ in range(10):
            optimizer.zero_grad()
            torch.autograd.backward(method.training_step(world.batch(rows), world)["loss"])
            optimizer.step()
    method.finish(world)
    with torch.no_grad():
        clusters = clusters_of(method, world.images[OBJECTS])
        points = method.embed(world.images[OBJECTS])
    torch.testing.assert_close(points.norm(dim=1), torch.ones(60))
    assert torch.equal(clusters, torch.cdist(points, method.centroids).argmin(1))
    assert adjusted_rand_score(world.kinds[OBJECTS], clusters) > 0.9


def test_the_prediction_may_be_found_in_fewer_components(pixels: Encoder, world: World) -> None:
    world.calm()
    method = ready(pixels, world, dimensions=8, prediction_dimensions=2)
    method.begin_epoch(0, world)
    assert int((method.embed(world.images[OBJECTS]).abs().amax(0) > 0).sum()) == 8
    method.finish(world)
    points = method.embed(world.images[OBJECTS])
    white = PCA(2, whiten=True).fit_transform(world.images[OBJECTS].flatten(1).numpy())
    unit = torch.from_numpy(white / np.linalg.norm(white, axis=1, keepdims=True)).float()
    torch.testing.assert_close(points[:, :2].abs(), unit.abs(), rtol=1e-2, atol=1e-2)
    assert not points[:, 2:].any()


def test_a_fresh_method_takes_over_what_a_finished_one_knows(pixels: Encoder, world: World) -> None:
    finished, fresh = ready(pixels, world), DeepCluster(pixels, 3, overclusters=6, dimensions=8)
    finished.begin_epoch(0, world)
    finished.finish(world)
    missing = fresh.load_state_dict(finished.state_dict(), strict=False).missing_keys
    assert not missing
    torch.testing.assert_close(*(told(method, world.images).probabilities for method in (fresh, finished)))


def test_sobel_hides_colour_from_the_network(world: World) -> None:
    seen: list[Tensor] = []
    body = nn.Flatten()
    body.register_forward_hook(lambda module, given, result: seen.append(given[0]))
    method = ready(Encoder(body, 48), world, sobel=True)
    method.features(torch.full((2, 3, 4, 4), 0.7))
    assert float(seen[0].abs().max()) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("images", [torch.zeros(90, 3, 4, 4), torch.randn(1, 3, 4, 4).expand(90, 3, 4, 4)])
def test_identical_images_leave_one_cluster_and_break_nothing(learner: Encoder, world: World, images: Tensor) -> None:
    world.images = images
    method = ready(learner, world)
    rows = method.begin_epoch(0, world).rows
    assert rows is not None
    terms = method.training_step(world.batch(rows), world)
    assert max(shares_of(terms)) == 1
    assert torch.isfinite(terms["loss"])
    method.finish(world)
    assert torch.isfinite(told(method, images).probabilities).all()


def test_empty_clusters_take_half_of_the_largest(
    pixels: Encoder, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Three points ten times over: k-means can fill three of five clusters, and none can be cut."""
    world.images = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))[world.kinds]
    method = ready(pixels, world, overclusters=5)
    with caplog.at_level("INFO"):
        rows = method.begin_epoch(0, world).rows
    assert "2 stay empty" in caplog.text
    assert rows is not None
    assert np.bincount(method.targets[0].numpy()[rows.numpy()]).max() == 20


def test_fewer_objects_than_clusters_are_an_error_that_says_what_to_lower(pixels: Encoder, world: World) -> None:
    with pytest.raises(UsageError, match=r"--method.overclusters 61: there are only 60 foreground patches"):
        ready(pixels, world, overclusters=61).begin_epoch(0, world)
    world.foreground = torch.arange(90) < 2
    with pytest.raises(UsageError, match=r"--num-clusters 3: there are only 2"):
        ready(pixels, world).finish(world)


def test_features_that_are_not_finite_are_an_error(pixels: Encoder, world: World) -> None:
    world.images[3] = torch.nan
    with pytest.raises(ObjdiscError, match="not finite"):
        ready(pixels, world).begin_epoch(0, world)


@pytest.mark.parametrize(
    "wrong", [{"overclusters": 1}, {"dimensions": 0}, {"prediction_dimensions": -1}, {"iterations": 0}, {"restarts": 0}]
)
def test_settings_that_make_no_sense_are_refused(pixels: Encoder, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="deepcluster"):
        DeepCluster(pixels, 3, **wrong)  # type: ignore[arg-type] # that is the test
