"""Several configs on one data set, with the same seeds and budget, in one table."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objdisc.commands.compare.table import Comparison, to_markdown, write_comparison
from objdisc.config.components import flag_only, passed_on, positional
from objdisc.config.parser import load
from objdisc.errors import UsageError
from objdisc.io.claims import claimed
from objdisc.io.marks import Mark
from objdisc.models.origin import WeightsOrigin
from objdisc.pipeline.data import find_data, open_splits
from objdisc.pipeline.images import fingerprint
from objdisc.pipeline.options import DiscoverOptions, choose_objectness
from objdisc.pipeline.planned import PlannedRun, check_settings, outcome_of, perform, plan_run
from objdisc.pipeline.taken_for import tell

log = logging.getLogger("objdisc")

_TASK = ("num_clusters", "train_split", "split", "foreground", "objectness", "data", "patches")
"""What has to be the same for scores to compare methods, not tasks."""


@dataclass(frozen=True)
class CompareOptions:
    """Run several configs on one data set with the same seeds and budget, and put scores and costs into one table.

    All other flags are those of discover (--encoder, --num-clusters, --split, --epochs, --budget-minutes, ...), and win
    over every config. Each run is a process of its own; the same command again makes what is missing and goes on with
    what was interrupted.

    Attributes:
        configs: Configs of discover (.yaml), each a row of the table; and the data set's folder, unless they name it.
        seeds: Each config is run with each of these, with commas between.
        output_dir: Folder of the comparison, with a folder for each run; runs/compare_DATASET if none is given.
        allow_import: Import classes that lie outside of the package, where configs or flags name some; that runs their
            modules.
        flags: Flags of discover.
    """

    configs: tuple[Path, ...] = positional(several="CONFIG... [PATH]")
    seeds: tuple[int, ...] = (0,)
    output_dir: Path | None = None
    allow_import: bool = flag_only()
    flags: tuple[str, ...] = passed_on(DiscoverOptions)


@dataclass(frozen=True)
class Compared:
    """Runs that were compared.

    Attributes:
        comparison: The table's content.
        folder: Where table and picture are.
    """

    comparison: Comparison
    folder: Path

    def summary(self) -> str:
        """Return the table, and where it is."""
        return f"{to_markdown(self.comparison)}\ntable and picture: {self.folder}"


def compare(options: CompareOptions) -> Compared:
    """Run what was not run yet, one after the other, and write the table after each.

    Raises:
        UsageError: A config or flag is wrong, or a run's folder holds one with other settings.
    """
    configs, data = _configs_and_data(options)
    folder = options.output_dir or Path("runs") / f"compare_{data.resolve().name}"
    flags = [*options.flags, *(["--allow-import"] if options.allow_import else [])]
    planned = [
        plan_run(config.stem, config, seed, data, folder / config.stem, flags, prog="objdisc compare")
        for seed in options.seeds
        for config in configs
    ]
    for run in planned:
        check_settings(run)
    first = planned[0].options
    dataset, scored = open_splits(data, first)
    tell([dataset, scored], choose_objectness(first.objectness, dataset, first.encoder, first.weights))
    images = fingerprint(dataset)
    _warn_of_tasks(planned)
    names = [config.stem for config in configs]
    comparison = _table(planned, names, data)
    with claimed(folder, Mark.now("compare", data=data, images=images), unmarked=_is_old_comparison(folder)):
        for number, run in enumerate(planned):
            if outcome_of(run).failure:
                log.info("%d of %d: %s, seed %d", number + 1, len(planned), run.name, run.seed)
                perform(run, planned[:number])
                comparison = _table(planned, names, data)
                write_comparison(comparison, folder)
        write_comparison(comparison, folder)
    return Compared(comparison, folder)


def _is_old_comparison(folder: Path) -> bool:
    """Whether version 0.1 has compared there: it left no mark, but a table, and one line a run in another."""
    return all((folder / name).is_file() for name in ("comparison.md", "comparison.csv", "runs.csv"))


def _configs_and_data(options: CompareOptions) -> tuple[list[Path], Path]:
    """Tell configs from the data set's folder by their names."""
    configs = [path for path in options.configs if path.suffix in {".yaml", ".yml"}]
    folders = [path for path in options.configs if path not in configs]
    if not configs or len(folders) > 1:
        raise UsageError(f"compare: {len(configs)} configs and {len(folders)} folders; give .yaml files and one folder")
    if len({config.stem for config in configs}) < len(configs):
        raise UsageError("compare: two configs have the same name, which names their row; rename one")
    if not options.seeds or len(set(options.seeds)) < len(options.seeds):
        raise UsageError("--seeds: give each seed once, such as 0,1,2")
    again = "give the same command again, or another --output-dir"
    refused = {"--seed": "give --seeds", "--resume": again, "--overwrite": again}
    for flag in options.flags:
        if (name := flag.partition("=")[0]) in refused:
            raise UsageError(f"{name}: not with compare; {refused[name]}")
    named = {
        path
        for config in configs
        if (path := load(DiscoverOptions, config, allow_import=options.allow_import).path) is not None
    }
    if not folders and len(named) > 1:
        raise UsageError(f"the configs name different data, {', '.join(sorted(map(str, named)))}; give one folder")
    return configs, find_data(next(iter(folders or named), None))


