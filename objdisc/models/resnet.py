"""ResNet-34 for small images: the network of image IIC for STL10 and CIFAR."""

from torch import Tensor, nn
from torchvision.models import resnet34


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

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` images to ``(B, num_features)`` features."""
        features: Tensor = self.network(images)
        return features
