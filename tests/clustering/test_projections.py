"""Whitened principal components, the discriminant of views, and the ridge classifier, against direct formulas."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from torch import Tensor

from objdisc.clustering.projections import pca_whitening, ridge_classifier, view_discriminant


def points(count: int = 300, dim: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, dim, generator=generator) @ torch.randn(dim, dim, generator=generator) + 5


def test_it_is_scikit_learns_whitened_pca_up_to_signs() -> None:
    x = points()
    projection, offset = pca_whitening(x, 5)
    oracle = PCA(5, whiten=True, svd_solver="full").fit_transform(x.double().numpy())
    scale = ((len(x) - 1) / len(x)) ** 0.5  # it divides by N - 1
    torch.testing.assert_close(
        (x @ projection.T + offset).abs() * scale, torch.from_numpy(oracle).float().abs(), rtol=1e-2, atol=1e-2
    )


def test_fewer_points_than_features_are_whitened_as_scikit_learn_does() -> None:
    x = points(9, 40)
    projection, offset = pca_whitening(x, 12)
    white = x @ projection.T + offset
    oracle = PCA(8, whiten=True, svd_solver="full").fit_transform(x.double().numpy())
    torch.testing.assert_close(
        white[:, :8].abs() * (8 / 9) ** 0.5, torch.from_numpy(oracle).float().abs(), rtol=1e-2, atol=1e-2
    )
    assert not white[:, 8:].any()


def test_what_it_gives_has_no_mean_and_the_identity_as_covariance() -> None:
    x = points()
    projection, offset = pca_whitening(x, 12)
    white = x @ projection.T + offset
    torch.testing.assert_close(white.mean(0), torch.zeros(12), rtol=0, atol=1e-3)
    torch.testing.assert_close(white.T @ white / len(x), torch.eye(12), rtol=0, atol=1e-2)


@pytest.mark.parametrize(("count", "directions"), [(1, 0), (4, 3)])
def test_few_points_span_few_directions(count: int, directions: int) -> None:
    projection, offset = pca_whitening(points(count), 6)
    assert int(projection.any(dim=1).sum()) == directions
    assert torch.isfinite(projection).all()
    assert torch.isfinite(offset).all()


def test_constant_features_are_whitened_to_zero() -> None:
    projection, offset = pca_whitening(torch.full((20, 4), 3.0), 4)
    assert not projection.any()
    assert not offset.any()


def make_views(samples: int = 60, dim: int = 6, num_views: int = 4) -> Tensor:
    """Samples differ most in the first directions, views of a sample most in the last ones."""
    rng = np.random.default_rng(0)
    between = rng.normal(size=(samples, dim)) * np.linspace(3, 0.5, dim) + 2
    within = rng.normal(size=(num_views, samples, dim)) * np.linspace(0.3, 3, dim)
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    return torch.from_numpy((between + within) @ rotation).float()


def test_directions_are_the_generalised_eigenvectors_in_order() -> None:
    views = make_views()
    array = views.double().numpy()
    means = array.mean(axis=0)
    between = np.cov(means.T, bias=True)
    within = np.mean([np.outer(r, r) for r in (array - means).reshape(-1, 6)], axis=0)
    within += 0.1 * np.trace(within) / 6 * np.eye(6)
    _, vectors = eigh(between, within)
    projection, _ = view_discriminant(views, 3, shrinkage=0.1)
    for row, vector in zip(projection.numpy(), vectors[:, ::-1].T[:3], strict=True):
        cosine = row @ vector / np.linalg.norm(row) / np.linalg.norm(vector)
        assert abs(cosine) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("samples", [3, 7, 12])  # fewer views, fewer samples, and more samples than features
def test_whichever_is_smaller_is_solved_for(samples: int) -> None:
    """Of few samples an eigenproblem of all features would be nearly all of a small run's time."""
    views = make_views(samples=samples, dim=10, num_views=3)
    array = views.double().numpy()
    means = array.mean(axis=0)
    within = (array - means).reshape(-1, 10)
    within = within.T @ within / len(within)
    within += 0.1 * np.trace(within) / 10 * np.eye(10)
    _, vectors = eigh(np.cov(means.T, bias=True), within)
    projection, offset = view_discriminant(views, 2)
    for row, vector in zip(projection.numpy(), vectors[:, ::-1].T[:2], strict=True):
        assert abs(row @ vector / np.linalg.norm(row) / np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)
    projected = views.mean(0) @ projection.T + offset
    torch.testing.assert_close(projected.std(0, correction=0), torch.ones(2), rtol=1e-4, atol=0)


