"""Speed and memory of this machine's runs, as ratios within one run."""

from objdisc.commands.benchmark.command import BenchmarkOptions, benchmark

__all__ = ["BenchmarkOptions", "benchmark"]
