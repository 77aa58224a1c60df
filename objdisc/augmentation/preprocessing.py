"""From stored patches to the input of a network: normalised, with the background kept, dimmed or blanked."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Background = Literal["keep", "dim", "blank"]

_CONTRAST = 0.16  # standard deviation of an object's brightness that all are brought to, in [0, 1]
_LEAST_CONTRAST = 0.02
_PIXELS_IN_CACHE = 8 * 224 * 224  # 8 patches of 224 pixels: 8 ns a pixel, 47 patches: 40
_AS_IT_IS: tuple[Background, float] = ("keep", 0.0)
_KEPT_SHARE = {"keep": 1.0, "dim": 0.25, "blank": 0.0}


@dataclass(frozen=True)
class Preprocessing:
    """Turns patches into the input of a network; training, prediction and export share one.

    Attributes:
        mean: Mean of each channel of images in [0, 1].
        std: Standard deviation of each channel of images in [0, 1].
        background: What happens to the pixels outside the region: ``keep`` leaves them; ``dim`` leaves a quarter of
            their contrast with the mean colour; ``blank`` leaves none.
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
        return self._in_pieces(patches, (self.background, self.equalization))[0]

    def in_context(self, patches: Tensor) -> Tensor:
        """Return the same preprocessing with the background kept and no equalization."""
        return self._in_pieces(patches, _AS_IT_IS)[0]

    def both(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return patches as ``self(patches)`` and ``in_context`` give them: the same tensor if these are alike."""
        if self.keeps_context:
            images = self(patches)
            return images, images
        images, context = self._in_pieces(patches, (self.background, self.equalization), _AS_IT_IS)
        return images, context

    @property
    def keeps_context(self) -> bool:
        """Whether ``in_context`` gives the same images."""
        return self.background == "keep" and self.equalization == 0

    def _in_pieces(self, patches: Tensor, *ways: tuple[Background, float]) -> list[Tensor]:
        """Normalise patches in several ways, a piece at a time, so that the pieces stay in the processor's cache."""
        at_once = max(_PIXELS_IN_CACHE // patches.shape[1] ** 2, 1)
        # an exported program takes batches of any size in one piece
        whole = torch.compiler.is_compiling() or len(patches) <= at_once
        pieces = (patches,) if whole else torch.split(patches, at_once)
        found = [[self._normalized(planes, *way) for way in ways] for planes in map(_planes, pieces)]
        return [one[0] if len(one) == 1 else torch.cat(one) for one in zip(*found, strict=True)]

    def _normalized(self, planes: Tensor, background: Background, equalization: float) -> Tensor:
        rgb, mask = planes[:-1], planes[-1]
        center, scale = torch.tensor(self.mean, device=planes.device), torch.tensor(self.std, device=planes.device)
        factor, summand = (1 / scale)[:, None], (-center / scale)[:, None]  # (C, 1)
        if equalization:
            # one grey for all channels, where brightness changes: what is grey in shade must be grey in the sun
            shift, gain = _equalization(rgb, mask, center.mean(), equalization)
            factor, summand = factor * gain, (shift - center.mean()) * gain / scale[:, None]  # (C, B)
        images = torch.addcmul(summand[..., None, None], rgb, factor[..., None, None])  # (C, B, S, S)
        kept = _KEPT_SHARE[background]
        if kept < 1:
            images = images * (kept + (1 - kept) * mask)
        # permuting a contiguous (B, S, S, C) tensor is what channels_last means
        return images.permute(1, 2, 3, 0).contiguous().permute(0, 3, 1, 2)


def _planes(patches: Tensor) -> Tensor:
    """Return ``(B, S, S, C + 1)`` uint8 as ``(C + 1, B, S, S)`` in [0, 1].

    Whole planes take a third of the time of interleaved channels to read and write.
    """
    return patches.permute(3, 0, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 255


def _equalization(rgb: Tensor, mask: Tensor, middle: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Find the changes that bring the brightness of each region towards a common mean and deviation.

    Args:
        rgb: ``(C, B, S, S)`` in [0, 1].
        mask: ``(B, S, S)`` in [0, 1].
        middle: The mean that brightness is brought to.
        strength: 0 to 1.

    Returns:
        The value to add to each region, and the factor to multiply its distance to ``middle`` by then, ``(B,)`` each.
    """
    brightness, inside = rgb.mean(dim=0).flatten(1), mask.flatten(1)  # (B, S * S)
    pixels = inside.sum(dim=1).clamp_min(1)
    mean = (brightness * inside).sum(dim=1) / pixels
    variance = ((brightness - mean[:, None]).square() * inside).sum(dim=1) / pixels
    # a region of one flat colour has no contrast to stretch
    gain = (_CONTRAST / variance.sqrt().clamp_min(_LEAST_CONTRAST)) ** strength
    return strength * (middle - mean), gain
