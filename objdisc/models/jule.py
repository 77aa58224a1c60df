"""The networks of joint unsupervised learning (Yang, Parikh and Batra, CVPR 2016), by image side."""

import torch
from torch import Tensor, nn

_WIDTH = 50
_POOLED = {16: (True,), 28: (True, False), 32: (True, True), 55: (True, True), 128: (True, True, True, True)}
"""For each side in pixels, whether each block ends with pooling: USPS, MNIST, FRGC and CMU-PIE, YTF, COIL."""


class JuleNet(nn.Module):
    """Blocks of a 5×5 convolution without padding, batch normalisation, a rectifier and 2×2 max-pooling; then a layer.

    Weights start as in the published program, normal with a standard deviation of 0.01. That is small on purpose: the
    output is normalised, so smaller weights change direction faster.

    Args:
        side: Side of the images in pixels, one of those in the paper's table; for images of other sides, the last map
            is averaged to the grid that this side would give.
        color: Whether the network sees colour; the paper's data sets are mostly grey, and their networks have one input
            channel.
        num_features: Length of the output, which the paper scales to unit length.
    """

    def __init__(self, side: int = 28, color: bool = False, num_features: int = 160) -> None:
        super().__init__()
        self.num_features, self.color = num_features, color
        layers: list[nn.Module] = []
        channels, grid = 3 if color else 1, side
        for pooled in _POOLED[side]:
            layers += [nn.Conv2d(channels, _WIDTH, 5, bias=False), nn.BatchNorm2d(_WIDTH), nn.ReLU(inplace=True)]
            channels, grid = _WIDTH, grid - 4
            if pooled:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                grid = -(-grid // 2)
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.projection = nn.Linear(_WIDTH * grid**2, num_features)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(self.projection.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` images to ``(B, num_features)`` float32, not yet of unit length."""
        seen = images if self.color else images.mean(dim=1, keepdim=True)
        maps = self.pool(self.features(seen)).flatten(1)
        # neighbours of trained features lie nearer than bf16 can tell
        with torch.autocast(maps.device.type, enabled=False):
            projected: Tensor = self.projection(maps.float())
        return projected
