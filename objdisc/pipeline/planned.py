"""Runs that are planned before any is made: each then gets a process of its own, and is read back from its folder."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objdisc.config.parser import dump, load, parse
from objdisc.errors import UsageError
from objdisc.io.claims import claimed
from objdisc.io.files import atomic_write, read_json, write_json
from objdisc.io.marks import Mark
from objdisc.io.run import Run
from objdisc.patches.building import IMAGES, MANIFEST, MASKS, ROWS
from objdisc.pipeline.options import DiscoverOptions, difference

log = logging.getLogger("objdisc")

_INTERRUPTED = 130


@dataclass(frozen=True)
class PlannedRun:
    """One config with one seed.

    Attributes:
        name: What the runs of all its seeds are called, such as the name of the config.
        seed: The seed.
        run: Its folder.
        options: What discover is asked to do.
    """

    name: str
    seed: int
    run: Run
    options: DiscoverOptions

    @property
    def asked(self) -> Path:
        """Settings that discover is started with."""
        return self.run.path / "asked.yaml"

    @property
    def measured(self) -> Path:
        """What the run cost."""
        return self.run.path / "measured.json"

    @property
    def output(self) -> Path:
        """What discover said."""
        return self.run.path / "output.txt"


@dataclass(frozen=True)
class Outcome:
    """How a planned run ended.

    Attributes:
        name: Its name.
        seed: Its seed.
        numbers: Its ``metrics.json`` and what was measured; empty if it failed.
        failure: Why it failed; empty if it did not, and of one that has not been run yet ``not run yet``.
    """

    name: str
    seed: int
    numbers: Mapping[str, Any]
    failure: str = ""


def plan_run(
    name: str, config: Path | None, seed: int, data: Path, folder: Path, flags: Sequence[str], *, prog: str
) -> PlannedRun:
    """Plan a run of a config with a seed, in ``FOLDER/seedS``.

    Args:
        name: What the runs of all seeds are called.
        config: YAML of discover; None for flags alone.
        seed: The seed.
        data: Folder of the data set.
        folder: Folder of the runs of all seeds.
        flags: Flags of discover; they win over the config.
        prog: The command as the user typed it, for messages.

    Raises:
        UsageError: The config or a flag is wrong.
    """
    run = Run(folder / f"seed{seed}")
    words = [str(data), *(() if config is None else ("--config", str(config))), *flags]
    try:
        words += ["--seed", str(seed), "--output-dir", str(run.path)]
        options = parse(DiscoverOptions, words, prog=prog, quiet=True)  # its process gives the notices
    except UsageError as error:
        place, message = name if config is None else str(config), str(error)
        raise UsageError(message if message.startswith(place) else f"{place}: {message}") from error
    return PlannedRun(name, seed, run, options)


def check_settings(planned: PlannedRun) -> None:
    """Refuse to go on with a run that was started with other settings.

    Raises:
        UsageError: It was.
    """
    if not planned.run.config.is_file():
        return
    if first := difference(load_planned(planned), planned.options):
        raise UsageError(f"{planned.run.path}: holds a run with other settings ({first}); give another --output-dir.")


def load_planned(planned: PlannedRun) -> DiscoverOptions:
    """Read the settings of a run that has begun."""
    return load(DiscoverOptions, planned.run.config, allow_import=planned.options.allow_import)


def perform(planned: PlannedRun, earlier: Sequence[PlannedRun]) -> None:
    """Run discover in a process of its own; how it ended is in the run's folder."""
    begun = planned.run.config.is_file()
    if not begun:
        _mark(planned)
        _take_patches(planned, earlier)
        with atomic_write(planned.asked) as file:
            file.write(dump(planned.options))
    words = ["--resume", str(planned.run.path)] if begun else ["--config", str(planned.asked)]
    words += ["--allow-import"] if planned.options.allow_import else []
    command = [sys.executable, "-m", "objdisc.pipeline.measured", str(planned.measured), "discover", *words]
    with planned.output.open("ab") as file:
        code = subprocess.run(command, check=False, stdout=file, stderr=file).returncode
    noted = _measured(planned)
    if noted.get("exit_code") != code:  # a process that was killed notes nothing
        write_json(planned.measured, {**noted, "exit_code": code})
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    outcome = outcome_of(planned)
    scores = [f"{key} {outcome.numbers[key]:.3f}" for key in ("accuracy_hungarian", "nmi") if key in outcome.numbers]
    if outcome.failure:
        log.warning("%s, seed %d: %s", planned.name, planned.seed, outcome.failure)
    elif scores:
        log.info("%s, seed %d: %s", planned.name, planned.seed, ", ".join(scores))


def _mark(planned: PlannedRun) -> None:
    """Mark the folder as that of a run, so that discover goes on in it though something is there.

    Raises:
        UsageError: The folder holds anything else.
    """
    with claimed(planned.run.path, Mark.now("discover", data=planned.options.path)):
        pass


def _take_patches(planned: PlannedRun, earlier: Sequence[PlannedRun]) -> None:
    """Share the patches of an earlier run that cuts the same; opening them checks them against the data."""

    def cuts(run: PlannedRun) -> list[str]:
        same = ("train_split", "split", "foreground", "objectness", "data", "patches", "strict")
        return [str(run.seed), *(str(getattr(run.options, key)) for key in same)]

    for other in earlier:
        if cuts(other) == cuts(planned):
            for manifest in other.run.patches.glob(f"*/{MANIFEST}"):
                target = planned.run.patches / manifest.parent.name
                if not target.is_dir():
                    target.mkdir(parents=True)
                    for name in (IMAGES, ROWS, MASKS, MANIFEST):
                        _link(manifest.parent / name, target / name)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; a copy where the file system has no links. Stores replace files, never change them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _measured(planned: PlannedRun) -> Mapping[str, Any]:
    return read_json(planned.measured) if planned.measured.is_file() else {}


def outcome_of(planned: PlannedRun) -> Outcome:
    """Read how a run ended."""
    measured = _measured(planned)
    if measured.get("exit_code") == 0 and planned.run.metrics.is_file():
        return Outcome(planned.name, planned.seed, {**read_json(planned.run.metrics), **measured})
    return Outcome(planned.name, planned.seed, {}, _failure(planned, measured.get("exit_code")))


def _failure(planned: PlannedRun, code: int | None) -> str:
    """Say why there is no result."""
    if not planned.asked.is_file():
        return "not run yet"
    if code is None or code == _INTERRUPTED:
        return "interrupted; the same command goes on"
    if code < 0:
        return f"killed by signal {-code}; see {planned.output}"
    said = planned.output.read_text(encoding="utf-8", errors="replace") if planned.output.is_file() else ""
    lines = [line for line in said.splitlines() if line.strip()] or [f"exit code {code}"]
    return f"failed: {lines[-1].removeprefix('objdisc: error: ')}"
