"""Residual networks for small images: that of image IIC for STL10 and CIFAR, that of SCAN, and smaller ones."""

from torch import Tensor, nn
from torchvision.models import resnet34
from torchvision.models.resnet import BasicBlock

from objdisc.errors import UsageError


class SmallImageResNet34(nn.Module):
    """ResNet-34 with a 3×3 stem of stride 1 and 2×2 pooling, and without its classifier.

    ImageNet's 7×7 stem of stride 2 and 3×3 pooling would leave a 32×32 image 8 pixels wide before the first block
    (Ji et al. 2019, supplement, "ClusterNet5g").

    Attributes:
        num_features: Length of the output, 512.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = resnet34(weights=None)
        self.network.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
        self.network.maxpool = nn.MaxPool2d(2, padding=1)
        self.num_features: int = self.network.fc.in_features
        self.network.fc = nn.Identity()
        nn.init.kaiming_normal_(self.network.conv1.weight, mode="fan_out", nonlinearity="relu")

    def block_maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the stem, after its pooling, and of the four stages, ``(B, C, h, w)``."""
        net = self.network
        maps = [net.maxpool(net.relu(net.bn1(net.conv1(images))))]
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            maps.append(stage(maps[-1]))
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` images to ``(B, num_features)`` features."""
        features: Tensor = self.network(images)
        return features


class SmallImageResNet18(nn.Module):
    """ResNet-18 with a 3×3 stem of stride 1, without pooling after it and without its classifier.

    This is the usual form for 32×32 images (Chen et al. 2020, appendix B.9). Without a GPU, narrower and coarser ones
    are cheaper by the square of both factors.

    Args:
        width: Channels of the first stage; each of the three later ones has twice as many.
        stride: Stride of the stem; 2 halves the side of every map.

    Attributes:
        num_features: Length of the output, eight times the width.
    """

    def __init__(self, width: int = 64, stride: int = 1) -> None:
        super().__init__()
        if width < 1 or stride not in {1, 2}:
            raise UsageError(f"--encoder resnet18_3x3: width {width}, stride {stride}: at least 1, and 1 or 2")
        self.stem = nn.Sequential(_conv(3, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU())
        channels = [width, width, 2 * width, 4 * width, 8 * width]
        stages = zip(channels[:-1], channels[1:], (1, 2, 2, 2), strict=True)
        self.stages = nn.Sequential(*(_stage(before, after, step) for before, after, step in stages))
        self.num_features = channels[-1]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @classmethod
    def parse(cls, text: str) -> "SmallImageResNet18":
        """Build the network that ``WIDTH`` or ``WIDTH,STRIDE`` describes.

        Raises:
            UsageError: The text has neither form.
        """
        words = text.split(",")
        if len(words) > 2 or not all(word.isdecimal() for word in words):
            raise UsageError(f"--encoder resnet18_3x3:{text}: give a width and a stride, as in resnet18_3x3:32,2")
        return cls(*map(int, words))

    def block_maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the stem and of the four stages, ``(B, C, h, w)``."""
        maps = [self.stem(images)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` images to ``(B, num_features)`` features."""
        maps: Tensor = self.stages(self.stem(images))
        return maps.mean(dim=(2, 3))


def _conv(before: int, after: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)


def _stage(before: int, after: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or before != after:
        shortcut = nn.Sequential(_conv(before, after, 1, stride), nn.BatchNorm2d(after))
    return nn.Sequential(BasicBlock(before, after, stride, shortcut), BasicBlock(after, after))
