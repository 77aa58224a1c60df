"""The published figures: what they are, the runs behind them made again, and both side by side."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from objdisc.commands.reproduce.figures import FILE, Figures, read_figures
from objdisc.commands.reproduce.publishing import is_published, publish, refusal
from objdisc.commands.reproduce.table import list_of, table_of
from objdisc.config.components import positional
from objdisc.errors import UsageError
from objdisc.io.claims import claimed
from objdisc.io.marks import Mark, current_commit
from objdisc.pipeline.data import open_splits
from objdisc.pipeline.images import fingerprint
from objdisc.pipeline.planned import PlannedRun, check_settings, outcome_of, perform, plan_run

log = logging.getLogger("objdisc")

_PROG = "objdisc reproduce"


@dataclass(frozen=True)
class ReproduceOptions:
    """Make the runs behind published figures again, and say which seeds lie within the published range.

    Without a name it lists what is published. Each run is a process of its own; the same command again makes what is
    missing and goes on with what was interrupted. Nothing but data, device and processes can be set: any other setting
    would make other figures.

    Attributes:
        names: Names of data/results/figures.yaml.
        seeds: Seeds to run, with commas between; those that are published if none are given.
        output_dir: Folder of the runs, with a folder for each name and seed.
        publish: Write the figures to data/results/NAME.json, in place of older ones, if all published seeds were run.
        results: Folder with figures.yaml and what is published; data/results of the checkout if none is given. Data and
            configs are looked up from two folders above it.
        device: Where networks run: auto, cpu, cuda or mps.
        workers: Processes that load data; what discover takes if none are given.
    """

    names: tuple[str, ...] = positional((), several="[NAME...]")
    seeds: tuple[int, ...] | None = None
    output_dir: Path = Path("runs/reproduced")
    publish: bool = False
    results: Path | None = None
    device: str = "auto"
    workers: int | None = None


@dataclass(frozen=True)
class Reproduced:
    """What is published, and what came out here.

    Attributes:
        text: Tables.
    """

    text: str

    def summary(self) -> str:
        """Return the tables."""
        return self.text


@dataclass(frozen=True)
class _Planned:
    """An entry and its runs: those that are asked for first, then the others that are published."""

    entry: Figures
    asked: Sequence[PlannedRun]
    others: Sequence[PlannedRun]
    folder: Path
    mark: Mark


def reproduce(options: ReproduceOptions) -> Reproduced:
    """Make the runs of some figures that were not made yet, one after the other; or list what is published.

    Raises:
        UsageError: No such figures, no such data, a run's folder holds one with other settings, or figures are to be
            published that cannot be.
    """
    known = read_figures(options.results)
    if not options.names:
        return Reproduced(list_of(known.values()))
    planned = [_plan(entry, options) for entry in _chosen(known, options.names)]
    if options.publish:
        _check_publishing(planned)
    tables, refused = [], []
    for one in planned:
        _perform(one)
        table = table_of(one.entry, [outcome_of(run) for run in one.asked])
        runs = [*one.asked, *one.others]
        outcomes = [outcome_of(run) for run in runs]
        if options.publish and not is_published(one.entry, outcomes):
            if why := refusal(one.entry, runs, outcomes):
                refused.append(f"{one.entry.name} is not published: {why}")
            else:
                table += f"\n\nwritten: {publish(one.entry, outcomes)}"
        tables.append(table)
    text = "\n\n\n".join(tables)
    if refused:
        log.info("%s", text)
        raise UsageError(f"{'; '.join(refused)}.")
    return Reproduced(text)


def _chosen(known: Mapping[str, Figures], names: Sequence[str]) -> list[Figures]:
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"{name}: no such figures; {hint}objdisc reproduce lists all.")
    return [known[name] for name in dict.fromkeys(names)]


def _plan(entry: Figures, options: ReproduceOptions) -> _Planned:
    """Plan the runs of an entry, and check all that can be checked before any is made."""
    seeds = entry.seeds if options.seeds is None else options.seeds
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError("--seeds: give each seed once, such as 0,1,2")
    data = entry.root / entry.data
    if not data.is_dir():
        raise UsageError(f"{data}: no such folder; {entry.name} needs its images (data/README.md says from where).")
    config = None if entry.config is None else entry.root / entry.config
    folder = options.output_dir / entry.name
    flags = [*entry.flags, "--device", options.device]
    flags += [] if options.workers is None else ["--workers", str(options.workers)]
    every = [*seeds, *(seed for seed in entry.seeds if seed not in seeds)]
    runs = [plan_run(entry.name, config, seed, data, folder, flags, prog=_PROG) for seed in every]
    for run in runs:
        check_settings(run)
    dataset, scored = open_splits(data, runs[0].options)
    if (dataset.split, scored.split) != (entry.train_split, entry.split):
        found = f"{dataset.split or 'all'} and {scored.split or 'all'}"
        said = f"{entry.train_split or 'all'} and {entry.split or 'all'}"
        raise UsageError(f"{entry.name}: would train on and score {found}, {FILE} says {said}.")
    mark = Mark.now("reproduce", data=data, images=fingerprint(dataset), subject=entry.name)
    return _Planned(entry, runs[: len(seeds)], runs[len(seeds) :], folder, mark)


def _check_publishing(planned: Sequence[_Planned]) -> None:
    """Say before hours of training what would be in the way of publishing after them."""
    commit = current_commit()
    for one in planned:
        waiting = any(outcome_of(run).failure for run in one.asked)
        if waiting and (commit is None or commit.endswith("-dirty")):
            what = "the code is of no known commit" if commit is None else "code or configs differ from their commit"
            raise UsageError(f"--publish: {what}, so that nobody could make the figures again; commit them first.")
        if absent := [str(run.seed) for run in one.others if outcome_of(run).failure]:
            raise UsageError(
                f"--publish: {one.entry.name} is published with seeds {', '.join(map(str, one.entry.seeds))}, and "
                f"{', '.join(absent)} were not run; leave --seeds out."
            )


def _perform(planned: _Planned) -> None:
    with claimed(planned.folder, planned.mark):
        for number, run in enumerate(planned.asked):
            if outcome_of(run).failure:
                log.info("%s, seed %d (%d of %d)", run.name, run.seed, number + 1, len(planned.asked))
                perform(run, planned.asked[:number])
