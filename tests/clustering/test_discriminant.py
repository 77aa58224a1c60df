"""The view discriminant against scipy's generalised eigenvalue problem."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from torch import Tensor

from objdisc.clustering.discriminant import view_discriminant


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
