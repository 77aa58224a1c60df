"""The small fully convolutional network of per-pixel IIC, built from a list of its layers."""

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.errors import UsageError

PUBLISHED_LAYERS = "S,64,128,M,256,256,512d2,512d2"

_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
_CONVOLUTION = re.compile(r"(\d+)(?:d(\d+))?")


class SegNet(nn.Module):
    """3×3 convolutions, each with batch normalisation and a rectifier (Ji et al. 2019, supplement).

    Args:
        layers: With commas between: a number is a convolution to so many channels, ``256d2`` one of dilation 2, ``M``
            halves the resolution by the largest of 2×2, ``S`` adds the two Sobel derivatives of the grey image.
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
                    f"--encoder segnet:{layers}: {layer!r} is no layer here; give widths such as 64 or 512d2, M, and S "
                    "only first and for RGB"
                )
        self.features = nn.Sequential(*built)
        self.num_features = channels

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Return the one map ``(B, num_features, H / 2^M, W / 2^M)`` of ``(B, C, H, W)`` images."""
        return [self.features(images)]

    def forward(self, images: Tensor) -> Tensor:
        """Return the map's mean over all places, ``(B, num_features)``."""
        pooled: Tensor = self.features(images).mean(dim=(2, 3))
        return pooled


class SobelChannels(nn.Module):
    """Appends the horizontal and vertical Sobel derivative of the grey image to its channels."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 2
        self.register_buffer("kernel", torch.stack([across, across.T])[:, None], persistent=False)  # (2, 1, 3, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Turn ``(B, C, H, W)``, RGB first, into ``(B, C + 2, H, W)``; the border repeats, so that it is no edge."""
        luma = images.new_tensor(_LUMA)[:, None, None]
        grey = (images[:, :3] * luma).sum(dim=1, keepdim=True)
        edges = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), self.kernel.to(grey.dtype))
        return torch.cat([images, edges.to(images.dtype)], dim=1).contiguous(memory_format=torch.channels_last)
