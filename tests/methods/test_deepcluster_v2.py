"""DeepCluster-v2: a bank of the last epoch, spherical clusterings of it, and their centroids as classifiers."""

import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor
from torch.nn import functional as F

from objdisc.errors import UsageError
from objdisc.methods.deepcluster_v2 import DeepClusterV2
from objdisc.models.encoder import Encoder

from .conftest import World, clusters_of, told

OBJECTS = torch.arange(60)


def ready(encoder: Encoder, world: World, **arguments: int) -> DeepClusterV2:
    torch.manual_seed(0)
    settings = {"overclusters": 6, "embedding_dim": 8, "hidden": 16} | arguments
    method = DeepClusterV2(encoder, 3, **settings)  # type: ignore[arg-type]
    method.setup(len(world.images))
    return method


def test_the_first_epoch_clusters_two_views_and_prototypes_are_their_centroids(pixels: Encoder, world: World) -> None:
    method = ready(pixels, world)
    method.begin_epoch(0, world)
    assert world.seen == [0, 1]
    for head, view in enumerate((0, 1, 0)):
        points = method.bank[view, OBJECTS]
        torch.testing.assert_close(points, method.eval().embed(world.view(OBJECTS, view)))
        torch.testing.assert_close(method.prototypes[head].norm(dim=1), torch.ones(6))
        for cluster in range(6):
            total = points[method.targets[head, OBJECTS] == cluster].sum(0)
            torch.testing.assert_close(method.prototypes[head, cluster], total / total.norm(), rtol=1e-4, atol=1e-4)
    assert not torch.equal(method.targets[0], method.targets[2]), "clusterings of one view differ by their starts"


def test_loss_is_the_mean_cross_entropy_of_cosines_over_views_and_clusterings(pixels: Encoder, world: World) -> None:
    method = ready(pixels, world)
    method.begin_epoch(0, world)
    method.eval()
    terms = method.training_step(world.batch(torch.arange(90), 2), world)
    losses = [
        F.cross_entropy(
            method.embed(world.view(OBJECTS, view)) @ method.prototypes[head].T / 0.1, method.targets[head, OBJECTS]
        )
        for view in (0, 1)
        for head in range(3)
    ]
    torch.testing.assert_close(terms["loss"], torch.stack(losses).mean())


def test_the_bank_holds_what_the_epoch_has_seen_and_keeps_what_it_has_not(pixels: Encoder, world: World) -> None:
    method = ready(pixels, world)
    method.begin_epoch(0, world)
    first = method.bank.clone()
    method.eval()
    seen = (torch.arange(20), torch.arange(20, 50))
    for rows in seen:
        method.training_step(world.batch(rows, 2), world)
    method.begin_epoch(1, world)
    for view in (0, 1):
        expected = torch.cat(
            [method.embed(world.view(rows, view)) for rows in (torch.arange(20), torch.arange(20, 50))]
        )
        torch.testing.assert_close(method.bank[view, :50], expected)
    assert torch.equal(method.bank[:, 50:], first[:, 50:])
    assert world.seen == [0, 1], "nothing is encoded again"
    assert not method.counts.any()


def test_three_kinds_are_found(learner: Encoder, world: World) -> None:
    world.calm()
    method = ready(learner, world)
    optimizer = torch.optim.SGD(method.parameters(), 0.1, momentum=0.9)
    for epoch in range(4):
        method.begin_epoch(epoch, world)
        method.train()
        for _ in range(10):
            optimizer.zero_grad()
            torch.autograd.backward(method.training_step(world.batch(OBJECTS, 2), world)["loss"])
            optimizer.step()
    method.finish(world)
    with torch.no_grad():
        clusters = clusters_of(method.eval(), world.images[OBJECTS])
    assert adjusted_rand_score(world.kinds[OBJECTS], clusters) > 0.9
    assert method.bank.numel() == 0, "the run's weights hold no bank"


@pytest.mark.parametrize("images", [torch.zeros(90, 3, 4, 4), torch.ones(90, 3, 4, 4)])
def test_constant_images_break_nothing(learner: Encoder, world: World, images: Tensor) -> None:
    world.images = images
    method = ready(learner, world)
    method.begin_epoch(0, world)
    assert torch.isfinite(method.training_step(world.batch(OBJECTS, 2), world)["loss"])
    method.begin_epoch(1, world)
    method.finish(world)
    assert torch.isfinite(told(method, images).probabilities).all()


def test_settings_that_make_no_sense_are_refused(pixels: Encoder, world: World) -> None:
    with pytest.raises(UsageError, match="deepcluster"):
        ready(pixels, world, heads=0)
    with pytest.raises(UsageError, match=r"--method.overclusters 61"):
        ready(pixels, world, overclusters=61).begin_epoch(0, world)
