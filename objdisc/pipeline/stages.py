"""A chain of runs as one run: settings, training and scoring of each stage, and the table of all stages."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from objdisc.config.parser import dump, override
from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.inference.predict import predict
from objdisc.io.files import atomic_write
from objdisc.io.run import Run
from objdisc.io.staging import final_place
from objdisc.methods.base import Method
from objdisc.patches.store import PatchStore
from objdisc.pipeline.options import DiscoverOptions, build_method
from objdisc.pipeline.scoring import score
from objdisc.pipeline.summary import RunSummary
from objdisc.render.text_table import text_table
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit

log = logging.getLogger("objdisc")

_SHOWN = ("accuracy_hungarian", "nmi", "ari", "training_seconds")


@dataclass(frozen=True)
class Stage:
    """One run of a chain.

    Attributes:
        name: Name of the stage.
        run: Its folder; for the last stage, the folder of the whole run.
        options: Its settings, without stages, and with the previous stage as its start.
    """

    name: str
    run: Run
    options: DiscoverOptions


def plan(options: DiscoverOptions, run: Run) -> list[Stage]:
    """Plan the runs that options ask for, in order; a single one without a chain.

    A time budget is divided among the stages in proportion to their epochs; a stage's own budget stays as it is.

    Args:
        options: Options of the whole run.
        run: Its folder.

    Raises:
        UsageError: A stage has settings that are unknown, or that a stage cannot have.
    """
    chain: Mapping[str, Mapping[str, Any]] | None = options.stages
    if chain is None:
        chain = {} if options.init_from else options.method.find(Method).default_stages
    chain = chain or {"": {}}
    whole = replace(options, stages={}, resume=None)
    settings: list[DiscoverOptions] = []
    for name, changes in chain.items():
        if len(chain) > 1:
            _check_changes(name, changes)
        settings.append(override(whole, changes, f"stages.{name}") if changes else whole)
    if settings[-1].patches != whole.patches:
        raise UsageError(f"stages.{name}: the last stage makes the run's predictions; set its patches there")
    epochs = sum(own.training.epochs for own in settings)
    stages: list[Stage] = []
    for (name, changes), own in zip(chain.items(), settings, strict=True):
        training = own.training
        if "budget_minutes" not in changes and epochs:
            training = replace(training, budget_minutes=training.budget_minutes * training.epochs / epochs)
        before = stages[-1].run.path if stages else options.init_from
        folder = run if len(stages) == len(chain) - 1 else Run(run.stages / name)
        stages.append(Stage(name, folder, replace(own, init_from=before, training=training)))
    return stages


def _check_changes(name: str, changes: Mapping[str, Any]) -> None:
    known = {"method", "patches", *(field.name for field in fields(TrainerOptions))} - {"seed", "device", "workers"}
    foreign = [key for key in changes if key not in known]
    if foreign:
        raise UsageError(
            f"stages.{name}: {foreign[0]} cannot be set for a stage; stages differ in method, patches, epochs, "
            "batch_size, lr and other settings of the training"
        )
    if not name.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"stages: {name!r} cannot be the name of a folder; use letters and digits")


def is_finished(stage: Stage) -> bool:
    """Whether a stage that others start from was already trained and scored, so that it stays as it is."""
    return stage.run.weights.is_file() and stage.run.metrics.is_file()


def run_stage(
    stage: Stage, dataset: ImageDataset, store: PatchStore, scored: tuple[ImageDataset, PatchStore] | None
) -> float:
    """Train a stage that others start from, and score it like a separate run.

    An interrupted stage continues where it stopped; a finished one stays as it is.

    Args:
        stage: The stage.
        dataset: The split of the training.
        store: Its patches.
        scored: The evaluation split and its patches; None in processes other than the main one.

    Returns:
        Seconds that its training took.
    """
    run, options = stage.run, stage.options
    if is_finished(stage):
        return reached(stage).training_seconds
    log.info("stage %s: %s, %d epochs", stage.name, options.method.name, options.training.epochs)
    run = Run.create(run.path)
    if scored is not None:
        with atomic_write(run.config) as file:
            file.write(dump(replace(options, output_dir=final_place(run.path), init_from=_final(options.init_from))))
    method = build_method(options)
    start = None if options.init_from is None else Run(options.init_from)
    seconds = fit(method, store, run, options.training, resume=True, init_from=start)
    if scored is not None:
        evaluated, patches = scored
        numbers = score(evaluated, patches, predict(method, patches, options.training)).numbers
        summary = RunSummary(
            split=evaluated.split,
            train_split=dataset.split,
            seed=options.training.seed,
            weights=method.encoder.origin,
            training_seconds=seconds,
            encoder=method.encoder.name,
            method=options.method.name,
            figures=numbers,
        )
        summary.write(run)
    return seconds


def reached(stage: Stage) -> RunSummary:
    """Read the facts about a finished stage.

    Raises:
        UsageError: It has no ``metrics.json``.
    """
    summary = RunSummary.read(stage.run)
    if summary is None:
        raise UsageError(f"{stage.run.metrics}: missing, though the stage is finished; train it again.")
    return summary


def _final(path: Path | None) -> Path | None:
    return None if path is None else final_place(path)


def summarise(stages: Sequence[Stage], figures: Mapping[str, Any], seconds: float) -> dict[str, dict[str, Any]]:
    """Gather the scores of each stage of a chain, in order.

    Args:
        stages: All of them.
        figures: Scores of the last stage, which are not on disk yet.
        seconds: Seconds of all trainings.

    Returns:
        For each name: method, epochs, and accuracy_hungarian, nmi, ari and training_seconds as far as known.
    """
    before = [reached(stage) for stage in stages[:-1]]
    own = seconds - sum(summary.training_seconds for summary in before)
    numbers = [summary.to_json() for summary in before] + [{**figures, "training_seconds": round(own, 1)}]
    return {
        stage.name: {
            "method": stage.options.method.name,
            "epochs": stage.options.training.epochs,
            **{key: known[key] for key in _SHOWN if key in known},
        }
        for stage, known in zip(stages, numbers, strict=True)
    }


def format_stages(table: Mapping[str, Mapping[str, Any]]) -> str:
    """Format the result of ``summarise`` as a table for the terminal."""
    names = {"accuracy_hungarian": "accuracy", "training_seconds": "seconds"}
    keys = ["method", "epochs", *(key for key in _SHOWN if any(key in row for row in table.values()))]
    rows = [[name, *(_cell(row.get(key)) for key in keys)] for name, row in table.items()]
    return text_table(["stage", *(names.get(key, key) for key in keys)], rows, left=(0, 1))


def _cell(value: float | int | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) <= 1 else f"{value:.0f}"
    return str(value)
