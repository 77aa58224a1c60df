"""The per-pixel network: its layers as written, its Sobel channels against OpenCV, and no leak at the borders."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from objdisc.errors import UsageError
from objdisc.models.segnet import SegNet, SobelChannels


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [module for module in net.modules() if isinstance(module, nn.Conv2d)]


def test_published_layers() -> None:
    net = SegNet()
    assert [layer.out_channels for layer in convolutions(net)] == [64, 128, 256, 256, 512, 512]
    assert [layer.dilation[0] for layer in convolutions(net)] == [1, 1, 1, 1, 2, 2]
    assert {layer.kernel_size for layer in convolutions(net)} == {(3, 3)}
    assert convolutions(net)[0].in_channels == 5, "RGB and two derivatives"
    (features,) = net.feature_maps(torch.zeros(2, 3, 32, 48))
    assert features.shape == (2, net.num_features, 16, 24) == (2, 512, 16, 24)
    assert net(torch.zeros(2, 3, 32, 48)).shape == (2, 512)


def test_layers_and_channels_are_chosen() -> None:
    net = SegNet("8,M,16,M,24d4", in_channels=4)
    assert convolutions(net)[0].in_channels == 4
    assert net.feature_maps(torch.zeros(1, 4, 32, 32))[0].shape == (1, 24, 8, 8)


@pytest.mark.parametrize("layers", ["64,Q", "", "64,0", "64,S", "64d", "-3"])
def test_unknown_layers_are_named(layers: str) -> None:
    with pytest.raises(UsageError, match="is no layer"):
        SegNet(layers)


def test_sobel_of_an_image_without_colour_is_refused() -> None:
    with pytest.raises(UsageError, match="'S' is no layer"):
        SegNet("S,64", in_channels=1)


def test_sobel_channels_are_those_of_opencv() -> None:
    """Inputs lie in -1 to 1: half of OpenCV's kernel there is the whole one on an image in 0 to 1."""
    image = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    seen = SobelChannels()(torch.from_numpy(image * 2 - 1).permute(2, 0, 1)[None])[0].numpy()
    assert seen.shape == (5, 20, 30)
    np.testing.assert_allclose(seen[:3].transpose(1, 2, 0), image * 2 - 1, atol=1e-6)
    for channel, (dx, dy) in enumerate([(1, 0), (0, 1)], start=3):
        expected = cv2.Sobel(grey, cv2.CV_32F, dx, dy, ksize=3, borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(seen[channel], expected, atol=1e-5)