def _warn_of_tasks(planned: Sequence[PlannedRun]) -> None:
    for key in _TASK:
        if len({str(getattr(run.options, key)) for run in planned}) > 1:
            log.warning(
                "the configs differ in %s: scores then compare more than methods (a flag makes them equal)", key
            )


def _table(planned: Sequence[PlannedRun], names: Sequence[str], data: Path) -> Comparison:
    outcomes = sorted(map(outcome_of, planned), key=lambda run: (names.index(run.name), run.seed))
    done = [run.numbers for run in outcomes if not run.failure]
    seeds = sorted({run.seed for run in planned})
    title = f"{data.resolve().name}: {len(names)} configs, seeds {', '.join(map(str, seeds))}"
    return Comparison(title, names, outcomes, _protocol(planned, done))


def _protocol(planned: Sequence[PlannedRun], done: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say in sentences what the numbers mean and how they came about."""

    def several(key: str) -> str:
        return " or ".join(sorted({str(numbers.get(key) or "all") for numbers in done})) or "?"

    trained, scored = several("train_split"), several("split")
    same = " (the same images)" if trained == scored else ""
    sentences = [
        f"Trained on split {trained}, scored on split {scored}{same}: {several('num_patches')} patches, "
        f"K = {several('num_clusters')}.",
        "A cell is the mean over seeds, with the lowest and the highest in brackets.",
        "Accuracy matches clusters and classes one to one (Hungarian) on the labels of the scored split; NMI is over "
        "the arithmetic or the geometric mean of the entropies. No label chose a weight, an epoch or a cluster.",
        "Training seconds are wall time with all clustering, without cutting patches and scoring; CPU seconds are "
        "those of the whole run; memory is the peak of its own process, without those that load patches.",
    ]
    budgets = sorted({run.options.training.budget_minutes for run in planned})
    if budgets != [0.0]:
        said = " or ".join("none" if minutes == 0 else f"{minutes:g} minutes" for minutes in budgets)
        sentences.append(
            f"Budget of a run: {said} of training; it ends with the epoch in which that is spent, or its last."
        )
    labelled = sorted({WeightsOrigin.from_metrics(numbers).labels for numbers in done} - {""})
    if labelled:
        sentences.append(f"* The encoder's weights have seen labels: {'; '.join(labelled)}.")
    different = [key for key in _TASK if len({str(getattr(run.options, key)) for run in planned}) > 1]
    if different:
        sentences.append(f"The configs differ in {', '.join(different)}.")
    return sentences
