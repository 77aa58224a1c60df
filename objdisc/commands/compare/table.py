"""The table of a comparison: one row a config with its scores over seeds, what it cost, and what failed."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objdisc.io.files import atomic_write, write_image
from objdisc.models.origin import WeightsOrigin
from objdisc.pipeline.planned import Outcome
from objdisc.pipeline.seeds import Spread
from objdisc.render.charts import Bar, BarColumn, as_pixels, bar_chart


@dataclass(frozen=True)
class Measure:
    """A number that runs are compared by.

    Attributes:
        key: Its name in ``metrics.json`` or among what was measured.
        title: Head of its column.
        digits: Behind the point.
        full: Its largest possible value; None for a cost.
    """

    key: str
    title: str
    digits: int = 3
    full: float | None = 1.0


SCORES = (
    Measure("accuracy_hungarian", "accuracy"),
    Measure("nmi", "NMI, arithmetic"),
    Measure("nmi_geometric", "NMI, geometric"),
    Measure("ari", "ARI"),
)
COSTS = (
    Measure("training_seconds", "training, s", 0, None),
    Measure("cpu_seconds", "whole run, CPU s", 0, None),
    Measure("peak_mebibytes", "peak memory, MiB", 0, None),
    Measure("device_peak_mebibytes", "peak on the GPU, MiB", 0, None),
)


@dataclass(frozen=True)
class Comparison:
    """All runs of a comparison.

    Attributes:
        title: What was compared, in one line.
        names: Names of the configs, in the order of the rows.
        outcomes: One a run, in any order.
        protocol: Sentences that say how: data, splits, budget.
    """

    title: str
    names: Sequence[str]
    outcomes: Sequence[Outcome]
    protocol: Sequence[str]

    def of(self, name: str) -> list[Outcome]:
        """Return a config's runs."""
        return [outcome for outcome in self.outcomes if outcome.name == name]

    @property
    def measures(self) -> list[Measure]:
        """What at least one run has, and all scores."""
        known = {key for outcome in self.outcomes for key, value in outcome.numbers.items() if value is not None}
        return [*SCORES, *(cost for cost in COSTS if cost.key in known)]


def to_markdown(comparison: Comparison) -> str:
    """Write the table with its protocol and its failures."""
    measures = comparison.measures
    rows = [["config", "encoder", "runs", *(measure.title for measure in measures)]]
    rows += [_cells(comparison, name) for name in comparison.names]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, [("-" * width if column < 2 else "-" * (width - 1) + ":") for column, width in enumerate(widths)])
    table = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).join(("| ", " |"))
        for row in rows
    ]
    failures = [
        f"- {outcome.name}, seed {outcome.seed}: {outcome.failure}"
        for outcome in comparison.outcomes
        if outcome.failure
    ]
    parts = [[f"# {comparison.title}"], table, [f"- {sentence}" for sentence in comparison.protocol]]
    parts += [["Without a result:"], failures] if failures else []
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _cells(comparison: Comparison, name: str) -> list[str]:
    outcomes = comparison.of(name)
    done = [outcome for outcome in outcomes if not outcome.failure]
    count = str(len(done)) if len(done) == len(outcomes) else f"{len(done)} of {len(outcomes)}"
    spreads = [(measure, _spread(done, measure)) for measure in comparison.measures]
    return [name, _encoder(done), count, *("–" if spread is None else spread.text(at.digits) for at, spread in spreads)]


def _encoder(done: Sequence[Outcome]) -> str:
    """Name the encoder, with a star if its weights have seen labels."""
    told = [(run.numbers.get("encoder", "?"), WeightsOrigin.from_metrics(run.numbers)) for run in done]
    names = {f"{encoder}{'*' * bool(origin.labels)}" for encoder, origin in told}
    return ", ".join(sorted(names)) or "–"


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write ``comparison.md``, ``.csv``, ``.png``, and ``runs.csv`` with one line a run.

    Raises:
        ObjdiscError: A file cannot be written.
    """
    with atomic_write(folder / "comparison.md") as file:
        file.write(to_markdown(comparison))
    measures = comparison.measures
    spread_names = [f"{measure.key}_{part}" for measure in measures for part in ("mean", "low", "high")]
    with atomic_write(folder / "comparison.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["config", "encoder", "runs", *spread_names, "without_result"])
        for name in comparison.names:
            outcomes = comparison.of(name)
            done = [outcome for outcome in outcomes if not outcome.failure]
            spreads = [_spread(done, measure) for measure in measures]
            numbers = [number for spread in spreads for number in _plain(spread)]
            writer.writerow([name, _encoder(done), len(done), *numbers, len(outcomes) - len(done)])
    with atomic_write(folder / "runs.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["config", "seed", *(measure.key for measure in measures), "failure"])
        for run in comparison.outcomes:
            writer.writerow([run.name, run.seed, *(run.numbers.get(measure.key) for measure in measures), run.failure])
    write_image(folder / "comparison.png", draw(comparison))


def _spread(outcomes: Sequence[Outcome], measure: Measure) -> Spread | None:
    """Sum up the runs that have a number; None if none has."""
    return Spread.of([run.numbers.get(measure.key) for run in outcomes])


def _plain(spread: Spread | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if spread is None else (spread.mean, spread.low, spread.high)


def draw(comparison: Comparison) -> Any:
    """Draw the table as bars with their spread, ``(H, W, 3)`` uint8 RGB."""
    columns = []
    for measure in comparison.measures:
        spreads = [
            _spread([run for run in comparison.of(name) if not run.failure], measure) for name in comparison.names
        ]
        bars = [
            None if spread is None else Bar(spread.mean, spread.low, spread.high, f"{spread.mean:.{measure.digits}f}")
            for spread in spreads
        ]
        columns.append(BarColumn(measure.title, bars, measure.full))
    return as_pixels(bar_chart(comparison.title, comparison.names, columns))
