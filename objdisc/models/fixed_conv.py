"""Fast convolutions for inference, with normalisation and padding folded in and the activation fused."""

import platform
from collections.abc import Mapping
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import get_same_padding
from torch import Tensor, nn
from torch.nn import functional as F

_FUSED: Mapping[type[nn.Module], tuple[str, list[float]]] = {
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.SiLU: ("swish", []),
    nn.Hardswish: ("hardswish", []),
}
"""Activations that oneDNN fuses into a convolution, under its names."""

_Padding = tuple[int, int]


class FixedConv2d(nn.Conv2d):
    """A convolution, its batch normalisation and its activation as one convolution for inference.

    Its weights are not parameters: they are cached in each precision that they were used in.

    Args:
        conv: The convolution, which may be timm's with TensorFlow's padding.
        norm: The normalisation of its output, with running statistics.
        activation: The activation that follows.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, activation: nn.Module) -> None:
        super().__init__(1, 1, 1, device="meta")
        self.stride, self.dilation, self.groups, self.kernel_size = (
            conv.stride,
            conv.dilation,
            conv.groups,
            conv.kernel_size,
        )
        self.padding, self.same = conv.padding, isinstance(conv, Conv2dSame)
        self.activation = activation
        self.attribute, self.scalars = _FUSED.get(type(activation), ("none", []))
        self.applies = type(activation) in _FUSED
        del self.weight, self.bias
        weight, bias = _folded(conv, norm)
        self._kept: dict[tuple[torch.dtype, _Padding], tuple[Tensor, Tensor]] = {}
        self._exact = weight, bias

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', h, w)``, in the precision of the surrounding autocast."""
        kind = images.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else images.dtype
        padding, grown = self._padding_of(images)
        weight, bias = self._weights(dtype, grown)
        images = images.to(dtype)
        if _has_fused_convolutions() and kind == "cpu" and dtype in {torch.float32, torch.bfloat16}:
            fused: Any = torch.ops.mkldnn._convolution_pointwise
            settings = (list(padding), list(self.stride), list(self.dilation), self.groups)
            found: Tensor = fused(images, weight, bias, *settings, self.attribute, self.scalars, "")
            return found if self.applies else self.activation(found)
        found = F.conv2d(images, weight, bias, self.stride, padding, self.dilation, self.groups)
        activated: Tensor = self.activation(found)
        return activated

    def _padding_of(self, images: Tensor) -> tuple[_Padding, _Padding]:
        """Return the padding of rows and columns, and how many of each the kernel must grow by if padding is uneven.

        For an odd number of rows, TensorFlow pads one row less before than after the image. A kernel with a first row
        of zeros and equal padding on both sides does the same without a padded copy of the images.
        """
        if not self.same:
            return (int(self.padding[0]), int(self.padding[1])), (0, 0)
        totals = [
            get_same_padding(images.shape[2 + axis], self.kernel_size[axis], self.stride[axis], self.dilation[axis])
            for axis in (0, 1)
        ]
        (rows, columns) = ((total + 1) // 2 for total in totals)
        return (rows, columns), (totals[0] % 2, totals[1] % 2)

    def _weights(self, dtype: torch.dtype, grown: _Padding) -> tuple[Tensor, Tensor]:
        if (dtype, grown) not in self._kept:
            weight, bias = self._exact
            weight = F.pad(weight, (grown[1], 0, grown[0], 0)).to(dtype).contiguous(memory_format=torch.channels_last)
            self._kept[dtype, grown] = weight, bias.to(dtype)
        return self._kept[dtype, grown]


def can_be_fixed(conv: nn.Module, norm: nn.Module) -> bool:
    """Whether ``FixedConv2d`` can replace a convolution and the normalisation of its output."""
    if type(conv) not in {nn.Conv2d, Conv2dSame} or not isinstance(norm, nn.BatchNorm2d):
        return False
    assert isinstance(conv, nn.Conv2d)  # by the line above
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str) or norm.training or norm.running_mean is None:
        return False
    return conv.weight.dtype == torch.float32 and (type(conv) is nn.Conv2d or conv.dilation == (1, 1))


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the convolution with its normalisation folded in; rounded once, at the end."""
    assert norm.running_mean is not None  # can_be_fixed
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.detach().double()
    if conv.bias is not None:
        shift = shift + conv.bias.detach().double() * scale
    return (conv.weight.detach().double() * scale[:, None, None, None]).float(), shift.float()


def _has_fused_convolutions() -> bool:
    """Whether PyTorch was built with oneDNN's convolutions with fused activations, which its compiler uses."""
    x86 = platform.machine().lower() in {"x86_64", "amd64"}
    return x86 and torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
