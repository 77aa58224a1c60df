"""A kept copy stays as its encoder was, sees images at its own size, and stands beside the encoder's features."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder
from objdisc.models.kept import KeptCopy, features_of, num_features


def make_encoder() -> Encoder:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Encoder(body, 4)


def images() -> Tensor:
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_it_sees_images_at_its_own_size() -> None:
    encoder = make_encoder().eval()
    larger = F.interpolate(images(), (12, 12), mode="bicubic", align_corners=False)
    assert torch.equal(KeptCopy(encoder, 12).eval()(images()), encoder(larger))
    assert not torch.allclose(encoder(larger), encoder(images()))


def test_a_size_below_one_pixel_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="kept_side -1: pixels, at least 1"):
        KeptCopy(make_encoder(), -1)


def test_training_moves_the_encoder_alone() -> None:
    encoder = make_encoder()
    kept = KeptCopy(encoder, 8)
    before = {name: value.clone() for name, value in kept.state_dict().items()}
    both = nn.ModuleList([encoder, kept]).train()
    optimizer = torch.optim.SGD([p for p in both.parameters() if p.requires_grad], 0.1)
    torch.autograd.backward(features_of(images(), encoder, kept).square().sum())
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in kept.state_dict().items())
    assert not torch.equal(encoder.body[0].weight, kept.encoder.body[0].weight)  # type: ignore[index]


def test_features_lie_side_by_side() -> None:
    encoder = make_encoder().eval()
    kept = KeptCopy(encoder, 12)
    found = features_of(images(), encoder, kept)
    assert found.shape == (6, num_features(encoder, kept)) == (6, 8)
    assert torch.equal(found[:, :4], encoder(images()))
    assert torch.equal(found[:, 4:], kept(images()))
    assert torch.equal(features_of(images(), encoder, None), encoder(images()))
    assert num_features(encoder, None) == 4
