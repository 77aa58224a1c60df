"""What processes have spent: seconds of the clock and of processors, added up over those that were interrupted."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from objdisc.errors import ObjdiscError, UsageError
from objdisc.io.files import read_json, write_json


@dataclass(frozen=True)
class Spent:
    """Seconds that were spent, or the state of the counters that they are the difference of.

    Attributes:
        seconds: Those of the clock.
        cpu_seconds: Those of processors, system time included, which other programs on the machine change little.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @classmethod
    def now(cls) -> Self:
        """Read the counters of this process and of those of its children that have ended."""
        return cls(time.monotonic(), sum(os.times()[:4]))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what a file notes; nothing where it is missing or damaged: a run does not fail for that."""
        with suppress(UsageError, TypeError, ValueError):
            noted = read_json(path) if path.is_file() else {}
            return cls(float(noted.get("seconds", 0.0)), float(noted.get("cpu_seconds", 0.0)))
        return cls()

    def __add__(self, other: "Spent") -> "Spent":
        """Add what was spent elsewhere."""
        return Spent(self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds)

    def since(self, start: "Spent") -> "Spent":
        """Return what was spent between two readings of the counters."""
        return Spent(self.seconds - start.seconds, self.cpu_seconds - start.cpu_seconds)


@contextmanager
def added_to(path: Path) -> Iterator[None]:
    """Add to a file what this process spends within the block, however that ends, unless it is killed.

    A file that cannot be written, as on a full disk, is left as it is.
    """
    began = Spent.now()
    try:
        yield
    finally:
        with suppress(ObjdiscError, OSError):
            write_json(path, asdict(Spent.read(path) + Spent.now().since(began)))
