"""Raw pixels as features: the encoder of baselines without a network."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.models.encoder import Encoder


class Pixels(nn.Module):
    """Images as vectors of their pixels, ``(B, C * s * s)``.

    Args:
        side: s, in pixels; larger images are averaged over areas, smaller ones stay as they are. 0 leaves all
            unchanged.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C * s * s)`` float32."""
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            if 0 < self.side < images.shape[2]:
                images = F.interpolate(images, size=(self.side, self.side), mode="area")
            return images.flatten(1)


def pixel_vectors(images: Tensor, encoder: Encoder, *, unit: bool) -> Tensor:
    """Return images as vectors of their pixels, ``(B, C * H * W)`` float32, for any encoder.

    Args:
        images: ``(B, C, H, W)``, normalised as the encoder wants them.
        encoder: The encoder whose normalisation is undone.
        unit: Whether vectors have unit length; otherwise values lie in [0, 1].
    """
    mean, std = (images.new_tensor(values)[:, None, None] for values in (encoder.mean, encoder.std))
    flat = (images.float() * std + mean).flatten(1)
    return F.normalize(flat, dim=1) if unit else flat


def pixel_encoder(channels: int, side: int) -> Encoder:
    """Build an encoder of pixels in [0, 1].

    Args:
        channels: Channels of the images.
        side: Side in pixels, as ``Pixels`` takes it.
    """
    encoder = Encoder(Pixels(side), channels * side**2, (0.0,) * channels, (1.0,) * channels)
    encoder.name = "pixels"
    return encoder
