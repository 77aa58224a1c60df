"""Network in Network: its layers are those of the paper's table."""

import torch
from torch import nn

from objdisc.models.nin import NetworkInNetwork


def test_layers_are_those_of_the_paper() -> None:
    convolutions = [layer for layer in NetworkInNetwork().modules() if isinstance(layer, nn.Conv2d)]
    shapes = [(layer.in_channels, layer.out_channels, layer.kernel_size[0]) for layer in convolutions]
    assert shapes == [
        (3, 192, 5),
        (192, 160, 1),
        (160, 96, 1),
        (96, 192, 5),
        (192, 192, 1),
        (192, 192, 1),
        (192, 192, 3),
        (192, 192, 1),
        (192, 192, 1),
    ]


def test_any_image_size_gives_one_vector() -> None:
    network = NetworkInNetwork(num_features=10).eval()
    for side in (16, 32, 45):
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 10)
