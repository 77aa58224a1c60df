"""AlexNet with batch normalisation: the network of DeepCluster's main tables."""

from torch import Tensor, nn

from objdisc.models.blocks import maps_of_blocks

_GRID = 6


class AlexNet(nn.Module):
    """Five convolutions and two fully connected layers (Krizhevsky et al. 2012, as Caron et al. 2018, section 4).

    Local response normalisation is replaced by batch normalisation, as in the paper. It is made for 224×224 pixels,
    which give a grid of 6×6; maps of other sizes are averaged to such a grid.

    Args:
        widths: Channels of the convolutions.
        hidden: Width of the fully connected layers.

    Attributes:
        num_features: Length of the output, ``hidden``.
    """

    def __init__(self, widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256), hidden: int = 4096) -> None:
        super().__init__()
        kernels, strides, paddings = (11, 5, 3, 3, 3), (4, 1, 1, 1, 1), (2, 2, 1, 1, 1)
        layers: list[nn.Module] = []
        channels = 3
        for number, width in enumerate(widths):
            layers += [
                nn.Conv2d(channels, width, kernels[number], strides[number], paddings[number], bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            if number in {0, 1, 4}:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            channels = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(_GRID)
        self.connected = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(channels * _GRID**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
        )
        self.num_features = hidden

    def block_maps(self, images: Tensor) -> list[Tensor]:
        """Return the map after each convolution's block, ``(B, C, h, w)``, fine to coarse."""
        return maps_of_blocks(self.features, images)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` images to ``(B, num_features)`` features."""
        features: Tensor = self.connected(self.pool(self.features(images)).flatten(1))
        return features
