"""The small fully convolutional network of per-pixel IIC, built from a list of its layers."""

import re

import torch
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.models.blocks import maps_of_blocks
from objdisc.models.sobel import derivatives

PUBLISHED_LAYERS = "S,64,128,M,256,256,512d2,512d2"

_CONVOLUTION = re.compile(r"(\d+)(?:d(\d+))?")


class SegNet(nn.Module):
    """3×3 convolutions, each with batch normalisation and a rectifier (Ji et al. 2019, supplement).

    Args:
        layers: Layers, separated by commas: a number is a convolution with that many output channels, ``256d2`` one
            with dilation 2, ``M`` is 2×2 max-pooling, ``S`` adds the two Sobel derivatives of the grey image.
        in_channels: C of the images; RGB first.

    Attributes:
        num_features: Channels of the last convolution.
    """

    def __init__(self, layers: str = PUBLISHED_LAYERS, in_channels: int = 3) -> None:
        super().__init__()
        built: list[nn.Module] = []
        channels = in_channels
        for layer in layers.split(","):
            convolution = _CONVOLUTION.fullmatch(layer.strip())
            if layer.strip() == "M":
                built.append(nn.MaxPool2d(2))
            elif layer.strip() == "S" and not built and in_channels >= 3:
                built.append(SobelChannels())
                channels += 2
            elif convolution is not None and int(convolution[1]) > 0:
                wide, dilation = int(convolution[1]), int(convolution[2] or 1)
                built += [
                    nn.Conv2d(channels, wide, 3, padding=dilation, dilation=dilation, bias=False),
                    nn.BatchNorm2d(wide),
                    nn.ReLU(inplace=True),
                ]
                channels = wide
            else:
                raise UsageError(
                    f"--encoder segnet:{layers}: {layer!r} is no layer; give widths such as 64 or 512d2, M, and S "
                    "only first and for RGB"
                )
        self.features = nn.Sequential(*built)
        self.num_features = channels

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Return the one map ``(B, num_features, H / 2^M, W / 2^M)`` of ``(B, C, H, W)`` images."""
        return [self.features(images)]

    def block_maps(self, images: Tensor) -> list[Tensor]:
        """Return the map behind each convolution's block, ``(B, C, h, w)``."""
        return maps_of_blocks(self.features, images)

    def forward(self, images: Tensor) -> Tensor:
        """Return the map's mean over all positions, ``(B, num_features)``."""
        pooled: Tensor = self.features(images).mean(dim=(2, 3))
        return pooled


class SobelChannels(nn.Module):
    """Appends the horizontal and vertical Sobel derivative of the grey image to its channels."""

    def forward(self, images: Tensor) -> Tensor:
        """Turn ``(B, C, H, W)``, RGB first, into ``(B, C + 2, H, W)``; the border is repeated, so it is no edge."""
        edges = derivatives(images)
        return torch.cat([images, edges.to(images.dtype)], dim=1).contiguous(memory_format=torch.channels_last)
