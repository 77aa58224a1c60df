"""Classical clustering as a method: training images keep their cluster, others get a neighbour's or a centre's."""

import logging
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier

from objdisc.clustering.classical import Algorithm
from objdisc.errors import UsageError
from objdisc.methods.classical import Classical
from objdisc.models.encoder import Encoder

from .conftest import World, clusters_of, told


def finished(encoder: Encoder, world: World, algorithm: Algorithm, **arguments: Any) -> Classical:
    world.calm()
    method = Classical(encoder, 3, algorithm=algorithm, **arguments)
    method.finish(world)
    return method


@pytest.mark.parametrize("algorithm", ["kmeans", "spectral", "ward", "gdl"])
@pytest.mark.parametrize("space", ["features", "pixels"])
def test_the_kinds_are_found(pixels: Encoder, world: World, algorithm: Algorithm, space: str) -> None:
    method = finished(pixels, world, algorithm, space=space)
    assert adjusted_rand_score(world.kinds[:60], clusters_of(method, world.images[:60])) == 1


def test_training_images_keep_wards_clusters_and_others_get_the_nearest_ones(pixels: Encoder, world: World) -> None:
    method = Classical(pixels, 3, algorithm="ward")
    method.finish(world)
    points = world.images.flatten(1).numpy()
    oracle = AgglomerativeClustering(3).fit(points[:60]).labels_
    found = clusters_of(method, world.images).numpy()
    np.testing.assert_array_equal(found[:60], oracle)
    np.testing.assert_array_equal(found[60:], KNeighborsClassifier(1).fit(points[:60], oracle).predict(points[60:]))


def test_k_means_predicts_by_the_nearest_centre(pixels: Encoder, world: World) -> None:
    method = Classical(pixels, 3)
    method.finish(world)
    points = world.images.flatten(1).numpy()
    oracle = KMeans(3, n_init=10, random_state=0).fit(points[:60])
    np.testing.assert_array_equal(clusters_of(method, world.images).numpy(), oracle.predict(points))
    torch.testing.assert_close(told(method, world.images).probabilities.sum(dim=1), torch.ones(90, 1, 1))


def test_too_many_samples_are_sampled_and_the_log_says_so(
    pixels: Encoder, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="objdisc"):
        method = finished(pixels, world, "ward", max_samples=20)
    assert "ward clusters 20 of 60 samples (--method.max-samples)" in caplog.text
    assert adjusted_rand_score(world.kinds[:60], clusters_of(method, world.images[:60])) == 1
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="objdisc"):
        finished(pixels, world, "gdl", max_samples=20)
    assert caplog.text == "", "a sparse graph takes all of them"


def test_what_was_clustered_survives_saving(pixels: Encoder, world: World) -> None:
    algorithms: list[Algorithm] = ["kmeans", "gdl"]
    for algorithm in algorithms:
        method, fresh = finished(pixels, world, algorithm), Classical(pixels, 3, algorithm=algorithm)
        fresh.load_state_dict(method.state_dict())
        assert torch.equal(clusters_of(fresh, world.images), clusters_of(method, world.images))


def test_before_anything_was_clustered_there_is_no_prediction(pixels: Encoder, world: World) -> None:
    algorithms: list[Algorithm] = ["kmeans", "ward"]
    for algorithm in algorithms:
        with pytest.raises(UsageError, match="nothing was clustered yet"):
            told(Classical(pixels, 3, algorithm=algorithm), world.images)


def test_bad_input_is_named(pixels: Encoder, world: World) -> None:
    with pytest.raises(UsageError, match="max_samples is at least --num-clusters 3"):
        Classical(pixels, 3, max_samples=2)
    world.images[4] = torch.nan
    with pytest.raises(UsageError, match="1 of 60 samples have features that are not finite"):
        Classical(pixels, 3).finish(world)
    world.images[:] = 0.5
    with pytest.raises(UsageError, match="only 1 of 60 samples differ"):
        Classical(pixels, 3).finish(world)
    world.foreground = torch.arange(90) < 2
    with pytest.raises(UsageError, match="there are only 2 foreground patches"):
        Classical(pixels, 3).finish(world)
