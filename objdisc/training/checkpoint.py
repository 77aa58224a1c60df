"""Training state on disk: a file after each epoch, written atomically and read without executing code."""

import pickle
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.io.files import atomic_write
from objdisc.io.run import Run
from objdisc.methods.base import Method


class Stateful(Protocol):
    """An object that can be put back into an earlier state."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object:
        """Load a state."""


def save_checkpoint(run: Run, state: Mapping[str, Any]) -> None:
    """Replace the run's checkpoint.

    Args:
        run: Folder of the run.
        state: State of tensors, numbers, strings and containers of them.
    """
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    with atomic_write(run.last_checkpoint, "wb") as file:
        torch.save(dict(state), file)


def load_checkpoint(run: Run) -> dict[str, Any] | None:
    """Read the run's checkpoint on the CPU; None if it has none yet.

    Raises:
        UsageError: The file is damaged, or holds more than plain data.
    """
    if not run.last_checkpoint.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(run.last_checkpoint, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise UsageError(
            f"{run.last_checkpoint}: not a checkpoint that can be read; delete it to train from the start"
        ) from error
    return state


def restore(run: Run, state: Mapping[str, Any], parts: Mapping[str, Stateful]) -> tuple[int, int]:
    """Load a checkpoint's state into the parts of a training.

    Args:
        run: The run of the checkpoint, for the message.
        state: What ``load_checkpoint`` returned.
        parts: Method, optimiser and scheduler, by their names in the checkpoint.

    Returns:
        Epochs and steps that are done.

    Raises:
        UsageError: The checkpoint belongs to another training.
    """
    try:
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["epoch"]), int(state["step"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{run.last_checkpoint}: from a training with other settings ({reason}); "
            "resume with those, or begin a new run"
        ) from error


def start_from(run: Run, method: Method) -> None:
    """Start a method from what a finished run has learned.

    Raises:
        UsageError: The run has no weights that can be read, or they do not fit the method.
    """
    try:
        state = load_file(run.weights)
    except FileNotFoundError as error:
        raise UsageError(f"--init-from {run.path}: no finished run, {run.weights.name} is missing") from error
    except (SafetensorError, OSError) as error:
        raise UsageError(f"--init-from {run.path}: {run.weights.name} cannot be read; train that run again") from error
    try:
        method.start_from(state)
    except UsageError as error:
        raise UsageError(f"--init-from {run.path}: {error}") from error


def save_weights(run: Run, method: nn.Module) -> None:
    """Write all parameters and buffers as ``weights.safetensors``."""
    state: dict[str, Tensor] = {name: value.cpu().contiguous() for name, value in method.state_dict().items()}
    with atomic_write(run.weights, "wb") as file:
        file.write(save(state))
