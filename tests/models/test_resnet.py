"""Residual networks for small images: torchvision's blocks behind a stem that keeps resolution."""

import pytest
import torch
from torchvision.models import resnet18, resnet34

from objdisc.errors import UsageError
from objdisc.models.encoder import build_encoder
from objdisc.models.resnet import SmallImageResNet18, SmallImageResNet34


def test_a_small_image_is_still_wide_at_the_first_block() -> None:
    network = SmallImageResNet34().eval()
    body = network.network
    stem = body.maxpool(body.relu(body.bn1(body.conv1(torch.zeros(1, 3, 32, 32)))))
    assert stem.shape == (1, 64, 17, 17)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, network.num_features) == (2, 512)


def test_blocks_are_those_of_resnet34() -> None:
    ours, original = (
        {name: parameter.shape for name, parameter in network.named_parameters() if name.startswith("layer")}
        for network in (SmallImageResNet34().network, resnet34(weights=None))
    )
    assert ours == original


def test_blocks_are_those_of_resnet18_in_the_same_order() -> None:
    ours = [parameter.shape for parameter in SmallImageResNet18().stages.parameters()]
    original = [value.shape for name, value in resnet18(weights=None).named_parameters() if name.startswith("layer")]
    assert ours == original


@pytest.mark.parametrize(("name", "features", "first"), [("", 512, 32), (":32", 256, 32), (":24,2", 192, 16)])
def test_width_and_stride_follow_the_name(name: str, features: int, first: int) -> None:
    encoder = build_encoder(f"resnet18_3x3{name}", "none").eval()
    assert encoder(torch.zeros(2, 3, 32, 32)).shape == (2, encoder.num_features) == (2, features)
    body = encoder.body
    assert isinstance(body, SmallImageResNet18)
    assert body.stages[0](body.stem(torch.zeros(1, 3, 32, 32))).shape[2:] == (first, first)


@pytest.mark.parametrize("wrong", ["wide", "32,3", "0", "32,1,1", "-3"])
def test_another_description_is_a_usage_error(wrong: str) -> None:
    with pytest.raises(UsageError, match="--encoder resnet18_3x3"):
        build_encoder(f"resnet18_3x3:{wrong}", "none")


def test_there_are_no_imagenet_weights_for_it() -> None:
    with pytest.raises(UsageError, match="there are none for resnet18_3x3:32"):
        build_encoder("resnet18_3x3:32", "imagenet")
