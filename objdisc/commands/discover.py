"""The main job: images and objectness in; clusters, maps, pictures and scores out. No class label reaches training."""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from objdisc.inference.predict import predict
from objdisc.io.run import Run, read_metrics_log
from objdisc.io.staging import staged
from objdisc.methods.base import Method
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions
from objdisc.pipeline.checks import check_count
from objdisc.pipeline.job import Job
from objdisc.pipeline.loading import weights_name
from objdisc.pipeline.options import DiscoverOptions, baseline_of, build_method, build_store
from objdisc.pipeline.preparation import begun, prepare, tidy
from objdisc.pipeline.results import Trained, announce, answer_for, report_data, scored_store
from objdisc.pipeline.stages import Stage, run_stage
from objdisc.report.gallery import write_report
from objdisc.retrieval import Centers
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit

__all__ = ["DiscoverOptions", "discover", "train"]

_CENTER_SAMPLES = 20_000  # training objects, at most

log = logging.getLogger("objdisc")


def discover(options: DiscoverOptions) -> Run:
    """Train, and answer for the scored split: maps, pictures, numbers, and a report.

    The answers of an earlier call stay until the new ones are whole.

    Returns:
        The run's folder.

    Raises:
        UsageError: The settings do not fit the data, the data is missing, or the run's folder holds something else.
        ObjdiscError: Something failed on the way.
    """
    started = time.monotonic()
    job = prepare(options, "discover")
    run = Run(job.home)
    if job.finished:
        _say_finished(job, f"the run is finished: {run.path}\nreport: {run.report}")
        return run
    with begun(job):
        trained = _train(job)
        if is_main_process():
            with staged(trained.run.path, trained.run.answers()) as folder:
                answer = answer_for(trained, Run(folder), options, started)
                data = report_data(options, trained, Run(folder), answer)
                write_report(Run(folder), data, read_metrics_log(trained.run.metrics_log))
    if is_main_process():
        announce(run, answer)
    return run


def train(options: DiscoverOptions) -> Run:
    """Cut the patches of the training split and train the method on them.

    Returns:
        The run's folder.

    Raises:
        UsageError: The settings do not fit the data, the data is missing, or the run's folder holds something else.
        ObjdiscError: Something failed on the way.
    """
    job = prepare(options, "train")
    run = Run(job.home)
    if job.finished:
        _say_finished(job, f"the training is finished: {run.path}")
        return run
    with begun(job):
        _train(job)
    if is_main_process():
        print(f"weights: {run.weights}")
        if run.metrics.is_file():
            log.info(
                "maps, pictures and numbers there may be of earlier weights; objdisc discover --resume %s", run.path
            )
    return run


def _say_finished(job: Job, what: str) -> None:
    if is_main_process():
        tidy(job)
        print(f"nothing to do, {what}")


def _train(job: Job) -> Trained:
    options, run, method = job.options, job.run, job.method
    last, training = job.stages[-1], job.stages[-1].options.training
    store = build_store(run, job.dataset, job.source, options, keep=run.has_learned)
    check_count(job, store)
    began = time.monotonic()
    untrained = Trained(run, method, None, job.source, job.dataset, store, job.scored, training, 0.0)
    spent = _run_stages(job.stages[:-1], options, untrained)
    start = None if last.options.init_from is None else Run(last.options.init_from)
    seconds = spent + fit(method, store, run, training, resume=True, init_from=start)
    seconds_before = max(seconds - (time.monotonic() - began), 0.0)
    trains_rival = options.baseline and not method.per_pixel  # what a dense method must beat needs no training
    rival = build_method(replace(options, method=baseline_of(options.method))) if trains_rival else None
    if rival is not None:
        fit(rival, store, Run.create(run.path / "baseline"), training, resume=True)
    if is_main_process():
        _write_centers(run, method, store, training)
    return replace(untrained, baseline=rival, seconds=seconds, seconds_before=seconds_before)


def _run_stages(stages: Sequence[Stage], options: DiscoverOptions, untrained: Trained) -> float:
    """Train and score what the method starts from, and return the seconds that the trainings took."""
    seconds, main = 0.0, is_main_process()
    cut: dict[PatchOptions, tuple[PatchStore, PatchStore | None]] = {}
    for stage in stages:
        patches = stage.options.patches
        if patches not in cut:
            own = untrained
            if patches != options.patches:
                run = Run.create(stage.run.path)
                store = build_store(run, untrained.dataset, untrained.source, stage.options, keep=run.has_learned)
                own = replace(untrained, run=run, store=store)
            cut[patches] = own.store, scored_store(own, stage.options) if main else None
        store, scored = cut[patches]
        answered = None if scored is None else (untrained.scored, scored)
        seconds += run_stage(stage, untrained.dataset, store, answered)
    return seconds


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
