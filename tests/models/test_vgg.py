"""The network for digits: its layers are the published ones."""

import pytest
import torch
from torch import nn

from objdisc.models.vgg import Vgg


def test_layers_are_the_published_ones() -> None:
    kinds = [type(layer).__name__ for layer in Vgg().features]
    block = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds == [*block, "MaxPool2d"] * 3 + block
    convolutions = [layer for layer in Vgg().features if isinstance(layer, nn.Conv2d)]
    assert [(layer.out_channels, layer.kernel_size) for layer in convolutions] == [
        (64, (5, 5)),
        (128, (5, 5)),
        (256, (5, 5)),
        (512, (5, 5)),
    ]


def test_published_input_is_flattened_place_by_place() -> None:
    network = Vgg().eval()
    images = torch.randn(2, 3, 24, 24)
    assert network.feature_maps(images)[0].shape == (2, 512, 3, 3)
    assert torch.equal(network(images), network.features(images).flatten(1))


@pytest.mark.parametrize("side", [8, 20, 24, 28, 37])
def test_any_image_size_gives_one_vector(side: int) -> None:
    network = Vgg((8, 8, 8, 16), kernel=3).eval()
    assert network(torch.zeros(2, 3, side, side)).shape == (2, network.num_features) == (2, 144)


def test_early_pooling_computes_the_same_while_normalisation_is_the_identity() -> None:
    late, early = Vgg((4, 4, 4, 4), 3).eval(), Vgg((4, 4, 4, 4), 3, early_pooling=True).eval()
    sources = [layer for layer in late.features if isinstance(layer, nn.Conv2d)]
    targets = [layer for layer in early.features if isinstance(layer, nn.Conv2d)]
    for source, target in zip(sources, targets, strict=True):
        target.load_state_dict(source.state_dict())
    images = torch.randn(2, 3, 24, 24)
    torch.testing.assert_close(early(images), late(images))
