"""Several configs on one data set in one table."""

from objdisc.commands.compare.command import CompareOptions, compare

__all__ = ["CompareOptions", "compare"]
