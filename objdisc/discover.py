"""The main job: images and objectness in; clusters, maps, pictures and scores out. No class label reaches training."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from objdisc.answering import Trained, announce, answer_for, report_data, scored_store
from objdisc.config import dump
from objdisc.datasets import ImageDataset
from objdisc.dense import (
    check_dense,
)
from objdisc.errors import UsageError
from objdisc.files import atomic_write
from objdisc.frozen import weights_name
from objdisc.inputs import (
    DiscoverOptions,
    baseline_of,
    build_method,
    build_store,
    choose_objectness,
    default_output_dir,
    find_data,
    open_splits,
)
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches import PatchOptions
from objdisc.report.gallery import write_report
from objdisc.retrieval import Centers
from objdisc.run import Run
from objdisc.stages import Stage, discard, plan, run_stage
from objdisc.store import PatchStore
from objdisc.training.trainer import TrainerOptions, fit, predict

__all__ = ["DiscoverOptions", "Trained", "discover", "train"]

_CENTER_SAMPLES = 20_000  # training objects, at most


def discover(options: DiscoverOptions) -> Run:
    """Train, and answer for the scored split: maps, pictures, numbers, and a report.

    Returns:
        The run's folder.

    Raises:
        UsageError: The settings do not fit the data, or the data is missing.
        ObjdiscError: Something failed on the way.
    """
    started = time.monotonic()
    trained = train(options)
    if is_main_process():
        answer = answer_for(trained, options, started)
        write_report(trained.run, report_data(options, trained, answer))
        announce(trained.run, answer)
    return trained.run


def train(options: DiscoverOptions) -> Trained:
    """Cut the patches of the training split and train the method on them.

    Raises:
        UsageError: The settings do not fit the data, or the data is missing.
        ObjdiscError: Something failed on the way.
    """
    path = find_data(options.path)
    dataset, scored = open_splits(path, options)
    source = choose_objectness(options.objectness, dataset)
    source.check(dataset)
    _check_scored(source, scored)
    run = Run(options.resume or options.output_dir or default_output_dir(path, options))
    *before, last = plan(options, run)
    for stage in before:
        check_dense(build_method(stage.options), source, dataset)
    method = build_method(last.options)
    check_dense(method, source, dataset)
    run = Run.create(run.path)
    if is_main_process():
        _begin(run, options)
    store = build_store(run, dataset, source, options)
    num_objects = int(store.foreground.sum())
    if num_objects < options.num_clusters:
        raise UsageError(
            f"{path}: {num_objects} object patches are too few for {options.num_clusters} clusters; "
            "lower --num-clusters or --patches.min-area, or give more images."
        )
    resume, training = options.resume is not None, last.options.training
    began = time.monotonic()
    spent = _run_stages(before, options, Trained(run, method, None, source, dataset, store, scored, training, 0.0))
    start = None if last.options.init_from is None else Run(last.options.init_from)
    seconds = spent + fit(method, store, run, training, resume=resume, init_from=start)
    seconds_before = max(seconds - (time.monotonic() - began), 0.0)
    trains_rival = options.baseline and not method.per_pixel  # what a dense method must beat needs no training
    rival = build_method(replace(options, method=baseline_of(options.method))) if trains_rival else None
    if rival is not None:
        fit(rival, store, Run.create(run.path / "baseline"), training, resume=resume)
    if is_main_process():
        _write_centers(run, method, store, training)
    return Trained(run, method, rival, source, dataset, store, scored, training, seconds, seconds_before)


def _run_stages(stages: Sequence[Stage], options: DiscoverOptions, untrained: Trained) -> float:
    """Train and score what the method starts from, and return the seconds that the trainings took."""
    if options.resume is None and is_main_process():
        discard(untrained.run)
    seconds, main = 0.0, is_main_process()
    cut: dict[PatchOptions, tuple[PatchStore, PatchStore | None]] = {}
    for stage in stages:
        patches = stage.options.patches
        if patches not in cut:
            own = untrained
            if patches != options.patches:
                run = Run.create(stage.run.path)
                store = build_store(run, untrained.dataset, untrained.source, stage.options)
                own = replace(untrained, run=run, store=store)
            cut[patches] = own.store, scored_store(own, stage.options) if main else None
        store, scored = cut[patches]
        answered = None if scored is None else (untrained.scored, scored)
        seconds += run_stage(stage, untrained.dataset, store, answered, options.resume is not None)
    return seconds


def _check_scored(source: ObjectnessSource, scored: ImageDataset) -> None:
    """Ask now, not after hours of training, whether the split to answer for has what the source reads."""
    try:
        source.check(scored)
    except UsageError as error:
        raise UsageError(f"split {scored.split!r}: {str(error).rstrip('.')}; or choose another --split.") from error


def _begin(run: Run, options: DiscoverOptions) -> None:
    if run.config.is_file():
        run.clear_answers()
    # Without --resume: the file is there to make the same run again, from its start
    with atomic_write(run.config) as file:
        file.write(dump(replace(options, resume=None)))


def _write_centers(run: Run, method: Method, store: PatchStore, training: TrainerOptions) -> None:
    """Note where the training objects lie in embedding space: what is far from all of them is of no known category."""
    objects = np.flatnonzero(store.foreground)
    # a quantile needs no more, and encoding a large training split once more would take long
    drawn = np.random.default_rng(training.seed).permutation(len(objects))[:_CENTER_SAMPLES]
    found = predict(method, store, training, np.sort(objects[drawn]).tolist())
    Centers.fit(found.features, found.probabilities, weights_name(run)).write(run.centers)


def is_main_process() -> bool:
    """Whether this is the only process, or the first of several that torchrun started."""
    return int(os.environ.get("RANK", "0")) == 0
