"""Communication between the processes of one training."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from torch import Tensor
from torch.distributed.nn.functional import all_gather

from objdisc.methods.base import EpochPlan, Method
from objdisc.training.encoding import StoreEncoder


class TrainingRanks:
    """The processes of a training as ``methods.base.Ranks`` describes them.

    Args:
        accelerator: The processes.
        encoder: Runs functions of images over the training set.
        seed: Random seed of the run.
    """

    def __init__(self, accelerator: Accelerator, encoder: StoreEncoder, seed: int) -> None:
        self.foreground = encoder.foreground
        self.world = accelerator.num_processes
        self._accelerator, self._encoder, self._seed = accelerator, encoder, seed
        self.begin(None)

    def begin(self, epoch: int | None) -> None:
        """Seed the generator for an epoch, or with None for the time after the last one, whichever that was."""
        self.generator = np.random.default_rng([self._seed, 0, 3] if epoch is None else [self._seed, epoch, 2])

    def encode(self, function: Callable[[Tensor], Tensor], rows: Tensor, view: int | None = None) -> Tensor:
        """Run a function of images over rows, see ``methods.base.Ranks``."""
        return self._encoder(function, rows, view)

    def gather(self, tensor: Tensor) -> Tensor:
        """Concatenate the tensors of all processes; gradients flow back to each."""
        if self.world == 1:
            return tensor
        gathered: tuple[Tensor, ...] = all_gather(tensor)  # type: ignore[no-untyped-call]
        return torch.cat(gathered)

    @torch.no_grad()
    def sum(self, tensor: Tensor) -> Tensor:
        """Add up the tensors of all processes."""
        if self.world == 1:
            return tensor
        total: Tensor = self._accelerator.reduce(tensor, "sum")
        return total


@torch.no_grad()
def share_state(accelerator: Accelerator, method: Method) -> None:
    """Give all processes the main one's weights and buffers, which may differ after batches or unordered sums."""
    if accelerator.num_processes > 1:
        for tensor in method.state_dict().values():
            tensor.copy_(broadcast(tensor.contiguous()))  # gloo takes no channels_last


def check_plan(plan: EpochPlan, num_samples: int) -> None:
    """Check the plan that ``begin_epoch`` returned against the training set.

    Args:
        plan: The plan.
        num_samples: N, rows of the training set, background included.

    Raises:
        TypeError: It is not a plan.
        ValueError: Its rows or partners are not rows of the set, or it does not cover all N rows.
    """
    if not isinstance(plan, EpochPlan):
        raise TypeError(f"begin_epoch returned {type(plan).__name__}; expected an EpochPlan")
    for name, rows in (("partners", plan.partners), ("assignments", plan.assignments)):
        if rows is not None and len(rows) != num_samples:
            raise ValueError(f"EpochPlan.{name}: {len(rows)} rows, the training set has {num_samples} with background")
    if plan.rows is not None and not (
        len(plan.rows) and 0 <= int(plan.rows.min()) <= int(plan.rows.max()) < num_samples
    ):
        raise ValueError(f"EpochPlan.rows: expected at least one row, each from 0 to {num_samples - 1}")


def share_plan(accelerator: Accelerator, plan: EpochPlan) -> EpochPlan:
    """Give all processes the main one's rows and partners, which may differ after unordered sums."""
    if accelerator.num_processes == 1:
        return plan
    shared = [None if rows is None else rows.cpu() for rows in (plan.rows, plan.partners)]
    broadcast_object_list(shared)
    return replace(plan, rows=shared[0], partners=shared[1])


def mean_over_ranks(accelerator: Accelerator, means: dict[str, float]) -> dict[str, float]:
    """Average numbers that every process has under the same names."""
    values = torch.tensor(list(means.values()), device=accelerator.device)
    return dict(zip(means, accelerator.reduce(values, "mean").tolist(), strict=True))
