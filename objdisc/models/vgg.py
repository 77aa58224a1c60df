"""Plain stacks of convolutions for small images: the network of image IIC for digits, and a lighter one."""

from collections.abc import Sequence

from torch import Tensor, nn

from objdisc.models.blocks import maps_of_blocks

_GRID = 3


class Vgg(nn.Module):
    """Four convolutions with batch normalisation and a rectifier, the first three followed by 2×2 max-pooling.

    The published network (Ji et al. 2019, supplement, "ClusterNet6c") has the defaults and is made for 24×24 pixels,
    which give a grid of 3×3; maps of other sizes are averaged to such a grid.

    Args:
        widths: Channels of the convolutions.
        kernel: Side of their filters in pixels, odd.
        early_pooling: Whether pooling comes before batch normalisation and rectifier, which then process a quarter of
            the values; the result is nearly the same.

    Attributes:
        num_features: Length of the output: the last width times 9 positions.
    """

    def __init__(
        self, widths: Sequence[int] = (64, 128, 256, 512), kernel: int = 5, early_pooling: bool = False
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for number, width in enumerate(widths):
            convolution = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
            activation = [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            pooling = [nn.MaxPool2d(2, ceil_mode=True)] if number < len(widths) - 1 else []
            layers += [convolution, *pooling, *activation] if early_pooling else [convolution, *activation, *pooling]
            channels = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(_GRID)
        self.num_features = channels * _GRID**2

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Return the one map ``(B, widths[-1], ceil(H / 8), ceil(W / 8))`` of ``(B, 3, H, W)`` images."""
        return [self.features(images)]

    def block_maps(self, images: Tensor) -> list[Tensor]:
        """Return the map behind each convolution's block, ``(B, C, h, w)``."""
        return maps_of_blocks(self.features, images)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` images to ``(B, num_features)`` features."""
        features: Tensor = self.pool(self.features(images)).flatten(1)
        return features
