"""Which cluster lies nearest to which, against scikit-learn."""

import numpy as np
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestCentroid

from objdisc.report.nearest import nearest_clusters


def test_nearest_centroid_and_its_distance() -> None:
    generator = np.random.default_rng(0)
    clusters = generator.integers(0, 6, 300)
    features = (generator.normal(size=(6, 9))[clusters] + generator.normal(size=(300, 9))).astype(np.float32)
    centroids = NearestCentroid().fit(features.astype(np.float64), clusters).centroids_
    distances = pairwise_distances(centroids)
    np.fill_diagonal(distances, np.inf)
    for cluster, found in enumerate(nearest_clusters(features, clusters, 6)):
        assert found is not None
        assert found.cluster == distances[cluster].argmin()
        assert np.isclose(found.distance, distances[cluster].min(), rtol=1e-6)
        own = features[clusters == cluster].astype(np.float64)
        assert np.isclose(found.spread, np.sqrt(own.var(axis=0).sum()), rtol=1e-6)


def test_background_and_empty_clusters_count_for_nothing() -> None:
    features = np.array([[0], [1], [100], [50], [2]], np.float32)
    clusters = np.array([0, 0, 2, -1, -1])
    first, empty, last = nearest_clusters(features, clusters, 3)
    assert empty is None
    assert first is not None
    assert last is not None
    assert (first.cluster, first.distance, first.spread) == (2, 99.5, 0.5)
    assert (last.cluster, last.spread) == (0, 0.0)


def test_a_single_cluster_has_no_neighbour() -> None:
    assert nearest_clusters(np.ones((3, 2), np.float32), np.zeros(3, np.int64), 1) == [None]
    assert nearest_clusters(np.ones((0, 2), np.float32), np.zeros(0, np.int64), 2) == [None, None]


def test_a_cluster_whose_embeddings_are_not_finite_is_nobodys_neighbour() -> None:
    features = np.array([[0], [np.nan], [5]], np.float32)
    first, broken, last = nearest_clusters(features, np.arange(3), 3)
    assert broken is None
    assert first is not None
    assert last is not None
    assert (first.cluster, last.cluster) == (2, 0)
