"""From patches as they are stored to the input of a network: normalised, backgrounds kept, dimmed or blanked."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Background = Literal["keep", "dim", "blank"]

_CONTRAST = 0.16  # standard deviation of an object's brightness that all are brought to, in [0, 1]
_LEAST_CONTRAST = 0.02
_KEPT_SHARE = {"keep": 1.0, "dim": 0.25, "blank": 0.0}


@dataclass(frozen=True)
class Preprocessing:
    """What turns patches into the input of a network; training, prediction and export share one.

    Attributes:
        mean: Mean of each channel, of images in [0, 1].
        std: Standard deviation of each channel, likewise.
        background: What becomes of the pixels outside of the region: ``keep``; ``dim`` leaves a quarter of their
            contrast with the mean colour; ``blank`` leaves none.
        equalization: How far every region is brought to the same mean brightness and contrast, so that objects in
            shade and in sun differ by shape, colour and texture: 0 not at all, 1 wholly.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    background: Background = "keep"
    equalization: float = 0.0

    def __call__(self, patches: Tensor) -> Tensor:
        """Normalise patches on their device.

        Args:
            patches: ``(B, S, S, C + 1)`` uint8: C image channels, RGB first, and the mask of the region.

        Returns:
            ``(B, C, S, S)`` float32 in channels_last memory format.
        """
        return self._normalized(patches, self.background, self.equalization)

    def in_context(self, patches: Tensor) -> Tensor:
        """Return the same with the background kept and the light as it is."""
        return self._normalized(patches, "keep", 0.0)

    def both(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return patches as ``self(patches)`` and ``in_context``: one tensor where these are alike."""
        images = self(patches)
        return images, images if self.keeps_context else self.in_context(patches)

    @property
    def keeps_context(self) -> bool:
        """Whether images are what ``in_context`` gives anyway."""
        return self.background == "keep" and self.equalization == 0

    def _normalized(self, patches: Tensor, background: Background, equalization: float) -> Tensor:
        pixels = patches.float() / 255  # (B, S, S, C + 1)
        rgb, mask = pixels[..., :-1], pixels[..., -1:]
        center, scale = torch.tensor(self.mean, device=patches.device), torch.tensor(self.std, device=patches.device)
        # one grey for all channels, where brightness changes: what is grey in shade must be grey in the sun
        rgb = _equalize(rgb - center.mean(), mask, equalization) if equalization else rgb - center
        kept = _KEPT_SHARE[background]
        # permuting a contiguous (B, S, S, C) tensor is what channels_last means
        return (rgb / scale * (kept + (1 - kept) * mask)).permute(0, 3, 1, 2)


def _equalize(rgb: Tensor, mask: Tensor, strength: float) -> Tensor:
    """Bring the brightness of each region towards mean 0 and a common deviation.

    Args:
        rgb: ``(B, S, S, C)`` around 0, an intensity range of 1 wide.
        mask: ``(B, S, S, 1)`` in [0, 1].
        strength: 0 to 1.
    """
    brightness = rgb.mean(dim=3, keepdim=True)
    pixels = mask.sum(dim=(1, 2), keepdim=True).clamp_min(1)
    center = (brightness * mask).sum(dim=(1, 2), keepdim=True) / pixels
    variance = ((brightness - center).square() * mask).sum(dim=(1, 2), keepdim=True) / pixels
    # a region of one flat colour has no contrast to stretch
    gain = (_CONTRAST / variance.sqrt().clamp_min(_LEAST_CONTRAST)) ** strength
    return (rgb - strength * center) * gain
