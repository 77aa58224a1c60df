"""The dense information loss against its published form, a convolution with the other view as the filter."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.iid import iid_dense_loss

CASES = ((3, 10), (15, 10), (24, 10), (6, 5))
"""(K, T) of the paper's heads: COCO-Stuff-3, COCO-Stuff, Potsdam-3 with overclustering, Potsdam."""

_BATCH = 8
_CROP = 128  # pixels
_TURNS = 3


def dense_loss() -> dict[str, float]:
    """Time forward and backward passes of both forms in turns; the turn with the median ratio counts.

    Returns:
        For each case, seconds of the direct form, seconds of ours, and the speed-up.
    """
    numbers: dict[str, float] = {}
    for clusters, half_t in CASES:
        generator = torch.Generator().manual_seed(0)
        z, z_prime = (
            torch.randn(_BATCH, clusters, _CROP, _CROP, generator=generator).softmax(1).requires_grad_()
            for _ in range(2)
        )
        _step(_fast, z, z_prime, half_t)  # plans its transforms
        turns = [(_step(published_loss, z, z_prime, half_t), _step(_fast, z, z_prime, half_t)) for _ in range(_TURNS)]
        ratio = statistics.median(direct / fast for direct, fast in turns)
        direct, fast = min(turns, key=lambda turn: abs(turn[0] / turn[1] - ratio))
        case = f"iid_k{clusters}_t{half_t}"
        numbers |= {f"{case}_direct_seconds": direct, f"{case}_seconds": fast, f"{case}_times_faster": ratio}
    return numbers


def published_loss(z: Tensor, z_prime: Tensor, half_t: int) -> Tensor:
    """Form the tables of all shifts by one convolution, whose filter is as large as the image, and score them.

    Args:
        z: ``(B, K, H, W)`` cluster probabilities.
        z_prime: ``(B, K, H, W)`` of the other view.
        half_t: T in pixels.
    """
    joint = F.conv2d(z.transpose(0, 1), z_prime.transpose(0, 1), padding=half_t)  # (K, K, 2T+1, 2T+1)
    joint = joint / joint.sum(dim=(0, 1))
    joint = (joint + joint.transpose(0, 1)) / 2
    rows, columns = joint.sum(dim=1, keepdim=True), joint.sum(dim=0, keepdim=True)
    return -(joint * (joint.log() - rows.log() - columns.log())).sum() / (2 * half_t + 1) ** 2


def _fast(z: Tensor, z_prime: Tensor, half_t: int) -> Tensor:
    return iid_dense_loss(z, z_prime, None, half_t)


def _step(loss: Callable[[Tensor, Tensor, int], Tensor], z: Tensor, z_prime: Tensor, half_t: int) -> float:
    started = time.perf_counter()
    torch.autograd.grad(loss(z, z_prime, half_t), (z, z_prime))
    return time.perf_counter() - started
