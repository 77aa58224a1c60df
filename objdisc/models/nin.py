"""Network in Network (Lin, Chen, Yan, ICLR 2014), with batch norm in place of dropout."""

from itertools import pairwise

from torch import Tensor, nn


def _block(channels: tuple[int, int, int, int], kernel: int) -> nn.Sequential:
    """One mlpconv block: a spatial convolution, then two 1x1 convolutions."""
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(channels)):
        size = kernel if index == 0 else 1
        layers += [nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class NetworkInNetwork(nn.Module):
    """Three mlpconv blocks of the paper's CIFAR-10 net and global average pooling.

    Args:
        num_features: Channels of the last layer.
    """

    def __init__(self, num_features: int = 192) -> None:
        super().__init__()
        self.num_features = num_features
        self.blocks = nn.Sequential(
            _block((3, 192, 160, 96), kernel=5),
            nn.MaxPool2d(3, stride=2, padding=1),
            _block((96, 192, 192, 192), kernel=5),
            nn.MaxPool2d(3, stride=2, padding=1),
            _block((192, 192, 192, num_features), kernel=3),
        )

    def block_maps(self, images: Tensor) -> list[Tensor]:
        """Return the map after each block, before the pooling that follows it, ``(B, C, h, w)``."""
        maps = []
        for layer in self.blocks:
            images = layer(images)
            if isinstance(layer, nn.Sequential):
                maps.append(images)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` images to ``(B, num_features)`` features."""
        features: Tensor = self.blocks(images)
        return features.mean(dim=(2, 3))
