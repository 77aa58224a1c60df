"""An encoder together with a frozen copy of itself, which keeps the initial weights."""

import copy
from typing import Self

import torch
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder


class KeptCopy(nn.Module):
    """A frozen copy of an encoder, which may see larger images than the original.

    Training may lose what a network knew before, such as ImageNet's classes. The copy recognises these better at an
    image size closer to that of its own training, which would be expensive to train at but is cheap to encode at.

    Args:
        encoder: The encoder, copied as it is now: before it is trained, and before another run's weights are loaded.
        side: Side in pixels that images are scaled to.

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
        """Stay in evaluation mode, whatever ``mode`` is."""
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
