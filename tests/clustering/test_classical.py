"""Classical clustering is scikit-learn's, and says in words what scikit-learn would stumble over."""

import logging

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

from objdisc.clustering.classical import Algorithm, Points, cluster_points
from objdisc.errors import UsageError

ALGORITHMS: list[Algorithm] = ["kmeans", "spectral", "ward", "gdl"]


@pytest.fixture
def blobs() -> Points:
    points, _ = make_blobs(120, 5, centers=4, cluster_std=3.0, random_state=0)
    return np.asarray(points, np.float32)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_separate_blobs_are_found_exactly(algorithm: Algorithm) -> None:
    points, blob = make_blobs(90, 4, centers=3, cluster_std=0.3, random_state=1)
    labels = cluster_points(points.astype(np.float32), 3, algorithm)
    assert labels.dtype == np.int64
    assert adjusted_rand_score(blob, labels) == 1


def test_labels_are_those_of_scikit_learn(blobs: Points) -> None:
    expected = {
        "kmeans": KMeans(4, n_init=10, random_state=7).fit(blobs).labels_,
        "ward": AgglomerativeClustering(4).fit(blobs).labels_,
        "spectral": SpectralClustering(4, affinity="nearest_neighbors", n_neighbors=9, random_state=7)
        .fit(blobs)
        .labels_,
    }
    for algorithm in ALGORITHMS[:3]:
        labels = cluster_points(blobs, 4, algorithm, neighbors=9, seed=7)
        np.testing.assert_array_equal(labels, expected[algorithm], err_msg=algorithm)


@pytest.mark.parametrize("algorithm", ["spectral", "gdl"])
def test_algorithms_on_graphs_follow_curves_that_no_centre_describes(algorithm: Algorithm) -> None:
    points, moon = make_moons(300, noise=0.04, random_state=0)
    points = points.astype(np.float32)
    assert adjusted_rand_score(moon, cluster_points(points, 2, algorithm, neighbors=8)) > 0.95
    assert adjusted_rand_score(moon, cluster_points(points, 2, "kmeans")) < 0.5


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("count", [3, 4])
def test_as_many_samples_as_clusters_will_do(algorithm: Algorithm, count: int) -> None:
    labels = cluster_points(np.eye(count, dtype=np.float32) * np.arange(1, count + 1, dtype=np.float32), 3, algorithm)
    assert set(labels.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_values_that_are_not_finite_are_counted_in_the_error(algorithm: Algorithm, blobs: Points) -> None:
    blobs[3, 1], blobs[5, 0] = np.nan, np.inf
    with pytest.raises(UsageError, match="2 of 120 samples have features that are not finite; check --weights"):
        cluster_points(blobs, 4, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_constant_features_and_too_few_samples_name_the_number_of_clusters(algorithm: Algorithm) -> None:
    with pytest.raises(UsageError, match=r"--num-clusters 2: only 1 of 50 samples differ in their features"):
        cluster_points(np.full((50, 3), 0.5, np.float32), 2, algorithm)
    with pytest.raises(UsageError, match=r"--num-clusters 4: only 3 of 3 samples"):
        cluster_points(np.eye(3, dtype=np.float32), 4, algorithm)
    signs = np.array([[0.0], [-0.0], [0.0]], np.float32)
    with pytest.raises(UsageError, match="only 1 of 3"):
        cluster_points(signs, 2, algorithm)


def test_what_scikit_learn_warns_of_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Two far groups, each with a graph of its own."""
    points = np.concatenate([np.random.default_rng(0).normal(at, 1, (30, 2)) for at in (0, 1000)]).astype(np.float32)
    with caplog.at_level(logging.WARNING, logger="objdisc"):
        labels = cluster_points(points, 2, "spectral", neighbors=5)
    assert adjusted_rand_score(np.arange(60) // 30, labels) == 1
    assert "spectral clustering: Graph is not fully connected" in caplog.text