def test_projected_mean_views_have_mean_0_variance_1_and_no_correlation() -> None:
    views = make_views()
    projection, offset = view_discriminant(views, 4)
    projected = (views.mean(0) @ projection.T + offset).numpy()
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(projected.T, bias=True), np.eye(4), atol=1e-4)


def test_fewer_directions_are_the_first_of_more() -> None:
    views = make_views()
    few, many = view_discriminant(views, 2)[0], view_discriminant(views, 5)[0]
    torch.testing.assert_close(few, many[:2])


def test_signs_do_not_depend_on_the_eigen_solver() -> None:
    projection, _ = view_discriminant(make_views(), 6)
    largest = projection.gather(1, projection.abs().argmax(1, keepdim=True))
    assert bool((largest > 0).all())


def test_directions_that_samples_do_not_span_are_zero_instead_of_noise() -> None:
    """Four samples span three directions, however many are asked for."""
    projection, offset = view_discriminant(make_views(samples=4, dim=10), 8)
    lengths = projection.norm(dim=1)
    assert bool((lengths[:3] > 0).all())
    assert not projection[3:].any()
    assert not offset[3:].any()
    assert float(lengths.max()) < 100


def test_identical_samples_give_no_direction() -> None:
    projection, offset = view_discriminant(torch.ones(3, 5, 4), 2)
    assert not projection.any()
    assert not offset.any()


def test_it_is_ridge_regression_on_one_hot_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    features = 3 + torch.randn(200, 7, generator=generator)
    clusters = torch.randint(4, (200,), generator=generator)
    weights, biases = ridge_classifier(features, clusters, 4, scale=5)
    variance = float((features - features.mean(0)).square().mean())
    oracle = Ridge(alpha=0.1 * variance * 200).fit(features.double(), torch.eye(4)[clusters])
    expected = 5 * torch.from_numpy(oracle.predict(features.double()))
    torch.testing.assert_close((features @ weights.T + biases).double(), expected, rtol=1e-3, atol=1e-3)


def test_ridge_of_fewer_samples_than_features_is_the_same_in_their_dimensions() -> None:
    generator = torch.Generator().manual_seed(0)
    features = 3 + torch.randn(9, 30, generator=generator)
    clusters = torch.arange(9) % 3
    weights, biases = ridge_classifier(features, clusters, 3, scale=5)
    variance = float((features - features.mean(0)).square().mean())
    oracle = Ridge(alpha=0.1 * variance * 9).fit(features.double(), torch.eye(3)[clusters])
    expected = 5 * torch.from_numpy(oracle.predict(features.double()))
    torch.testing.assert_close((features @ weights.T + biases).double(), expected, rtol=1e-3, atol=1e-3)


def test_clusters_that_can_be_told_apart_are() -> None:
    clusters = torch.arange(60) % 3
    features = torch.eye(3)[clusters] + 0.05 * torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    weights, biases = ridge_classifier(features, clusters, 3)
    assert torch.equal((features @ weights.T + biases).argmax(1), clusters)


def test_constant_features_give_the_shares() -> None:
    weights, biases = ridge_classifier(torch.ones(4, 5), torch.tensor([0, 0, 0, 1]), 3, scale=1)
    assert torch.isfinite(weights).all()
    torch.testing.assert_close(torch.ones(5) @ weights.T + biases, torch.tensor([0.75, 0.25, 0.0]))
