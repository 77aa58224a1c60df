"""Replacing published figures by repeated ones, which must be complete, from known code, and newer."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from objdisc.commands.reproduce.figures import Figures, PublishedRow, value_of
from objdisc.io.files import atomic_write
from objdisc.io.marks import Mark
from objdisc.pipeline.planned import Outcome, PlannedRun

log = logging.getLogger("objdisc")


def refusal(entry: Figures, planned: Sequence[PlannedRun], outcomes: Sequence[Outcome]) -> str:
    """Say why figures cannot be published; empty if they can.

    Args:
        entry: What is published.
        planned: The runs.
        outcomes: How each ended, in the same order.
    """
    done = {run.seed: run for run in outcomes if not run.failure}
    if missing := [seed for seed in entry.seeds if seed not in done]:
        return f"no run of seed {', '.join(map(str, missing))}"
    newest = max((row.date for row in entry.published()), default="")
    for run in planned:
        if run.seed not in entry.seeds:
            continue
        row = PublishedRow.of(done[run.seed].numbers)
        mark = Mark.read(run.run.path)
        if row.provenance is None or not row.commit or row.commit.endswith("-dirty"):
            code = f"code of {row.commit}" if row.commit else "code of no known commit"
            return f"seed {run.seed} was made by {code}, which nobody could check out"
        if mark is not None and mark.commit != row.commit:
            return f"seed {run.seed} was begun at {mark.commit} and ended at {row.commit}"
        if row.date <= newest:
            return f"seed {run.seed} was made on {row.date}, what is published on {newest}"
        if absent := [key for key in entry.keys if value_of(row.numbers, key) is None]:
            return f"seed {run.seed} has no {absent[0]}"
    return ""


def publish(entry: Figures, outcomes: Sequence[Outcome]) -> Path:
    """Write the figures of the entry's seeds, each with its command and provenance, in place of the old ones.

    Raises:
        UsageError: The published file is damaged.
        ObjdiscError: The file cannot be written.
    """
    before = {key for row in entry.published() for key in row.numbers}
    rows = _rows(entry, outcomes)
    if gone := sorted(before - {key for row in rows for key in row} - {"commit", "processor", "date"}):
        log.warning("%s: no longer in it: %s", entry.file, ", ".join(gone))
    with atomic_write(entry.file) as file:
        file.write(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return entry.file


def is_published(entry: Figures, outcomes: Sequence[Outcome]) -> bool:
    """Whether the published figures are those of these same runs.

    Raises:
        UsageError: The published file is damaged.
    """
    return [dict(row.numbers) for row in entry.published()] == _rows(entry, outcomes)


def _rows(entry: Figures, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the file's content for each seed, in the entry's order."""
    found = {run.seed: run.numbers for run in outcomes}
    costs = ("exit_code", "seconds", "cpu_seconds", "peak_mebibytes", "device_peak_mebibytes")
    return [
        {
            "command": entry.command(seed),
            **{key: value for key, value in found[seed].items() if key not in costs},
            **{key: round(value, 1) for key in costs[1:] if (value := value_of(found[seed], key)) is not None},
        }
        for seed in entry.seeds
    ]
