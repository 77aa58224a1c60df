"""What this installation and this machine have, as text to paste into a report."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from objdisc import __version__
from objdisc.io.marks import current_commit
from objdisc.pipeline.provenance import Provenance, processor_name, usable_cores
from objdisc.render.text_table import text_table

_GIB = 2**30
_LEAST_FREE = 5 * _GIB  # what patches and results of a few thousand images take, roughly


@dataclass(frozen=True)
class DoctorOptions:
    """Print versions, devices, cores, memory, disk and extras, in a form to paste into a report; nothing is changed."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        facts: What each line is about, and what it says.
        problems: What keeps commands from working, or slows them down, in whole sentences.
    """

    facts: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]

    def summary(self) -> str:
        """Return one line a fact, then the problems."""
        table = text_table(["", ""], self.facts, left=(0, 1))
        return "\n".join([table, "", *(self.problems or ("No problem was found.",))])


@dataclass(frozen=True)
class _Extra:
    """An optional part of the package: its name, and each distribution it asks for with the version that is there."""

    name: str
    needs: tuple[tuple[Requirement, str | None], ...]

    @property
    def missing(self) -> list[str]:
        return [need.name for need, version in self.needs if version is None]

    @property
    def text(self) -> str:
        if self.missing:
            return f"not installed ({', '.join(self.missing)}): pip install 'objdisc[{self.name}]'"
        return ", ".join(f"{need.name} {version}" for need, version in self.needs)


def doctor(options: DoctorOptions) -> Diagnosis:
    """Look at the installation and the machine."""
    del options
    facts = [
        ("objdisc", " ".join(filter(None, [__version__, current_commit()]))),
        ("python", f"{platform.python_version()}, {sys.executable}"),
        ("system", f"{platform.platform()}, {platform.machine()}"),
    ]
    problems = []
    for need, version in _requirements(""):
        facts.append((need.name, version or "missing"))
        if version is None or not need.specifier.contains(version, prereleases=True):
            found = f"is {version}" if version else "is missing"
            problems.append(f"{need.name} {found}; objdisc needs {need}: pip install '{need}'.")
    facts += _machine()
    for extra in _extras():
        facts.append((f"extra {extra.name}", extra.text))
    if not _described("requires"):
        problems.append("objdisc itself is not installed, so that its requirements are unknown: pip install -e .")
    free = shutil.disk_usage(Path.cwd()).free
    if free < _LEAST_FREE:
        problems.append(f"Only {free / _GIB:.1f} GiB are free where runs would be written; a run may need more.")
    return Diagnosis(tuple(facts), tuple(problems))


def _machine() -> Iterator[tuple[str, str]]:
    """Yield what the machine has to compute with."""
    yield "processor", processor_name()
    yield "cores", f"{usable_cores()} usable of {os.cpu_count()}"
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield "memory", f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / _GIB:.1f} GiB"
    usage = shutil.disk_usage(Path.cwd())
    yield "disk", f"{usage.free / _GIB:.1f} of {usage.total / _GIB:.1f} GiB free in {Path.cwd()}"
    try:
        import torch

        made = Provenance.now()
    except ImportError as error:  # a broken installation is what this command is for
        yield "devices", f"unknown: {error}"
        return
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []
    yield "devices", ", ".join([*names, "cpu"])
    yield "auto takes", f"{made.device}, {made.precision}, {made.threads} threads"
    for name in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "CUDA_VISIBLE_DEVICES", "CITYSCAPES_DATASET"):
        if name in os.environ:
            yield f"${name}", os.environ[name]


def _requirements(extra: str) -> Iterator[tuple[Requirement, str | None]]:
    """Yield what the package asks for, for an extra or (``""``) at all, each with the version that is there."""
    for text in _described("requires"):
        need = Requirement(text)
        if need.name == "objdisc":  # an extra that is made of others
            continue
        marked = need.marker is not None and "extra" in str(need.marker)
        if (need.marker is None or need.marker.evaluate({"extra": extra})) and marked == bool(extra):
            yield need, _version(need.name)


def _extras() -> Iterator[_Extra]:
    for name in _described("extras"):
        yield _Extra(name, tuple(_requirements(name)))


def _described(what: Literal["requires", "extras"]) -> list[str]:
    """Read what the installed package says of itself; a source tree that nobody has installed says nothing."""
    try:
        found = metadata.metadata("objdisc")
    except metadata.PackageNotFoundError:
        return []
    return found.get_all("Requires-Dist" if what == "requires" else "Provides-Extra") or []


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
