"""Invariant information clustering: Ji, Henriques, Vedaldi, ICCV 2019 (https://arxiv.org/abs/1807.06653).

Two views of the same thing should tell as much as possible about each other: the loss is the negative mutual
information of their cluster assignments, computed from the K x K table of how often cluster i of one view met cluster j
of the other.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.base import Loss, at_least_zero

_EPSILON = torch.finfo(torch.float32).eps
"""Smallest probability whose logarithm is taken: what float32 can tell from 0 beside 1, and above the FFT's noise."""

_LEAST_OVERLAP = 1e-5
"""A shift is left out if fewer pixels meet under it than this share of the best shift's: the FFT's noise is 1e-7."""

_FEW_SHIFTS = 9
"""Up to this many shifts, one matrix product for each costs less than the transforms."""


class IIDLoss(Loss):
    """The module form of ``iid_loss``: IIC for whole images (equations 2 to 5).

    Args:
        lamb: Weight of the marginal entropies, at least 0. With 1 the loss is the negative mutual information; a larger
            weight favours clusters of equal size.
    """

    def __init__(self, lamb: float = 1.0) -> None:
        super().__init__()
        self.lamb = at_least_zero("lamb", lamb)

    def forward(self, z: Tensor, z_prime: Tensor) -> Tensor:
        """Return the scalar loss of the probabilities ``(B, K)`` of two views, as ``iid_loss`` says."""
        return iid_loss(z, z_prime, self.lamb)


