"""Published and repeated figures side by side, and the seeds that lie within the published range."""

from collections.abc import Iterable, Sequence

from objdisc.commands.reproduce.figures import Figures, PublishedRow, value_of
from objdisc.pipeline.planned import Outcome
from objdisc.pipeline.provenance import short_commit
from objdisc.pipeline.seeds import Spread
from objdisc.render.text_table import text_table

_NOISE = 1e-9  # what the same numbers may differ by when they are averaged in another order


def list_of(entries: Iterable[Figures]) -> str:
    """Format a table of names with their data, seeds and published figures."""
    rows = []
    for entry in entries:
        known = [row.numbers for row in entry.published()]
        spreads = [(key, Spread.of([value_of(row, key) for row in known])) for key in entry.keys]
        figures = ", ".join(f"{key} {_text(spread, entry)}" for key, spread in spreads)
        rows.append([entry.name, f"{entry.data}, {entry.splits}", ",".join(map(str, entry.seeds)), figures])
    return text_table(["name", "data", "seeds", "published"], rows, left=range(4))


def table_of(entry: Figures, outcomes: Sequence[Outcome]) -> str:
    """Format one entry: the command, each figure as published and as repeated, and the provenance of both."""
    published = entry.published()
    done = [run for run in outcomes if not run.failure]
    rows = []
    for key in entry.keys:
        before = Spread.of([value_of(row.numbers, key) for row in published])
        here = [(run.seed, value_of(run.numbers, key)) for run in done]
        after = Spread.of([value for _, value in here])
        rows.append([key, _text(before, entry), _text(after, entry), _verdict(before, here, entry.digits)])
    head = ["figure", "published", "here", "seeds within the published range"]
    parts = [f"{entry.name}: {entry.about}\n{entry.command('S')}  ({entry.splits})"]
    parts.append(text_table(head, rows, left=(0, 1, 2, 3)))
    parts.append(
        "\n".join(
            [
                f"published: {_made(published)}",
                f"here: {_made([PublishedRow.of(run.numbers) for run in done]) if done else 'nothing yet'}",
                *(f"seed {run.seed}: {run.failure}" for run in outcomes if run.failure),
            ]
        )
    )
    return "\n\n".join(parts)


def _text(spread: Spread | None, entry: Figures) -> str:
    return "–" if spread is None else spread.text(entry.digits)


def _verdict(published: Spread | None, here: Sequence[tuple[int, float | None]], digits: int) -> str:
    """Name the seeds that lie within a range, and say how far the others are from it."""
    if published is None or not any(value is not None for _, value in here):
        return "–"
    within, outside = [], []
    for seed, value in here:
        if value is None:
            outside.append(f"{seed} has none")
        elif value < published.low - _NOISE:
            outside.append(f"{seed} below by {published.low - value:.{digits + 1}f}")
        elif value > published.high + _NOISE:
            outside.append(f"{seed} above by {value - published.high:.{digits + 1}f}")
        else:
            within.append(str(seed))
    return "; ".join(filter(None, [", ".join(within) or "none", ", ".join(outside)]))


def _made(rows: Sequence[PublishedRow]) -> str:
    """Describe the seeds, commits and processors of figures, and the time that they took."""
    if not rows:
        return "nothing yet"
    seeds = ", ".join(str(row.numbers.get("seed", "?")) for row in rows)
    commits = " and ".join(sorted({short_commit(row.commit) or "unknown" for row in rows}))
    processors = " and ".join(sorted({row.processor or "unknown" for row in rows}))
    said = [f"seed{'s' * (len(rows) > 1)} {seeds}", f"commit {commits}", f"processor {processors}"]
    known = [row.provenance for row in rows if row.provenance is not None]
    said += [" and ".join(sorted({made.computing for made in known}))]
    for key, what in (("seconds", "s"), ("cpu_seconds", "s of processor time")):
        spread = Spread.of([value_of(row.numbers, key) for row in rows])
        said += [] if spread is None else [f"{spread.text(0)} {what}"]
    return ", ".join(filter(None, said))
