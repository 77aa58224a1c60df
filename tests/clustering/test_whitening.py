"""PCA whitening against scikit-learn, and on points that leave nothing to whiten."""

import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from objdisc.clustering.whitening import pca_whitening


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
