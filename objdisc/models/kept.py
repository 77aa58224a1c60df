"""An encoder beside a copy of itself that keeps the weights it came with, whatever training makes of the original."""

import copy
from typing import Self

import torch
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder


class KeptCopy(nn.Module):
    """A copy of an encoder that never learns, and may see images larger than the original does.

    Training for one thing need not keep what a network came with, such as ImageNet's classes. Those are read better
    from images nearer to the size that the weights know, which would be dear to train at but is cheap to read.

    Args:
        encoder: Copied as it is now: before it is trained, and before another run's weights are put into it.
        side: Images are scaled to so many pixels a side.

    Raises:
        UsageError: The side is not at least 1.
    """

    def __init__(self, encoder: Encoder, side: int) -> None:
        super().__init__()
        if side < 1:
            raise UsageError(f"kept_side {side}: pixels, at least 1; 0 for no copy")
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.encoder.input_side = side

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever is asked for."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Map normalised ``(B, C, H, W)`` images to features ``(B, F)``."""
        features: Tensor = self.encoder(images)
        return features


def features_of(images: Tensor, encoder: Encoder, kept_copy: KeptCopy | None) -> Tensor:
    """Return the features ``(B, num_features(encoder, kept_copy))`` float32 of ``(B, C, H, W)`` images."""
    features: Tensor = encoder(images).float()
    return features if kept_copy is None else torch.cat([features, kept_copy(images).float()], dim=1)


def num_features(encoder: Encoder, kept_copy: KeptCopy | None) -> int:
    """Count the features of an encoder and its copy, if it has one."""
    return encoder.num_features * (1 if kept_copy is None else 2)
