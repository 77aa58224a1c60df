"""A figure over seeds: its mean, and the range that tables show with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self


@dataclass(frozen=True)
class Spread:
    """Mean, lowest and highest of a number over seeds."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Self | None:
        """Sum up the numbers that there are; None if there are none."""
        known = [float(value) for value in values if value is not None]
        return cls(fmean(known), min(known), max(known)) if known else None

    def text(self, digits: int) -> str:
        """Write ``mean (low–high)``, or the only number, with ``digits`` digits after the decimal point."""
        mean, low, high = (f"{value:.{digits}f}" for value in (self.mean, self.low, self.high))
        return mean if self.low == self.high else f"{mean} ({low}–{high})"
