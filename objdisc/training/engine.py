"""Device and precision of a network, and the processes of a training by Hugging Face Accelerate."""

import atexit
import gc
import logging
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs

from objdisc.errors import UsageError

logger = logging.getLogger(__name__)


Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True)
class Machine:
    """Device and precision with which one process runs a network.

    Attributes:
        device: The device.
        bf16: Whether matrices are multiplied in bfloat16.
    """

    device: torch.device
    bf16: bool

    @classmethod
    def choose(cls, device: str, precision: Precision = "auto") -> "Machine":
        """Choose as a training with these settings does, without changing the process.

        Args:
            device: auto, cpu, cuda or mps.
            precision: bf16, fp32, or auto.

        Raises:
            UsageError: The device is not available.
        """
        check_device(device)
        kind = device
        if device == "auto":
            kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        # a training of several processes gives each one a device of its own
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if kind == "cuda" else torch.device(kind)
        return cls(place, _is_bf16(device, precision))

    def autocast(self) -> AbstractContextManager[object]:
        """Run networks at this precision within the block."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


def make_accelerator(device: str, precision: Precision = "auto") -> Accelerator:
    """Set up device, precision and processes of a training, and log what ``auto`` chose.

    Args:
        device: auto, cpu, cuda or mps.
        precision: bf16, fp32, or auto.

    Raises:
        UsageError: The device is not available.
    """
    check_device(device)
    mixed = "bf16" if _is_bf16(device, precision) else "fp32"
    # one process may train several methods in turn; Accelerate keeps the first setting until told to forget it
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision="bf16" if mixed == "bf16" else "no",
        # the trainer shares buffers itself, once an epoch: what counts one process's samples must not be overwritten
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    atexit.unregister(_leave_processes)
    atexit.register(_leave_processes)
    if not accelerator.is_main_process:
        logging.getLogger("objdisc").setLevel(logging.ERROR)  # every process would say the same
    if device == "auto" and accelerator.is_main_process:
        _say_once(accelerator.device.type, mixed)
    return accelerator


@cache
def _say_once(device: str, precision: str) -> None:
    """Log what ``auto`` chose, once, since one process asks for an accelerator many times."""
    logger.info("device: %s, %s (choose with --device, --precision)", device, precision)


def check_device(device: str) -> None:
    """Check that a device is available.

    Args:
        device: auto, cpu, cuda or mps.

    Raises:
        UsageError: It is not.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device != "auto" and not available.get(device, False):
        there = ", ".join(name for name, present in available.items() if present)
        raise UsageError(f"--device {device}: not available here; there is {there} (or auto)")


def _leave_processes() -> None:
    """Destroy the process group before the interpreter exits: threads that still run then would abort it.

    The threads end with the last reference to the group. Wrapped models keep some references in cycles.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        gc.collect()


def _is_bf16(device: str, precision: Precision) -> bool:
    return precision == "bf16" or (precision == "auto" and _has_bf16(device))


def _has_bf16(device: str) -> bool:
    """Whether the processor multiplies bf16 in hardware."""
    if device in {"auto", "cuda"} and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    if device == "mps":
        return False
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def is_main_process() -> bool:
    """Whether this is the only process, or the first of several that torchrun started."""
    return int(os.environ.get("RANK", "0")) == 0
