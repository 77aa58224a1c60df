"""Fast gradients of bfloat16 depthwise convolutions on a CPU.

oneDNN has no bfloat16 kernels for the gradients of strided depthwise convolutions, and slow ones for 5×5 filters: the
fallback takes 10 to 400 times as long as float32. Under autocast, these few layers would take most of the training time
of an EfficientNet or a MobileNet.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class DepthwiseGradientsInFloat32(TorchFunctionMode):
    """Compute gradients of bfloat16 depthwise convolutions on a CPU in float32 within the block.

    Their output is the same to the last bit; their gradients are more exact, as they are rounded only once, at the end.
    All other functions, devices and precisions are unchanged.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function or its replacement."""
        named = kwargs or {}
        if func is torch.conv2d and torch.is_grad_enabled():
            tensors, settings = _arguments(*args, **named)
            if _is_slow_to_learn(tensors, settings):
                return _Float32Gradients.apply(*tensors, settings)
        return func(*args, **named)


def depthwise_gradients() -> AbstractContextManager[object]:
    """Return ``DepthwiseGradientsInFloat32``, or a context that does nothing if there are no gradients."""
    return DepthwiseGradientsInFloat32() if torch.is_grad_enabled() else nullcontext()


def _arguments(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *more: Any, **named: Any
) -> tuple[tuple[Tensor, Tensor, Tensor | None], dict[str, Any]]:
    """Sort the arguments of ``torch.conv2d``, under its own names, into tensors and settings."""
    return (input, weight, bias), dict(zip(("stride", "padding", "dilation", "groups"), more, strict=False)) | named


def _is_slow_to_learn(tensors: tuple[Tensor, Tensor, Tensor | None], settings: Mapping[str, Any]) -> bool:
    images, weight, _ = tensors
    if images.device.type != "cpu" or not 1 < settings.get("groups", 1) == len(weight):
        return False
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu") == torch.bfloat16
    return images.dtype == torch.bfloat16


class _Float32Gradients(torch.autograd.Function):
    """The convolution itself, with the gradients of its float32 version."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, settings: Mapping[str, Any]) -> Tensor:
        ctx.save_for_backward(images, weight, bias)
        ctx.settings = settings
        return F.conv2d(images, weight, bias, **settings)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[:3]
        saved = ctx.saved_tensors
        copies: list[Any] = [None if tensor is None else tensor.detach().float() for tensor in saved]
        asked = [copy.requires_grad_() for copy, want in zip(copies, wanted, strict=True) if want and copy is not None]
        with torch.enable_grad(), torch.autocast("cpu", enabled=False):
            output = F.conv2d(*copies, **ctx.settings)
        found = iter(torch.autograd.grad(output, asked, gradient.float()))
        gradients = (next(found).to(tensor.dtype) if want else None for tensor, want in zip(saved, wanted, strict=True))
        return *gradients, None
