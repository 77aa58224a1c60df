"""Networks whose maps only fit together at some sizes take images of any size, and others get them as they are."""

import pytest
import torch

from objdisc.models.encoder import Encoder, build_encoder
from objdisc.models.padding import cut, pad, padded_size

AWKWARD = ("hrnet_w18_small", "dla34", "tresnet_m")


def assert_near(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Up to the rounding of normalisations that lie in the weights."""
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.fixture(scope="module", params=AWKWARD)
def awkward(request: pytest.FixtureRequest) -> Encoder:
    torch.manual_seed(0)
    return build_encoder(request.param, "none").eval()


@torch.no_grad()
def test_images_of_odd_sizes_are_those_of_padded_ones(awkward: Encoder) -> None:
    images = torch.randn(2, 3, 49, 70)
    features = awkward(images)
    assert_near(features, awkward.body(pad(images)))
    assert features.shape == (2, awkward.num_features)
    maps, whole = awkward.block_maps(images), awkward.block_maps(pad(images))
    for found, padded in zip(maps, whole, strict=True):
        assert_near(found, padded[:, :, : found.shape[2], : found.shape[3]])
        scale = padded.shape[2] / 64
        assert found.shape[2] - 1 < 49 * scale <= found.shape[2]
        assert found.shape[3] - 1 < 70 * scale <= found.shape[3]


@torch.no_grad()
def test_the_rest_get_images_as_they_are() -> None:
    for name in ("nin", "resnet18"):
        encoder = build_encoder(name, "none").eval()
        images = torch.randn(1, 3, 49, 70)
        assert_near(encoder(images), encoder.body(images))


def test_to_the_next_multiple_by_the_last_row_and_column() -> None:
    assert padded_size(32, 33) == (32, 64)
    images = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad(images)
    assert padded.shape == (1, 1, 32, 32)
    assert torch.equal(padded[..., :2, :3], images)
    assert (padded[..., 2:, 3:] == 5).all()
    assert cut(padded, 2, 3).shape == (1, 1, 2, 3)
