"""Padding for networks whose feature maps only fit together at some image sizes, and a test for such networks."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MULTIPLE = 32
"""Multiple in pixels that sides are padded to, since common networks halve them five times."""


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Return the next height and width that are multiples of 32."""
    return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE


def wants_padding(body: nn.Module, run: Callable[[nn.Module, Tensor], object], shape: tuple[int, int, int]) -> bool:
    """Whether a network cannot take images of a size, but could if they were padded to multiples of 32 pixels.

    HRNet, DLA and TResNet are examples: they add or rearrange maps that were halved in different ways. The test runs on
    a copy without values, which computes nothing and changes nothing.

    Args:
        body: The network.
        run: How the network is called with images ``(B, C, H, W)``.
        shape: C, H and W.
    """
    channels, height, width = shape
    if (height, width) == padded_size(height, width):
        return False
    hollow = copy.deepcopy(body).to("meta").eval()
    return not _takes(hollow, run, (channels, height, width)) and _takes(
        hollow, run, (channels, *padded_size(height, width))
    )


@torch.no_grad()
def _takes(body: nn.Module, run: Callable[[nn.Module, Tensor], object], shape: tuple[int, int, int]) -> bool:
    try:
        run(body, torch.empty(1, *shape, device="meta"))
    except RuntimeError as error:
        # an operator that knows no tensors without values says nothing of the size
        return isinstance(error, NotImplementedError)
    return True


def pad(images: Tensor) -> Tensor:
    """Repeat the last row and column of images ``(B, C, H, W)`` until both sides are multiples of 32."""
    height, width = images.shape[2:]
    taller, wider = padded_size(height, width)
    return F.pad(images, (0, wider - width, 0, taller - height), mode="replicate")


def cut(found: Tensor, height: int, width: int) -> Tensor:
    """Crop a map ``(B, F, h, w)`` of padded images to the part over the images of ``height`` x ``width`` pixels."""
    taller, wider = padded_size(height, width)
    return found[:, :, : -(-found.shape[2] * height // taller), : -(-found.shape[3] * width // wider)]
