"""The paper's baseline: a foreground head, then scikit-learn's k-means by another name."""

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from objdisc.errors import UsageError
from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.models.encoder import Encoder

from .conftest import World, clusters_of, told


def test_its_clusters_are_those_of_standard_k_means_on_the_features(pixels: Encoder, world: World) -> None:
    world.calm()
    method = KMeansBaseline(pixels, 3)
    method.finish(world)
    features = world.images[world.foreground].flatten(1).numpy()
    oracle = KMeans(3, n_init=10, random_state=0).fit(features)
    with torch.no_grad():
        found = clusters_of(method, world.images[world.foreground])
    assert adjusted_rand_score(oracle.labels_, found) == 1
    assert {tuple(row) for row in method.centroids.numpy().round(3).tolist()} == {
        tuple(row) for row in oracle.cluster_centers_.round(3).tolist()
    }


def test_its_loss_is_the_foreground_cross_entropy_alone(pixels: Encoder, world: World) -> None:
    method = KMeansBaseline(pixels, 3)
    terms = method(world.batch(torch.arange(40, 80)), world)
    assert terms["loss"] is terms["foreground"]
    torch.autograd.backward(terms["loss"])
    assert method.head.weight.grad is not None


def test_its_buffers_are_there_from_the_start(pixels: Encoder, world: World) -> None:
    finished, fresh = KMeansBaseline(pixels, 3), KMeansBaseline(pixels, 3)
    finished.finish(world)
    fresh.load_state_dict(finished.state_dict())
    assert torch.equal(fresh.centroids, finished.centroids)


def test_a_prediction_does_not_depend_on_the_patches_beside_it(pixels: Encoder, world: World) -> None:
    method = KMeansBaseline(pixels, 3)
    method.finish(world)
    together = told(method, world.images).probabilities
    alone = torch.cat([told(method, image[None]).probabilities for image in world.images])
    torch.testing.assert_close(alone, together)
    torch.testing.assert_close(together.sum(dim=1), torch.ones(90, 1, 1))


def test_fewer_objects_than_clusters_are_an_error(pixels: Encoder, world: World) -> None:
    world.foreground = torch.arange(90) < 2
    with pytest.raises(UsageError, match=r"--num-clusters 3: there are only 2 foreground patches"):
        KMeansBaseline(pixels, 3).finish(world)
