"""Horizontal and vertical derivatives of brightness, instead of colour or in addition to it."""

import torch
from torch import Tensor
from torch.nn import functional as F

_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def derivatives(images: Tensor) -> Tensor:
    """Return the Sobel derivatives of an image's brightness.

    Args:
        images: ``(B, C, H, W)``, RGB first.

    Returns:
        ``(B, 2, H, W)``, to the right and downwards; a step of 1 gives 2.
    """
    grey = (images[:, :3] * images.new_tensor(_LUMA)[:, None, None]).sum(dim=1, keepdim=True)
    across = images.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 2
    # the border repeats, so that it is no edge
    return F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), torch.stack([across, across.T])[:, None])


def sobel(images: Tensor) -> Tensor:
    """Turn RGB into horizontal and vertical derivatives of brightness.

    Args:
        images: ``(B, 3, H, W)``.

    Returns:
        ``(B, 3, H, W)``; the third channel is 0, so that any encoder for RGB takes it.
    """
    return F.pad(derivatives(images), (0, 0, 0, 0, 0, 1))
