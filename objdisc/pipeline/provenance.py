"""Provenance of a run: code, machine and precision, which are saved with its scores; ``objdisc doctor`` prints them."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from objdisc import __version__
from objdisc.io.marks import current_commit

if TYPE_CHECKING:
    from objdisc.training.engine import Precision


@dataclass(frozen=True)
class Provenance:
    """How and where a run was made.

    Attributes:
        objdisc: Version of the package.
        commit: Commit of the checkout that it was imported from; None if there is no checkout.
        python: Version of Python.
        torch: Version of PyTorch.
        processor: Name of the processor.
        cores: Number of cores that the process may use.
        threads: Number of threads that PyTorch uses.
        device: Where the network ran: cpu, cuda or mps.
        gpu: Name of the device if it is a CUDA GPU; otherwise empty.
        precision: Number format of matrix products: ``bf16`` or ``fp32``.
        date: When this was recorded, in ISO 8601, UTC.
    """

    objdisc: str
    commit: str | None
    python: str
    torch: str
    processor: str
    cores: int
    threads: int
    device: str
    gpu: str
    precision: str
    date: str

    @classmethod
    def now(cls, device: str = "auto", precision: "Precision" = "auto") -> Self:
        """Find the code and the machine for a training with these settings.

        Args:
            device: auto, cpu, cuda or mps.
            precision: bf16, fp32, or auto.

        Raises:
            UsageError: The device is not available.
            ImportError: PyTorch cannot be imported.
        """
        import torch

        from objdisc.training.engine import Machine

        chosen = Machine.choose(device, precision)
        return cls(
            objdisc=__version__,
            commit=current_commit(),
            python=platform.python_version(),
            torch=str(torch.__version__),
            processor=processor_name(),
            cores=usable_cores(),
            threads=torch.get_num_threads(),
            device=chosen.device.type,
            gpu=torch.cuda.get_device_name(chosen.device) if chosen.device.type == "cuda" else "",
            precision="bf16" if chosen.bf16 else "fp32",
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the values for ``metrics.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Read it back.

        Raises:
            KeyError: Something is missing.
            TypeError: It is not a mapping.
            ValueError: A value is not a number.
        """
        read: dict[str, Any] = {name: str(facts[name]) for name in cls.__dataclass_fields__}
        read |= {name: int(facts[name]) for name in ("cores", "threads")}
        return cls(**{**read, "commit": None if facts["commit"] is None else read["commit"]})

    def __str__(self) -> str:
        """Return one line."""
        commit = "" if self.commit is None else f" (commit {short_commit(self.commit)})"
        where = f"{self.gpu}, " if self.gpu else ""
        made_by = f"objdisc {self.objdisc}{commit}, torch {self.torch}"
        return f"{made_by}, {where}{self.processor}, {self.computing}, {self.date[:10]}"

    @property
    def computing(self) -> str:
        """Describe the device and the precision."""
        threads = f"{self.threads} thread{'s' * (self.threads != 1)} of {self.cores} core{'s' * (self.cores != 1)}"
        return f"{threads}, {self.device} in {self.precision}"


def short_commit(commit: str) -> str:
    """Return the first seven digits of a commit, with its suffix."""
    name, dash, rest = commit.partition("-")
    return f"{name[:7]}{dash}{rest}"


def usable_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    """Return the processor's name from the system, or its architecture if there is none."""
    if (listed := Path("/proc/cpuinfo")).is_file():
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
        return " ".join(names[0].split()) if names else platform.machine()
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        said = subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()
        return said or platform.machine()
    return platform.processor() or platform.machine()
