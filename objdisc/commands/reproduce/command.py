"""Reproducing published figures: a list of them, repeated runs, and a comparison of both."""

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
    """Repeat the runs behind published figures, and say which seeds lie within the published range.

    Without a name, the published figures are listed. Each run is a separate process; the same command again makes
    missing runs and continues interrupted ones. Only data, device and processes can be set: any other setting would
    give other figures.

    Attributes:
        names: Names of data/results/figures.yaml.
        seeds: Seeds to run, separated by commas; by default the published ones.
        output_dir: Folder of the runs, with a folder for each name and seed.
        publish: Write the figures to data/results/NAME.json, in place of older ones, if all published seeds were run.
        results: Folder with figures.yaml and the published figures; by default data/results of the checkout. Paths of
            data and configs start two folders above it.
        device: Where networks run: auto, cpu, cuda or mps.
        workers: Processes that load data; by default as many as in discover.
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
    """Published and repeated figures.

    Attributes:
        text: Tables.
    """

    text: str

    def summary(self) -> str:
        """Return the tables."""
        return self.text


@dataclass(frozen=True)
class _Planned:
    """An entry and its runs: first the requested ones, then the other published ones."""

    entry: Figures
    asked: Sequence[PlannedRun]
    others: Sequence[PlannedRun]
    folder: Path
    mark: Mark


def reproduce(options: ReproduceOptions) -> Reproduced:
    """Make the missing runs of some figures, one after the other; or list the published figures.

    Raises:
        UsageError: The figures or data do not exist, a run's folder holds one with other settings, or figures that
            cannot be published are to be published.
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
    """Plan the runs of an entry, and check everything that can be checked in advance."""
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
    """Refuse, before hours of training, figures that could not be published after them."""
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
