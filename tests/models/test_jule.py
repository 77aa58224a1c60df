"""The networks of JULE leave the maps that the published ones leave."""

import pytest
import torch

from objdisc.models.encoder import build_encoder
from objdisc.models.jule import JuleNet


@pytest.mark.parametrize(("side", "inputs"), [(16, 1800), (28, 3200), (32, 1250), (128, 1250)])
def test_last_layer_takes_what_the_published_one_takes(side: int, inputs: int) -> None:
    net = JuleNet(side)
    assert net.projection.weight.shape == (160, inputs)
    maps = net.features(torch.randn(2, 1, side, side))
    assert torch.equal(net.pool(maps), maps), "no grid is forced on images of this side"
    assert net(torch.randn(2, 3, side, side)).shape == (2, 160)


def test_images_of_another_side_are_let_through() -> None:
    assert build_encoder("jule28", "none")(torch.randn(2, 3, 40, 40)).shape == (2, 160)


@pytest.mark.parametrize(("name", "side", "sees_color"), [("jule32", 32, False), ("jule32_rgb", 32, True)])
def test_colour_is_seen_where_the_name_says_so(name: str, side: int, sees_color: bool) -> None:
    net = build_encoder(name, "none").eval()
    images = torch.randn(2, 3, side, side)
    swapped = images.flip(1)
    assert torch.allclose(net(images), net(swapped), atol=1e-6) is not sees_color


def test_features_are_of_full_precision_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert build_encoder("jule16", "none")(torch.randn(2, 3, 16, 16)).dtype == torch.float32
