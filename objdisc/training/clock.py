"""The duration of a training over all its resumes, and its time budget."""

import math
import time

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast


class Clock:
    """Seconds of a training; every process reads those of the main process, so that all stop together.

    Args:
        accelerator: Device and processes.
        budget_minutes: Most minutes that the training may take; 0 sets no limit.
        spent: Seconds that it took before it was interrupted.
    """

    def __init__(self, accelerator: Accelerator, budget_minutes: float = 0.0, spent: float = 0.0) -> None:
        self._accelerator, self._budget = accelerator, 60 * budget_minutes
        self._before, self._started = spent, time.monotonic()
        self.spent = spent
        """Seconds at the last reading."""

    @property
    def over(self) -> bool:
        """Whether the budget was spent at the last reading."""
        return 0 < self._budget <= self.spent

    def read(self) -> float:
        """Read the time; a collective of all processes."""
        spent = torch.tensor([self._before + time.monotonic() - self._started], dtype=torch.float64)
        if self._accelerator.num_processes > 1:
            # gloo and nccl know float64, mps does not: it never has a second process
            spent = broadcast(spent.to(self._accelerator.device))
        self.spent = float(spent)
        return self.spent

    def expected_steps(self, step: int, most: int) -> int:
        """Return how many steps the training will have at its speed so far.

        Args:
            step: Steps at the last reading.
            most: Steps of all its epochs.

        Returns:
            ``most`` without a budget, or before the speed is known; otherwise at most that.
        """
        if not self._budget or not step or not self.spent:
            return most
        return min(most, math.ceil(step * self._budget / self.spent))
