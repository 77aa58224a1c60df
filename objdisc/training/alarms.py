"""Alarms during training: for a loss that is not finite, and for collapsed clusters."""

import logging
from collections.abc import Mapping

import torch
from torch import Tensor

from objdisc.errors import ObjdiscError, UsageError
from objdisc.methods.base import Method

logger = logging.getLogger(__name__)

COLLAPSED_SHARE = 0.95
"""A cluster that holds more than this share of the foreground raises the alarm."""


def check_terms(method: Method, losses: Mapping[str, Tensor], where: str) -> None:
    """Check the terms of a training step.

    Args:
        method: The method that made the step.
        losses: Its terms.
        where: Run, epoch and step, for the message.

    Raises:
        UsageError: The loss has no gradient.
        ObjdiscError: A term is not finite.
    """
    if not losses["loss"].requires_grad:
        raise UsageError(
            f"{type(method).__name__}: the loss depends on no parameter that learns; compute it from some, or "
            "set 'trains = False' if the method learns nothing"
        )
    broken = [name for name, term in losses.items() if not bool(torch.isfinite(term).all())]
    if broken:
        raise ObjdiscError(f"{where}: {', '.join(sorted(broken))} is not finite; lower --lr or use --precision fp32")


def warn_of_collapse(occupancy: Tensor | None, epoch: int) -> None:
    """Warn if one cluster holds almost all of the foreground.

    Args:
        occupancy: ``(K,)`` share of each cluster; None if the method does not give it.
        epoch: Number of the epoch, from 1.
    """
    if occupancy is not None and float(occupancy.max()) > COLLAPSED_SHARE:
        logger.warning(
            "epoch %d: cluster %d holds %.0f %% of the foreground: the clustering has collapsed",
            epoch,
            int(occupancy.argmax()),
            100 * float(occupancy.max()),
        )
