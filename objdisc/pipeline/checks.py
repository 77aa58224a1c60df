"""Checks of a job's folder and of problems that would come up later, before anything is changed."""

import logging
import shutil
from contextlib import suppress

from objdisc.config.parser import load
from objdisc.datasets import ImageDataset
from objdisc.errors import ObjdiscError, UsageError
from objdisc.io.files import read_json
from objdisc.io.run import Run
from objdisc.patches.sample import training_patches
from objdisc.patches.store import PatchStore
from objdisc.pipeline.costs import say_costs
from objdisc.pipeline.job import Job
from objdisc.pipeline.loading import weights_name
from objdisc.pipeline.options import DiscoverOptions, build_method, cut_job, difference, store_folder
from objdisc.pipeline.stages import Stage
from objdisc.pipeline.stages import is_finished as is_stage_finished
from objdisc.pipeline.summary import RunSummary
from objdisc.retrieval import Centers, Index
from objdisc.training.checkpoint import start_from
from objdisc.training.resuming import check_checkpoint

log = logging.getLogger("objdisc")


def is_finished(job: Job) -> bool:
    """Whether a run holds everything asked for: the same settings, the same images, and complete results."""
    return (
        has_same_settings(job.run, job.options)
        and _has_all(job)
        and all(_is_current(job, split) for split in splits(job))
    )


def _has_all(job: Job) -> bool:
    """Whether the run's training, and for discover its results, are complete."""
    run = job.run
    try:
        centers = Centers.read(run.centers)
        if centers is None or not run.weights.is_file() or centers.weights != weights_name(run):
            return False
        if job.command == "train":
            return True
        whole = bool(read_json(run.metrics)) and run.report.is_file() and run.clusters_csv.is_file()
        if job.scene is not None and RunSummary.read(run.scene) is None:
            return False
        return whole and Index.open(run).weights == centers.weights
    except UsageError:
        return False


def splits(job: Job) -> list[ImageDataset]:
    """Return the splits whose patches a run needs."""
    return [job.dataset] if job.command == "train" or job.scored is job.dataset else [job.dataset, job.scored]


def _is_current(job: Job, dataset: ImageDataset) -> bool:
    """Whether the run's patches of a split are those of the current images."""
    return PatchStore.find(cut_job(dataset, job.source, job.options), store_folder(job.run, dataset)) is not None


def has_same_settings(run: Run, options: DiscoverOptions) -> bool:
    """Whether a run was made with the same settings, apart from paths and hardware."""
    there = load(DiscoverOptions, run.config, allow_import=options.allow_import, quiet=True)
    return not difference(there, options)


def refusal(job: Job) -> str:
    """Explain why a folder that holds a run is not used for another."""
    if not has_same_settings(job.run, job.options):
        what = "holds a run with other settings"
    elif not _has_all(job):
        what = "holds a run that is not finished"
    else:
        what = "holds a run on other images"
    return (
        f"{job.home}: {what}; continue it with --resume {job.home}, replace it with --overwrite, or give another "
        "--output-dir."
    )


def check_start(job: Job) -> None:
    """Check for problems that a training would meet only after it has begun to write."""
    if job.replaces and job.run.has_learned:
        same = has_same_settings(job.run, job.options) and _is_current(job, job.dataset)
        if not same:
            raise UsageError(
                f"{job.home}: an earlier --overwrite with other settings or on other images was interrupted, and what "
                f"it has learned lies in {job.run.path}; give the same again to continue it, or delete that folder."
            )
    store = None
    with suppress(UsageError):  # not cut yet
        store = PatchStore.open(store_folder(job.run, job.dataset))
    if store is not None and (job.run.has_learned or _is_current(job, job.dataset)):
        if store.stamps is not None and not _is_current(job, job.dataset):
            raise UsageError(
                f"{job.home}: the images of split {job.dataset.split or 'all'!r}, their masks or how patches are cut "
                "have changed since the run was trained on them; begin a new run with another --output-dir, or replace "
                "this one with --overwrite."
            )
        check_count(job, store)
        for stage in job.stages:
            is_done = stage is not job.stages[-1] and is_stage_finished(stage)
            if not is_done and stage.options.patches == job.options.patches:
                check_checkpoint(
                    build_method(stage.options), stage.run, stage.options.training, _trained_on(stage, store)
                )
    _check_init_from(job)
    if store is None:
        _check_room(job)


def _trained_on(stage: Stage, store: PatchStore) -> int:
    training = stage.options.training
    return len(training_patches(store, training.max_objects, training.seed))


def check_count(job: Job, store: PatchStore) -> None:
    """Check the number of clusters against the number of objects.

    Raises:
        UsageError: There are fewer objects.
    """
    num_objects = int(store.foreground.sum())
    if job.options.grow:
        return  # its categories are known
    if num_objects < job.options.k and not job.method.per_pixel:
        raise UsageError(
            f"{job.path}: {num_objects} object patches are too few for {job.options.k} clusters; "
            "lower --num-clusters or --patches.min-area, or give more images."
        )


def _check_init_from(job: Job) -> None:
    """Try to start a temporary method from the named run, unless that was done before."""
    first = job.stages[0]
    if first.options.init_from is None or first.run.last_checkpoint.is_file() or first.run.weights.is_file():
        return
    method = build_method(first.options)
    method.setup(max(len(job.dataset.samples), job.options.k))
    start_from(Run(first.options.init_from), method)


def _check_room(job: Job) -> None:
    """Refuse a run that cannot fit on the disk: its patches, and weights and a checkpoint for each training."""
    size = job.options.patches.size
    known = {dataset: _known_objects(job, dataset) for dataset in dict.fromkeys((job.dataset, job.scored))}
    # each object that annotations know of, else one an image
    least = sum(max(len(dataset.samples), count) * (dataset.num_channels + 1) for dataset, count in known.items())
    # a checkpoint holds the weights and up to two moments of each, and is written anew beside the last one
    learned = sum(value.numel() * value.element_size() for value in job.method.state_dict().values())
    needed = least * size * size + len(job.stages) * (1 + 2 * 3) * learned
    others = 0 if job.scored is job.dataset or job.command == "train" else known[job.scored]
    say_costs(job, known[job.dataset], others)
    there = next(path for path in (job.home.absolute(), *job.home.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ObjdiscError(
            f"{there}: No space left on the disk for the run: it needs at least {needed / 1e6:,.0f} MB, and "
            f"{free / 1e6:,.0f} MB are free; free some, or give an --output-dir on another disk."
        )


def _known_objects(job: Job, dataset: ImageDataset) -> int:
    """Count the objects of a split that are known before any image is opened, and log their size."""
    known = job.source.count(dataset, job.options.patches.min_area) or 0
    if known:
        windows = int(known * (1 + job.options.patches.background_ratio))
        size = windows * job.options.patches.size**2 * (dataset.num_channels + 1) / 1e6
        log.info("%s: %d objects to cut, at most %.0f MB with background", dataset.split or dataset.root, known, size)
    return known
