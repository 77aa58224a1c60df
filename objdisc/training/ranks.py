"""What the processes of one training tell each other."""

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from objdisc.methods.base import Method


@torch.no_grad()
def share_state(accelerator: Accelerator, method: Method) -> None:
    """Give all processes the main one's weights and buffers, which batches or unordered sums may have parted."""
    if accelerator.num_processes > 1:
        for tensor in method.state_dict().values():
            tensor.copy_(broadcast(tensor.contiguous()))  # gloo takes no channels_last


def sum_counters(accelerator: Accelerator, method: Method) -> None:
    """Add up over processes what each has counted of its share of the epoch."""
    for name in method.counters:
        counter = method.get_buffer(name)
        counter.copy_(accelerator.reduce(counter, "sum"))


def mean_over_ranks(accelerator: Accelerator, means: dict[str, float]) -> dict[str, float]:
    """Average numbers that every process has under the same names."""
    values = torch.tensor(list(means.values()), device=accelerator.device)
    return dict(zip(means, accelerator.reduce(values, "mean").tolist(), strict=True))
