"""Mining of neighbours: which other samples of the training set a sample may be paired with."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.neighbors import nearest
from objdisc.errors import ObjdiscError, UsageError
from objdisc.methods.base import Ranks


class Mined(NamedTuple):
    """Samples, and their neighbours among them.

    Attributes:
        rows: ``(n,)`` int64 rows of the foreground in the data set.
        features: ``(n, F)`` float32 features of these rows, on the training device.
        places: ``(n, k)`` int64 positions in ``rows`` of each sample's neighbours, the nearest first.
    """

    rows: Tensor
    features: Tensor
    places: Tensor


def mine(ranks: Ranks, features: Callable[[Tensor], Tensor], neighbors: int, *, include_self: bool = True) -> Mined:
    """Find the neighbours of all foreground samples, by the inner product of their features at unit length.

    Args:
        ranks: Runs ``features`` over the training set.
        features: Maps images ``(B, C, H, W)`` to features ``(B, F)``.
        neighbors: Number of neighbours for each sample, at least 1.
        include_self: Whether a sample is its own first neighbour; otherwise all are other samples.

    Raises:
        UsageError: There are too few samples, or all have the same features.
        ObjdiscError: Features are not finite.
    """
    rows = ranks.foreground.nonzero()[:, 0]
    others = neighbors - include_self
    if len(rows) <= others:
        raise UsageError(
            f"--method.neighbors {neighbors}: there are only {len(rows)} object patches; lower it, or give more images"
        )
    found = ranks.encode(features, rows)
    if not bool(torch.isfinite(found).all()):
        raise ObjdiscError("the encoder's features are not finite, nothing can be mined; train its start again")
    if bool((found == found[0]).all()):
        raise UsageError(
            "all object patches have the same features, no neighbour is nearer than another; "
            "give other images or another --init-from"
        )
    itself = torch.arange(len(rows), device=found.device)[:, None]
    if not others:
        return Mined(rows, found, itself)
    # identical images may all be as near as the sample itself, which is to be among them once
    unit = F.normalize(found, dim=1)
    near, _ = nearest(unit, unit, others, exclude_self=True)
    return Mined(rows, found, torch.cat([itself, near], dim=1) if include_self else near)
