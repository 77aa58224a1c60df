"""Every network that has blocks shows the map behind each, and the last one is what its features are made of."""

import pytest
import torch
from torch import nn

from objdisc.errors import UsageError
from objdisc.models.alexnet import AlexNet
from objdisc.models.blocks import maps_of_blocks
from objdisc.models.encoder import build_encoder


def test_a_block_is_a_convolution_and_all_up_to_the_next() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 5, 1), nn.ReLU()
    )
    images = torch.randn(2, 3, 10, 10)
    first, second = maps_of_blocks(layers, images)
    torch.testing.assert_close(first, layers[:4](images))
    torch.testing.assert_close(second, layers(images))


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("vgg5x5", [64, 128, 256, 512]),
        ("vgg3x3", [32, 64, 128, 256]),
        ("nin", [96, 192, 192]),
        ("resnet34_3x3", [64, 64, 128, 256, 512]),
        ("resnet18_3x3:8", [8, 8, 16, 32, 64]),
        ("alexnet", [96, 256, 384, 384, 256]),
        ("segnet:8,M,16", [8, 16]),
        ("tu-resnet18", [64, 64, 128, 256, 512]),
        ("tf_efficientnet_lite0", [16, 24, 40, 112, 320]),
    ],
)
def test_networks_show_their_blocks(name: str, channels: list[int]) -> None:
    encoder = build_encoder(name, "none").eval()
    with torch.no_grad():
        maps = encoder.block_maps(torch.randn(2, 3, 64, 64))
    assert [found.shape[1] for found in maps] == channels
    sides = [found.shape[3] for found in maps]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("name", ["vgg3x3", "nin", "resnet34_3x3", "resnet18_3x3:8", "segnet:8,M,16"])
def test_features_are_made_of_the_last_map(name: str) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(name, "none").eval()
    images = torch.randn(2, 3, 24, 24)
    with torch.no_grad():
        last, features = encoder.block_maps(images)[-1], encoder(images)
    grid = 3 if name == "vgg3x3" else 1
    pooled = nn.functional.adaptive_avg_pool2d(last, grid).flatten(1)
    torch.testing.assert_close(pooled, features)


def test_a_network_without_blocks_says_so() -> None:
    with pytest.raises(UsageError, match="no blocks to look into"):
        build_encoder("googlenet", "none").block_maps(torch.zeros(1, 3, 64, 64))


def test_alexnet_has_the_papers_layers() -> None:
    network = AlexNet().eval()
    convolutions = [layer for layer in network.features if isinstance(layer, nn.Conv2d)]
    assert [(layer.out_channels, layer.kernel_size[0]) for layer in convolutions] == [
        (96, 11),
        (256, 5),
        (384, 3),
        (384, 3),
        (256, 3),
    ]
    with torch.no_grad():
        assert network.block_maps(torch.zeros(1, 3, 224, 224))[-1].shape == (1, 256, 6, 6)
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, network.num_features) == (1, 4096)
