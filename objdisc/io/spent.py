"""Wall and CPU seconds of processes, summed over interrupted ones."""

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
    """Seconds that were spent, or a reading of the counters, whose differences are seconds spent.

    Attributes:
        seconds: Wall seconds.
        cpu_seconds: CPU seconds, including system time; other programs on the machine change them little.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @classmethod
    def now(cls) -> Self:
        """Read the counters of this process and of those of its children that have ended."""
        return cls(time.monotonic(), sum(os.times()[:4]))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; zero if it is missing or damaged, since a run must not fail because of it."""
        with suppress(UsageError, TypeError, ValueError):
            noted = read_json(path) if path.is_file() else {}
            return cls(float(noted.get("seconds", 0.0)), float(noted.get("cpu_seconds", 0.0)))
        return cls()

    def __add__(self, other: "Spent") -> "Spent":
        """Add seconds that were spent elsewhere."""
        return Spent(self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds)

    def since(self, start: "Spent") -> "Spent":
        """Return the seconds between two readings of the counters."""
        return Spent(self.seconds - start.seconds, self.cpu_seconds - start.cpu_seconds)


@contextmanager
def added_to(path: Path) -> Iterator[None]:
    """Add the seconds that this process spends within the block to a file, however the block ends, unless it is killed.

    A file that cannot be written, as on a full disk, is left as it is.
    """
    began = Spent.now()
    try:
        yield
    finally:
        with suppress(ObjdiscError, OSError):
            write_json(path, asdict(Spent.read(path) + Spent.now().since(began)))
