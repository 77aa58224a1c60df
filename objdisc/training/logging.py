"""The log of a training: JSON lines, TensorBoard if it is installed, and a progress bar on a terminal."""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from objdisc.io.files import atomic_write
from objdisc.io.progress import progress_bar
from objdisc.io.run import Run, read_metrics_log

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    SummaryWriter = None  # type: ignore[assignment, misc]


class TrainingLog:
    """Records of one training, on the main process only.

    Args:
        run: Folder of the run; None writes nothing.
        total_steps: Optimiser steps of the whole training.
        resume_step: Steps that are done; later lines of an earlier, killed process are dropped.
        shown: Whether to draw a bar; None to draw it if stderr is a terminal.
    """

    def __init__(self, run: Run | None, total_steps: int, resume_step: int = 0, shown: bool | None = None) -> None:
        self._path = None if run is None else run.metrics_log
        self._bar = progress_bar("training", total_steps, done=resume_step, shown=shown, transient=False)
        self._board = None
        if run is not None and self._path is not None:
            kept = [line for line in read_metrics_log(self._path) if resume_step and line["step"] <= resume_step]
            with atomic_write(self._path) as file:
                file.writelines(json.dumps(line) + "\n" for line in kept)
            if SummaryWriter is not None:
                self._board = SummaryWriter(str(run.path / "tensorboard"), purge_step=resume_step)

    def __enter__(self) -> Self:
        self._advance = self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, value, trace)
        if self._board is not None:
            self._board.close()

    def step(self, loss: float) -> None:
        """Move the bar forward."""
        self._advance(1, f"loss {loss:.3f}")

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one JSON line; its numbers also go to TensorBoard.

        Args:
            record: A record with ``step``; tensors are written as numbers or lists.
        """
        if self._path is None:
            return
        plain = {name: value.tolist() if isinstance(value, Tensor) else value for name, value in record.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain) + "\n")
        if self._board is not None:
            for name, value in plain.items():
                if isinstance(value, (int, float)) and name != "step":
                    self._board.add_scalar(name, value, plain["step"])


class MeanTerms:
    """Means of named loss terms since the last reset, summed on their device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    def update(self, terms: Mapping[str, Tensor]) -> None:
        """Add one step's terms."""
        self._steps += 1
        for name, term in terms.items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=term.device)) + term.detach().float()

    def means(self) -> dict[str, float]:
        """Return the means, and reset them."""
        means = {name: float(value) / max(self._steps, 1) for name, value in self._sums.items()}
        self._sums, self._steps = {}, 0
        return means
