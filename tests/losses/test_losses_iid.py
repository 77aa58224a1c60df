"""The information loss against the printed formula, pixel by pixel and shift by shift, in float64."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.iid import iid_dense_loss, iid_loss, joint_of_each_shift, sum_of_joints

ROUNDING = 5e-7  # of float32, on a table that sums to 1: all that is left where views share no information
CASES = [(2, 3, 12, 15, 2), (3, 4, 9, 9, 3), (1, 6, 20, 7, 5), (2, 2, 6, 5, 1), (2, 5, 8, 8, 0), (1, 2, 3, 4, 6)]


def printed_loss(joint: Tensor, lamb: float) -> Tensor:
    """The loss as the paper prints it, for one table."""
    joint = (joint + joint.T) / 2
    joint = (joint / joint.sum()).clamp(min=1e-12)
    rows = joint.sum(1, keepdim=True).expand_as(joint)
    columns = joint.sum(0, keepdim=True).expand_as(joint)
    return -(joint * (joint.log() - lamb * rows.log() - lamb * columns.log())).sum()


def published_joint(z: Tensor, z_prime: Tensor, half_t: int) -> Tensor:
    """Every shift's table by the published code's convolution, with the other view as the filter."""
    tables = F.conv2d(z_prime.transpose(0, 1), z.transpose(0, 1), padding=half_t)  # (L, K, 2T+1, 2T+1)
    return tables.permute(2, 3, 1, 0)


def published_loss(z: Tensor, z_prime: Tensor, mask: Tensor, half_t: int, lamb: float, collapsed: bool) -> Tensor:
    tables = published_joint(z * mask[:, None], z_prime * mask[:, None], half_t).flatten(0, 1)
    if collapsed:
        return printed_loss(tables.sum(0), lamb)
    return torch.stack([printed_loss(table, lamb) for table in tables if table.sum() > 1e-9]).mean()


def maps(batch: int, clusters: int, height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    # in blobs, as real maps are: with pixels that say nothing of their neighbours the loss would be rounding alone
    blobs = torch.randn(batch, clusters, -(-height // 8), -(-width // 8), generator=generator)
    base = F.interpolate(blobs, (height, width), mode="nearest")
    noise = torch.randn(batch, clusters, height, width, generator=generator)
    mask = torch.rand(batch, height, width, generator=generator) > 0.2
    return (2 * base).softmax(1), (2 * base + noise).softmax(1), mask


def learnable(tensor: Tensor) -> Tensor:
    return tensor.clone().requires_grad_()


@pytest.mark.parametrize("lamb", [1.0, 1.5])
def test_pairs_score_as_printed(lamb: float) -> None:
    z, z_prime, _ = (part.flatten(2)[..., 0].double() for part in maps(50, 7, 1, 1))
    tables = torch.stack([torch.outer(a, b) for a, b in zip(z, z_prime, strict=True)])
    expected = printed_loss(tables.sum(0), lamb)
    torch.testing.assert_close(iid_loss(z, z_prime, lamb), expected)
    torch.testing.assert_close(iid_loss(z.float(), z_prime.float(), lamb).double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("batch", "clusters", "height", "width", "half_t"), CASES)
def test_every_shift_is_the_direct_correlation(batch: int, clusters: int, height: int, width: int, half_t: int) -> None:
    z, z_prime, _ = maps(batch, clusters, height, width)
    expected = published_joint(z.double(), z_prime.double(), half_t)
    joint = joint_of_each_shift(z, z_prime, half_t)
    torch.testing.assert_close(joint.double(), expected, rtol=1e-5, atol=1e-5 * float(expected.max()))
    total = sum_of_joints(z, z_prime, half_t)
    torch.testing.assert_close(total.double(), expected.sum((0, 1)), rtol=1e-5, atol=0)


@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("lamb", [1.0, 1.5])
@pytest.mark.parametrize(("batch", "clusters", "height", "width", "half_t"), CASES)
def test_maps_score_as_the_direct_correlation_in_value_and_gradient(
    batch: int, clusters: int, height: int, width: int, half_t: int, lamb: float, collapsed: bool
) -> None:
    z, z_prime, mask = maps(batch, clusters, height, width)
    a, b = learnable(z.double()), learnable(z_prime.double())
    expected = published_loss(a, b, mask, half_t, lamb, collapsed)
    gradients = torch.autograd.grad(expected, (a, b))
    for dtype, in_value, in_gradient in ((torch.float32, 1e-5, 1e-4), (torch.float64, 1e-10, 1e-8)):
        c, d = learnable(z.to(dtype)), learnable(z_prime.to(dtype))
        loss = iid_dense_loss(c, d, mask, half_t, lamb, collapsed)
        torch.testing.assert_close(loss.double(), expected, rtol=in_value, atol=ROUNDING)
        for one, other in zip(torch.autograd.grad(loss, (c, d)), gradients, strict=True):
            assert float((one - other).norm()) < in_gradient * float(other.norm()) + ROUNDING


@pytest.mark.parametrize("collapsed", [False, True])
def test_maps_of_a_crop_s_size_score_as_the_direct_correlation(collapsed: bool) -> None:
    z, z_prime, mask = maps(2, 3, 64, 48)
    a, b = learnable(z), learnable(z.double())
    loss = iid_dense_loss(a, z_prime, mask, 10, 1.0, collapsed)
    expected = published_loss(b, z_prime.double(), mask, 10, 1.0, collapsed)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=ROUNDING)
    one, other = *torch.autograd.grad(loss, a), *torch.autograd.grad(expected, b)
    assert float((one - other).norm()) < 1e-4 * float(other.norm())


def test_gradient_is_that_of_the_value() -> None:
    z, z_prime, mask = (part.double() for part in maps(1, 2, 4, 5))
    for collapsed in (False, True):
        assert torch.autograd.gradcheck(
            lambda a, b, collapsed=collapsed: iid_dense_loss(a, b, mask, 2, 1.5, collapsed),
            (z.requires_grad_(), z_prime.requires_grad_()),
        )


def test_two_equal_halves_score_the_logarithm_of_the_clusters() -> None:
    sure = torch.eye(4).repeat(3, 1)
    assert float(iid_loss(sure, sure)) == pytest.approx(-math.log(4), rel=1e-5)
    assert float(iid_loss(sure, sure.roll(1, 0))) > -math.log(4)


def test_saying_nothing_scores_zero() -> None:
    uniform = torch.full((8, 5), 0.2)
    assert float(iid_loss(uniform, uniform)) == pytest.approx(0, abs=1e-6)
    flat = torch.full((2, 5, 12, 12), 0.2)
    for collapsed in (False, True):
        assert float(iid_dense_loss(flat, flat, None, 3, collapsed=collapsed)) == pytest.approx(0, abs=1e-5)


def one_hot(batch: int, clusters: int, height: int, width: int) -> Tensor:
    kinds = torch.arange(batch * height * width).view(batch, height, width) % clusters
    return F.one_hot(kinds, clusters).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize(
    ("z", "mask"),
    [
        (one_hot(2, 3, 16, 16), None),
        (one_hot(1, 3, 16, 16)[:, :1].expand(1, 3, 16, 16), None),
        (torch.eye(3)[None, :, :1, None].expand(2, 3, 12, 12), None),
        (torch.full((2, 3, 12, 12), 1 / 3), None),
        (one_hot(2, 3, 12, 12), torch.zeros(2, 12, 12)),
        (one_hot(2, 3, 12, 12), F.pad(torch.ones(2, 1, 1), (5, 6, 3, 8))),
        (one_hot(1, 3, 1, 1), None),
    ],
    ids=["one-hot", "equal channels", "one cluster", "uniform", "all masked", "one valid pixel", "one pixel"],
)
def test_degenerate_maps_give_finite_values_and_gradients(z: Tensor, mask: Tensor | None, collapsed: bool) -> None:
    for half_t in (0, 1, 10):
        a, b = learnable(z), learnable(z)
        loss = iid_dense_loss(a, b, mask, half_t, 1.0, collapsed)
        assert torch.isfinite(loss)
        for gradient in torch.autograd.grad(loss, (a, b)):
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("z", [torch.eye(4), torch.full((6, 4), 0.25), torch.zeros(6, 4), torch.zeros(0, 4)])
def test_degenerate_pairs_give_finite_values_and_gradients(z: Tensor) -> None:
    a = learnable(z)
    loss = iid_loss(a, z)
    assert torch.isfinite(loss)
    assert torch.isfinite(torch.autograd.grad(loss, a)[0]).all()


def test_masked_pixels_have_no_say() -> None:
    z, z_prime, mask = maps(2, 4, 14, 14)
    other = torch.where(mask[:, None], z, torch.rand_like(z))
    for collapsed in (False, True):
        loss = iid_dense_loss(z, z_prime, mask, 4, 1.0, collapsed)
        torch.testing.assert_close(iid_dense_loss(other, z_prime, mask, 4, 1.0, collapsed), loss)


def test_autocast_changes_nothing() -> None:
    z, z_prime, mask = maps(2, 4, 14, 14)
    with torch.autocast("cpu", torch.bfloat16):
        pairs, dense = iid_loss(z.flatten(2)[..., 0], z_prime.flatten(2)[..., 0]), iid_dense_loss(z, z_prime, mask, 3)
    assert pairs.dtype == dense.dtype == torch.float32
    assert torch.equal(pairs, iid_loss(z.flatten(2)[..., 0], z_prime.flatten(2)[..., 0]))
    assert torch.equal(dense, iid_dense_loss(z, z_prime, mask, 3))
