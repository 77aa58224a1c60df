"""The estimators keep scikit-learn's conventions, take tensors too, and say what the functions say."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import objdisc.clustering
from objdisc.clustering import (
    GraphDegreeLinkage,
    KMeans,
    PCAWhitening,
    ViewDiscriminant,
    knn_graph,
    merge_clusters,
    pca_whitening,
    view_discriminant,
)
from objdisc.clustering.agglomerative import start_clusters
from objdisc.clustering.kmeans import kmeans
from objdisc.errors import UsageError

CLUSTERERS = [KMeans(4, random_state=0), GraphDegreeLinkage(4)]
UNMET = {"KMeans": {"check_non_transformer_estimators_n_iter": "kmeans does not count its iterations"}}


@pytest.fixture(scope="module")
def points() -> NDArray[np.float32]:
    found, _ = make_blobs(120, n_features=5, centers=4, cluster_std=0.5, random_state=1)
    return np.asarray(found, np.float32)


@pytest.fixture(scope="module")
def views() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(30, 6, generator=generator)
    return samples + 0.3 * torch.randn(4, 30, 6, generator=generator)


@parametrize_with_checks(  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    [KMeans(), GraphDegreeLinkage(), PCAWhitening()],
    expected_failed_checks=lambda estimator: UNMET.get(type(estimator).__name__, {}),
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks_pass(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("model", CLUSTERERS, ids=str)
def test_arrays_and_tensors_are_clustered_alike_and_every_time(
    model: BaseEstimator, points: NDArray[np.float32]
) -> None:
    labels = clone(model).fit_predict(points)
    assert labels.dtype == np.int64
    for given in (points, torch.from_numpy(points), points.astype(np.float64), points.tolist()):
        again = clone(model).fit(given)
        np.testing.assert_array_equal(again.labels_, labels)
        assert again.n_features_in_ == 5


@pytest.mark.parametrize("model", CLUSTERERS, ids=str)
@pytest.mark.parametrize("wrap", [np.array, torch.tensor])
def test_what_cannot_be_clustered_is_an_error_in_one_line(model: BaseEstimator, wrap: Any) -> None:
    too_few = "n_clusters=4 of n_samples=3 points: give 1 to 3 clusters"
    broken = [[0.0], [1.0], [2.0], [float("nan")]]
    for given, message in (([[0.0], [1.0], [2.0]], too_few), (broken, "NaN"), ([0.0, 1.0], "Reshape your data")):
        for kind in (ValueError, UsageError):  # of scikit-learn's conventions, and for the command line
            with pytest.raises(kind, match=message) as raised:
                clone(model).fit(wrap(given))
            assert "\n" not in str(raised.value)


def test_graph_degree_linkage_is_what_jule_starts_with(points: NDArray[np.float32]) -> None:
    tensor = torch.from_numpy(points)
    graph = knn_graph(tensor, 20, 1.0).affinity
    expected = merge_clusters(graph, start_clusters(graph, 10), 10, tensor, strays=20)
    np.testing.assert_array_equal(objdisc.clustering.GraphDegreeLinkage(10).fit_predict(tensor), expected)


@pytest.mark.parametrize("distance", ["differences", "products"])
def test_kmeans_is_the_function(distance: Any, points: NDArray[np.float32]) -> None:
    tensor = torch.from_numpy(points)
    centroids, assignments = kmeans(tensor, 4, seed=3, restarts=2, iterations=5, distance=distance)
    model = KMeans(4, n_init=2, max_iter=5, distance=distance, random_state=3).fit(tensor)
    assert isinstance(model.cluster_centers_, torch.Tensor)
    assert torch.equal(model.cluster_centers_, centroids)
    np.testing.assert_array_equal(model.labels_, assignments)
    np.testing.assert_array_equal(model.predict(points), assignments)
    inertia = ((points - centroids.numpy()[model.labels_]) ** 2).sum()
    assert model.inertia_ == pytest.approx(float(inertia), rel=1e-4)


def test_kmeans_gives_centres_of_the_form_that_it_was_given(points: NDArray[np.float32]) -> None:
    assert isinstance(KMeans(4, random_state=0).fit(points).cluster_centers_, np.ndarray)
    assert isinstance(KMeans(4, random_state=0).fit(torch.from_numpy(points)).cluster_centers_, torch.Tensor)


def test_spherical_kmeans_does_not_look_at_lengths(points: NDArray[np.float32]) -> None:
    lengths = np.random.default_rng(0).uniform(0.5, 3, (len(points), 1)).astype(np.float32)
    model = KMeans(4, distance="cosine", random_state=0).fit(points)
    assert adjusted_rand_score(model.labels_, clone(model).fit_predict(points * lengths)) == 1
    np.testing.assert_array_equal(model.predict(points * lengths), model.labels_)
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1, rtol=1e-6)


def test_a_generator_draws_other_starts_each_time(points: NDArray[np.float32]) -> None:
    state = np.random.RandomState(0)
    one, two = (KMeans(30, n_init=1, max_iter=1, random_state=state).fit_predict(points) for _ in range(2))
    assert adjusted_rand_score(one, two) < 1


def test_kmeans_refuses_to_start_never(points: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="n_init=0 is not a number of starts"):
        KMeans(4, n_init=0).fit(points)


@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy])
def test_whitening_is_the_function(wrap: Any, points: NDArray[np.float32]) -> None:
    components, offset = pca_whitening(torch.from_numpy(points), 3)
    given = wrap(points)
    model = PCAWhitening(3).fit(given)
    found = model.transform(given)
    assert type(found) is type(model.components_) is type(given)
    np.testing.assert_array_equal(model.components_, components)
    np.testing.assert_allclose(found, torch.from_numpy(points) @ components.T + offset, atol=1e-5)
    np.testing.assert_allclose(np.cov(np.asarray(found).T, ddof=0), np.eye(3), atol=1e-4)


@pytest.mark.parametrize("wrap", [np.asarray, torch.as_tensor])
def test_the_discriminant_is_fitted_to_views_and_projects_anything(wrap: Any, views: torch.Tensor) -> None:
    components, offset = view_discriminant(views, 2, 0.5)
    given = wrap(views)
    model = clone(ViewDiscriminant(2, shrinkage=0.5)).fit(given)
    found = model.transform(given)
    assert type(found) is type(given)
    assert found.shape == (4, 30, 2)
    np.testing.assert_allclose(found, views @ components.T + offset, atol=1e-5)
    np.testing.assert_allclose(model.transform(given[0]), found[0], atol=1e-5)
    np.testing.assert_allclose(ViewDiscriminant(2, shrinkage=0.5).fit_transform(given), found)


def test_projections_refuse_what_does_not_fit(points: NDArray[np.float32], views: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="n_components=6 of 5 features: give 1 to 5, or None for all"):
        PCAWhitening(6).fit(points)
    with pytest.raises(ValueError, match="at least 2 views of each"):
        ViewDiscriminant(2).fit(points)
    with pytest.raises(ValueError, match="shrinkage=0 must be above 0"):
        ViewDiscriminant(2, shrinkage=0).fit(views)
    with pytest.raises(ValueError, match="X has 5 features, but ViewDiscriminant is expecting 6 features"):
        ViewDiscriminant().fit(views).transform(points)


def test_arrays_that_must_not_be_written_are_taken_without_a_warning(
    points: NDArray[np.float32], recwarn: pytest.WarningsRecorder
) -> None:
    locked = points.copy()
    locked.flags.writeable = False
    KMeans(4, n_init=1, random_state=0).fit(locked[::-1])
    KMeans(4, n_init=1, random_state=0).fit(locked)
    assert not recwarn.list


def test_the_package_offers_them_by_name_and_kmeans_is_the_module() -> None:
    assert set(objdisc.clustering.__all__) <= set(dir(objdisc.clustering))
    for name in objdisc.clustering.__all__:
        assert getattr(objdisc.clustering, name).__module__.startswith("objdisc.clustering.")
    with pytest.raises(AttributeError, match="has no attribute 'DBSCAN'"):
        getattr(objdisc.clustering, "DBSCAN")  # noqa: B009 - mypy knows that it is not there
    assert objdisc.clustering.kmeans.KMeans is KMeans
