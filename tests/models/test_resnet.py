"""ResNet-34 for small images: torchvision's blocks behind a stem that keeps resolution."""

import torch
from torchvision.models import resnet34

from objdisc.models.resnet import SmallImageResNet34


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
