"""Depthwise convolutions in bfloat16: the same output, the gradients of float32, and nothing else is touched."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.models.depthwise import DepthwiseGradientsInFloat32
from objdisc.models.encoder import build_encoder


def tensors(channels: int = 6, groups: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, a 3×3 filter of each channel and biases, all with a gradient."""
    generator = torch.Generator().manual_seed(0)
    shapes = (4, channels, 9, 9), (channels, channels // groups, 3, 3), (channels,)
    images, weight, bias = (torch.randn(shape, generator=generator).requires_grad_() for shape in shapes)
    return images, weight, bias


def has_other_gradients(output: Tensor) -> bool:
    assert output.grad_fn is not None
    return "Float32" in output.grad_fn.name()


@pytest.mark.parametrize(
    "settings",
    [
        {"padding": 1},
        {"stride": 2, "padding": 1},
        {"stride": (2, 1), "padding": (2, 0)},
        {"padding": "same", "dilation": 2},
    ],
)
def test_the_output_is_the_same_and_its_gradients_are_those_of_float32(settings: dict[str, Any]) -> None:
    inputs = tensors()
    with torch.autocast("cpu", torch.bfloat16):
        plain = F.conv2d(*inputs, groups=6, **settings)
        with DepthwiseGradientsInFloat32():
            output = F.conv2d(*inputs, groups=6, **settings)
    assert has_other_gradients(output)
    assert not has_other_gradients(plain)
    assert torch.equal(output, plain)
    wanted = torch.linspace(-1, 1, output.numel()).view(output.shape)
    gradients = torch.autograd.grad(output, inputs, wanted.to(output.dtype))
    exact = torch.autograd.grad(F.conv2d(*inputs, groups=6, **settings), inputs, wanted.bfloat16().float())
    torch.testing.assert_close(gradients, exact)


def test_tensors_of_bfloat16_get_gradients_of_bfloat16_and_only_where_they_are_wanted() -> None:
    images, weight, _ = (tensor.detach().bfloat16().requires_grad_() for tensor in tensors())
    with DepthwiseGradientsInFloat32():
        output = F.conv2d(images.detach(), weight, None, 1, 1, 1, 6)
    assert has_other_gradients(output)
    torch.autograd.backward(output.sum())
    assert images.grad is None
    assert weight.grad is not None
    assert weight.grad.dtype == torch.bfloat16


@pytest.mark.parametrize(("precision", "groups"), [(torch.float32, 6), (torch.bfloat16, 3), (torch.bfloat16, 1)])
def test_other_convolutions_and_precisions_are_left_alone(precision: torch.dtype, groups: int) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16), DepthwiseGradientsInFloat32():
        assert not has_other_gradients(F.conv2d(*tensors(groups=groups), groups=groups))


@pytest.mark.parametrize("maps", [False, True])
def test_a_network_predicts_the_same_and_learns_alike(maps: bool) -> None:
    encoder = build_encoder("tf_efficientnet_lite0", weights="none").eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    body: Any = encoder.body

    def adapted(images: Tensor) -> Tensor:
        return encoder.feature_map(images, 32) if maps else encoder(images)

    def plainly(images: Tensor) -> Tensor:
        plain: Tensor = body.forward_intermediates(images, intermediates_only=True)[-1] if maps else body(images)
        return plain

    def learned(network: Callable[[Tensor], Tensor], precision: torch.dtype) -> tuple[Tensor, Tensor]:
        encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            features = network(images)
        torch.autograd.backward(features.float().square().mean())
        gradients = [tensor.grad.flatten() for tensor in encoder.parameters() if tensor.grad is not None]
        return features.detach(), F.normalize(torch.cat(gradients), dim=0)

    exact = learned(adapted, torch.float32)
    ours, plain = (learned(network, torch.bfloat16) for network in (adapted, plainly))
    assert torch.equal(ours[0], plain[0])
    assert not torch.equal(ours[1], plain[1])
    assert exact[1] @ ours[1] > max(0.95, float(exact[1] @ plain[1]) - 0.01)
