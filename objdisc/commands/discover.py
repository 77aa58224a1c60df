"""The main command: from images and objectness to clusters, maps and scores. No class label reaches training."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from objdisc.inference.predict import predict
from objdisc.io.run import Run, read_metrics_log
from objdisc.io.spent import Spent
from objdisc.io.staging import staged
from objdisc.methods.base import Method
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions
from objdisc.pipeline.checks import check_count, splits
from objdisc.pipeline.growth_facts import in_words as growth_in_words
from objdisc.pipeline.job import Job
from objdisc.pipeline.loading import weights_name
from objdisc.pipeline.options import DiscoverOptions, build_store
from objdisc.pipeline.preparation import begun, prepare, settled, tidy
from objdisc.pipeline.recommending import in_words
from objdisc.pipeline.results import EvaluatedSplit, Trained, report_data, scored_store, write_results
from objdisc.pipeline.scenes import map_scenes
from objdisc.pipeline.segmenters import segmenter_for
from objdisc.pipeline.stages import Stage, format_stages, run_stage
from objdisc.report.gallery import write_report
from objdisc.report.warnings import occupancy_warnings
from objdisc.retrieval import Centers
from objdisc.training.checkpoint import save_weights
from objdisc.training.engine import is_main_process
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit

__all__ = ["DiscoverOptions", "discover", "train"]

_CENTER_SAMPLES = 20_000  # training objects, at most
_CENTER_CROPS = 200  # crops, at most, which are larger and of which nothing is called unknown

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class DiscoveredRun:
    """A run of ``discover`` or ``train``.

    Attributes:
        run: Its folder.
        text: Text for the terminal; empty in processes other than the main one.
    """

    run: Run
    text: str

    def summary(self) -> str:
        """Return the tables, and where to look."""
        return self.text


def discover(options: DiscoverOptions) -> DiscoveredRun:
    """Train, and predict the evaluation split: maps, pictures, scores, and a report.

    The results of an earlier call stay until the new ones are complete.

    Raises:
        UsageError: The settings do not fit the data, the data is missing, or the run's folder holds something else.
        ObjdiscError: Something failed on the way.
    """
    started = Spent.now()
    job = prepare(options, "discover")
    run = Run(job.home)
    if job.finished:
        return _finished(job, f"the run is finished: {run.path}\nreport: {run.report}")
    evaluated = None
    with begun(job):
        if job.scene is not None:
            map_scenes(job.scene, job.run.scene, splits(job))
            job.accelerator.wait_for_everyone()  # regions may be parts of the scenes
        job = settled(job)
        options = job.options
        trained = _train(job)
        if is_main_process():
            with staged(trained.run.path, trained.run.results()) as folder:
                evaluated = write_results(trained, Run(folder), options, started)
                data = report_data(options, trained, evaluated)
                write_report(Run(folder), data, read_metrics_log(trained.run.metrics_log))
            sizes = [] if data.of_crops else [shown.size for shown in data.clusters]
            for warning in [*data.warnings, *occupancy_warnings(sizes)]:
                log.warning("%s", warning)
    return DiscoveredRun(run, "" if evaluated is None else _text(run, evaluated))


def train(options: DiscoverOptions) -> DiscoveredRun:
    """Cut the patches of the training split and train the method on them.

    Raises:
        UsageError: The settings do not fit the data, the data is missing, or the run's folder holds something else.
        ObjdiscError: Something failed on the way.
    """
    job = prepare(options, "train")
    run = Run(job.home)
    if job.finished:
        return _finished(job, f"the training is finished: {run.path}")
    with begun(job):
        _train(settled(job))
    if not is_main_process():
        return DiscoveredRun(run, "")
    if run.metrics.is_file():
        log.info("maps, pictures and scores may be of earlier weights; run objdisc discover --resume %s", run.path)
    return DiscoveredRun(run, f"weights: {run.weights}")


def _finished(job: Job, what: str) -> DiscoveredRun:
    if not is_main_process():
        return DiscoveredRun(Run(job.home), "")
    tidy(job)
    return DiscoveredRun(Run(job.home), f"nothing to do, {what}")


def _text(run: Run, evaluated: EvaluatedSplit) -> str:
    """Format the tables, and where to look."""
    summary, score = evaluated.summary, evaluated.segmented.score
    figures, parts = summary.figures, []
    if score.clusters is not None:
        same = " (the split it was trained on)" if summary.split == summary.train_split else ""
        parts.append(f"Split {summary.split or 'all'}{same}. Encoder weights carry: {summary.weights}.")
    if summary.objectness is not None:
        told = summary.objectness
        parts.append(f"Where objects may be, told by {told.source}, carries: {told.supervision}.")
    if evaluated.segmented.table:
        parts.append(evaluated.segmented.table)
    if summary.number is not None:
        parts.append(in_words(summary.number).capitalize() + ".")
    if summary.growth is not None:
        parts.append(growth_in_words(summary.growth))
    if summary.stages:
        parts.append(format_stages(summary.stages))
    if "foreground_accuracy" in figures:
        right, floor = figures["foreground_accuracy"], figures["foreground_accuracy_floor"]
        parts.append(f"Foreground or background: {right:.3f} right (floor {floor:.3f})")
    places = (("report", run.report), ("overlays", run.overlays), ("numbers", run.metrics))
    parts.append("\n".join(f"{what}: {path}" for what, path in places if path.exists()))
    return "\n\n".join(parts)


def _train(job: Job) -> Trained:
    options, run, method = job.options, job.run, job.method
    last, training = job.stages[-1], job.stages[-1].options.training
    store = build_store(run, job.dataset, job.source, options, keep=run.has_learned)
    check_count(job, store)
    if method.wants_background and store.foreground.all() and is_main_process():
        log.warning("no image has background besides its objects: no foreground head is learned")
    began = time.monotonic()
    untrained = Trained(run, method, None, job.source, job.dataset, store, job.scored, training, 0.0)
    spent = _run_stages(job.stages[:-1], options, untrained)
    if options.grow:  # the method is whole
        if is_main_process():
            save_weights(run, method)
        job.accelerator.wait_for_everyone()
        seconds = time.monotonic() - began
    else:
        start = None if last.options.init_from is None else Run(last.options.init_from)
        seconds = spent + fit(method, store, run, training, resume=True, init_from=start)
    seconds_before = max(seconds - (time.monotonic() - began), 0.0)
    baseline = segmenter_for(method).baseline(options) if options.baseline else None
    if baseline is not None:
        fit(baseline, store, Run.create(run.path / "baseline"), training, resume=True)
    if is_main_process():
        _write_centers(run, method, store, training)
    return replace(untrained, baseline=baseline, seconds=seconds, seconds_before=seconds_before)


def _run_stages(stages: Sequence[Stage], options: DiscoverOptions, untrained: Trained) -> float:
    """Train and score the stages that the method starts from, and return the seconds that the trainings took."""
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
        evaluated = None if scored is None else (untrained.scored, scored)
        seconds += run_stage(stage, untrained.dataset, store, evaluated)
    return seconds


def _write_centers(run: Run, method: Method, store: PatchStore, training: TrainerOptions) -> None:
    """Record where the training objects lie in embedding space: objects far from all of them are unknown."""
    objects = np.flatnonzero(store.foreground)
    # a quantile needs no more, and encoding a large training split once more would take long
    most = _CENTER_CROPS if method.per_pixel else _CENTER_SAMPLES
    drawn = np.random.default_rng(training.seed).permutation(len(objects))[:most]
    found = predict(method, store, training, np.sort(objects[drawn]).tolist(), context=False)
    Centers.fit(found.features, found.probabilities, weights_name(run)).write(run.centers)