class DenseIIDLoss(Loss):
    """The module form of ``iid_dense_loss``: IIC for segmentation (section 3.3, equation 6).

    Args:
        half_t: T in pixels, at least 0. The views are compared under every shift in ``[-T, T]`` along both axes.
        lamb: Weight of the marginal entropies, at least 0, as in ``IIDLoss``.
        collapsed: Whether the tables of all shifts are added up before the loss is taken. With False, as in the
            published code, the mean of one loss for each shift is taken.
    """

    def __init__(self, half_t: int = 10, lamb: float = 1.0, collapsed: bool = False) -> None:
        super().__init__()
        self.half_t = int(at_least_zero("half_t", half_t))
        self.lamb = at_least_zero("lamb", lamb)
        self.collapsed = collapsed

    def forward(self, z: Tensor, z_prime: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the scalar loss of two maps ``(B, K, H, W)`` and a mask ``(B, H, W)``, as ``iid_dense_loss`` says."""
        return iid_dense_loss(z, z_prime, mask, self.half_t, self.lamb, self.collapsed)


def iid_loss(z: Tensor, z_prime: Tensor, lamb: float = 1.0) -> Tensor:
    """Compute the negative mutual information between the assignments of paired samples (equations 2 to 5).

    Args:
        z: ``(B, K)`` cluster probabilities of one view, of any floating dtype. The loss is computed in float32, or in
            float64 for float64 probabilities.
        z_prime: ``(B, K)`` probabilities of the other view of the same samples.
        lamb: Weight of the marginal entropies. With 1 the loss is the negative mutual information; a larger weight
            favours clusters of equal size.

    Returns:
        A scalar, which lies in ``[-log K, 0]`` for ``lamb`` 1. It is 0 for an empty batch.
    """
    with torch.autocast(z.device.type, enabled=False):
        z, z_prime = _at_least_float32(z), _at_least_float32(z_prime)
        return _information_loss(z.T @ z_prime, lamb)


def iid_dense_loss(
    z: Tensor,
    z_prime: Tensor,
    mask: Tensor | None = None,
    half_t: int = 10,
    lamb: float = 1.0,
    collapsed: bool = False,
) -> Tensor:
    """Compute the loss of every pixel and its neighbours in the other view (section 3.3, equation 6).

    Args:
        z: ``(B, K, H, W)`` cluster probabilities of one view, of any floating dtype. The loss is computed in float32,
            or in float64 for float64 probabilities.
        z_prime: ``(B, K, H, W)`` probabilities of the other view, warped back into the frame of the first.
        mask: ``(B, H, W)``, 1 where both views are valid and 0 elsewhere. None says that all pixels are valid.
        half_t: T in pixels. The views are compared under every shift in ``[-T, T]`` along both axes.
        lamb: Weight of the marginal entropies, as in ``iid_loss``.
        collapsed: Whether the tables of all shifts are added up before the loss is taken. With False, as in the
            published code, the mean of one loss for each shift is taken.

    Returns:
        A scalar, which lies in ``[-log K, 0]`` for ``lamb`` 1. Shifts under which no two valid pixels meet are left out
            of the mean; the loss is 0 if no shift is left.
    """
    with torch.autocast(z.device.type, enabled=False):
        z, z_prime = _at_least_float32(z), _at_least_float32(z_prime)
        if mask is not None:
            valid = mask[:, None].to(z.dtype)
            z, z_prime = z * valid, z_prime * valid
        if collapsed:
            return _information_loss(sum_of_joints(z, z_prime, half_t), lamb)
        joint = joint_of_each_shift(z, z_prime, half_t)  # (2T+1, 2T+1, K, K)
        met = joint.detach().sum(dim=(2, 3))
        usable = met > _LEAST_OVERLAP * met.max()
        # an index that selects nothing still carries a gradient of 0
        return _information_loss(joint[usable], lamb).sum() / usable.sum().clamp_min(1)


def joint_of_each_shift(x: Tensor, y: Tensor, half_t: int) -> Tensor:
    """Cross-correlate all pairs of channels: how often cluster k here met cluster l at a distance of t.

    By the correlation theorem this is one product per frequency, which beats the direct sum over pixels for all but
    a few shifts.

    Args:
        x: ``(B, K, H, W)`` probabilities, 0 at pixels that do not count.
        y: ``(B, K, H, W)`` probabilities, also 0 at pixels that do not count.
        half_t: T in pixels, at least 0.

    Returns:
        Sums ``(2T+1, 2T+1, K, K)``. Entry ``[T + dy, T + dx, k, l]`` sums ``x[b, k, u] * y[b, l, u + (dy, dx)]`` over
            images b and pixels u, with 0 outside the image.
    """
    if (2 * half_t + 1) ** 2 <= _FEW_SHIFTS:
        return _by_products(x, y, half_t)
    return _by_fft(x, y, half_t)


def sum_of_joints(x: Tensor, y: Tensor, half_t: int) -> Tensor:
    """Sum ``joint_of_each_shift`` over its shifts, ``(K, K)``: one box filter and one matrix product."""
    height, width = (_box_filter(side, half_t, x) for side in x.shape[2:])
    joint: Tensor = torch.einsum("bkhw,blhw->kl", x, height @ y @ width)
    return joint


def _by_fft(x: Tensor, y: Tensor, half_t: int) -> Tensor:
    # zeros as wide as the longest shift keep what leaves one border from meeting what enters at the other
    padded = [_fast_length(side + half_t) for side in x.shape[2:]]
    spectrum = torch.einsum("bkhw,blhw->klhw", torch.fft.rfft2(x, padded).conj(), torch.fft.rfft2(y, padded))
    correlation: Tensor = torch.fft.irfft2(spectrum, padded)  # (K, K, padded, padded); shift -1 is the last entry
    shifts = torch.arange(-half_t, half_t + 1, device=x.device)
    rows, columns = shifts % padded[0], shifts % padded[1]
    return correlation[:, :, rows[:, None], columns].permute(2, 3, 0, 1)


def _by_products(x: Tensor, y: Tensor, half_t: int) -> Tensor:
    height, width = x.shape[2:]
    around = F.pad(y, [half_t] * 4)
    size = 2 * half_t + 1
    joints = [
        torch.einsum("bkhw,blhw->kl", x, around[:, :, dy : dy + height, dx : dx + width])
        for dy in range(size)
        for dx in range(size)
    ]
    return torch.stack(joints).view(size, size, x.shape[1], y.shape[1])


def _fast_length(length: int) -> int:
    """Return the smallest length >= ``length`` without a prime factor above 5: FFTs are slow on large primes."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def _box_filter(side: int, half_t: int, like: Tensor) -> Tensor:
    """Return the matrix ``(side, side)`` that sums over neighbours up to ``half_t`` pixels away."""
    place = torch.arange(side, device=like.device)
    return ((place[:, None] - place).abs() <= half_t).to(like.dtype)


def _information_loss(joint: Tensor, lamb: float) -> Tensor:
    """Compute equation 3 on tables of counts ``(..., K, K)``, with finite gradients at 0.

    The logarithm of a ratio is taken: where views share little information, a difference of entropies would be nothing
    but rounding error.
    """
    joint = joint + joint.mT
    joint = joint / joint.sum(dim=(-2, -1), keepdim=True).clamp_min(_EPSILON)
    marginal = joint.sum(dim=-1)  # (..., K); of both views, since the table is symmetric
    bounded = marginal.clamp_min(_EPSILON)
    ratio = joint.clamp_min(_EPSILON) / (bounded[..., :, None] * bounded[..., None, :])
    information = (joint * ratio.log()).sum(dim=(-2, -1))
    entropy = -(marginal * bounded.log()).sum(dim=-1)
    return -information - 2 * (lamb - 1) * entropy


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
