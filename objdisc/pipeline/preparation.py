"""Everything that a training needs, checked before anything of it is touched, and the folder that it then holds."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

from objdisc.config import dump, load
from objdisc.datasets import ImageDataset
from objdisc.dense import check_dense
from objdisc.errors import ObjdiscError, UsageError
from objdisc.files import atomic_write, remove_leftovers
from objdisc.frozen import weights_name
from objdisc.inputs import (
    DiscoverOptions,
    build_method,
    choose_objectness,
    cut_job,
    default_output_dir,
    find_data,
    open_splits,
    store_folder,
)
from objdisc.io.claims import check_folder, describe, held, is_vacant
from objdisc.io.marks import Mark
from objdisc.io.staging import REPLACEMENT, publish, settle
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource
from objdisc.retrieval import Centers, Index
from objdisc.run import COMMANDS, OWN, Run
from objdisc.stages import Stage, is_finished, plan
from objdisc.store import PatchStore
from objdisc.training.checkpoint import start_from
from objdisc.training.engine import make_accelerator
from objdisc.training.trainer import check_checkpoint

log = logging.getLogger("objdisc")


@dataclass(frozen=True, eq=False)
class Job:
    """A training that can begin.

    Attributes:
        command: ``discover`` or ``train``.
        options: What was asked for.
        path: Folder of the images.
        dataset: The split to train on.
        scored: The split to answer for; the same object where there is no other.
        source: Where regions come from.
        home: The run's folder.
        run: Where it is written: there, or beside the run that it will replace.
        stages: The trainings of a chain, in order; the last is the run itself.
        method: That one's method, untrained.
        finished: Whether all of it is there already.
        accelerator: Device and processes.
    """

    command: str
    options: DiscoverOptions
    path: Path
    dataset: ImageDataset
    scored: ImageDataset
    source: ObjectnessSource
    home: Path
    run: Run
    stages: tuple[Stage, ...]
    method: Method
    finished: bool
    accelerator: Accelerator


def prepare(options: DiscoverOptions, command: str) -> Job:
    """Check device, data, regions, weights, room on the disk, and whose the run's folder is; write nothing.

    Args:
        options: What is asked for.
        command: ``discover`` or ``train``.

    Raises:
        UsageError: Something of it cannot serve, or the folder holds something else than this very run.
        ObjdiscError: The disk has no room.
    """
    accelerator = make_accelerator(options.training.device, options.training.precision)
    path = find_data(options.path)
    dataset, scored = open_splits(path, options)
    source = choose_objectness(options.objectness, dataset)
    source.check(dataset)
    _check_scored(source, scored)
    home = options.resume or options.output_dir or default_output_dir(path, options)
    check_folder(home)
    there = open_there(home, options)
    run = Run(home / REPLACEMENT if options.overwrite and there is not None else home)
    stages = tuple(plan(options, run))
    for stage in stages[:-1]:
        check_dense(build_method(stage.options), source, dataset)
    method = build_method(stages[-1].options)
    check_dense(method, source, dataset)
    job = Job(command, options, path, dataset, scored, source, home, run, stages, method, False, accelerator)
    if there is not None and not options.overwrite:
        job = replace(job, finished=_is_finished(job))
        if options.resume is None and not job.finished:
            raise UsageError(_refusal(job))
    if not job.finished:
        _check_start(job)
    return job


def open_there(home: Path, options: DiscoverOptions) -> Run | None:
    """Return the run that a folder holds; None where it is vacant, or another command has marked it for a run.

    Raises:
        UsageError: It holds anything else, or ``resume`` is asked for and there is no run.
    """
    settle(home)
    mark, run = Mark.read(home), Run(home)
    mine = mark is not None and mark.command in COMMANDS
    if options.resume is not None and not (home.is_dir() and run.config.is_file()):
        return Run.open(home)  # says what is missing
    if is_vacant(home) or (mine and not run.config.is_file()):
        return None
    if not (mine or (mark is None and is_old_run(home, options.allow_import))):
        raise UsageError(
            f"{home}: {describe(mark)}; nothing was written or removed. Give another --output-dir for the run."
        )
    return run


def is_old_run(folder: Path, allow_import: bool = False) -> bool:
    """Whether version 0.1 has trained in a folder: it left no mark, but settings and what it learned."""
    run = Run(folder)
    if not (run.config.is_file() and run.has_learned):
        return False
    try:
        load(DiscoverOptions, run.config, allow_import=allow_import)
    except UsageError:
        return False
    return True


@contextmanager
def begun(job: Job) -> Iterator[Run]:
    """Hold the run's folder, write what is to be done there, and at the end put the run in its place.

    A failure leaves no new folder and no half replacement behind, unless something was learned or it was interrupted:
    the same command, or ``--resume``, goes on from that. What was there before stays as it is.

    Yields:
        The run, where it is written.

    Raises:
        UsageError: Another process writes to the folder, or has written to it since it was checked.
    """
    job.accelerator.wait_for_everyone()  # all have looked at the folder before it changes
    if not job.accelerator.is_main_process:
        job.accelerator.wait_for_everyone()
        yield job.run
        return
    new = is_vacant(job.home) or job.run.path != job.home
    before = Mark.read(job.home)
    with held(job.home):
        if Mark.read(job.home) != before:
            raise UsageError(f"{job.home}: another process has begun a run in it; give another --output-dir.")
        remove_leftovers(job.home)
        try:
            _write_settings(job)
            job.accelerator.wait_for_everyone()
            yield job.run
            if job.run.path != job.home:
                publish(job.run.path, OWN)
        except ObjdiscError:
            if new and not job.run.has_learned:
                _remove(job.run)
            raise
    if job.run.path != job.home:
        _tell_of_derived(job.home)


def _write_settings(job: Job) -> None:
    """Mark the folder, and note the settings without --resume: the file makes the same run again, from its start."""
    if Mark.read(job.run.path) is None:
        Mark.now(job.command, data=job.path).write(job.run.path)
    with atomic_write(job.run.config) as file:
        file.write(dump(replace(job.options, resume=None)))


def _remove(run: Run) -> None:
    """Remove what a run has made of a folder that was vacant, and nothing that somebody else put there meanwhile."""
    for pattern in (*OWN, "run.json", "patches/*/.lock", "patches/*/shards/*"):
        for path in run.path.glob(pattern):
            path.unlink()
    for path in sorted((path for path in run.path.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    if run.path.name == REPLACEMENT:
        shutil.rmtree(run.path, ignore_errors=True)


def _tell_of_derived(home: Path) -> None:
    """Name what commands have made of the run that was replaced: it stays, and is of that run."""
    derived = [path.parent for path in sorted(home.glob("*/**/run.json"))]
    if derived:
        log.warning("still there, and of the run that was replaced: %s", ", ".join(map(str, derived)))


def _check_scored(source: ObjectnessSource, scored: ImageDataset) -> None:
    """Ask now, not after hours of training, whether the split to answer for has what the source reads."""
    try:
        source.check(scored)
    except UsageError as error:
        raise UsageError(f"split {scored.split!r}: {str(error).rstrip('.')}; or choose another --split.") from error


def _is_finished(job: Job) -> bool:
    """Whether a run holds all that is asked for: the same settings, the same images, and every answer whole."""
    return (
        _has_same_settings(job.run, job.options)
        and _answers(job)
        and all(_is_current(job, split) for split in _splits(job))
    )


def _answers(job: Job) -> bool:
    """Whether the run's training, and for discover its answers, have come to their end."""
    run = job.run
    try:
        centers = Centers.read(run.centers)
        if centers is None or not run.weights.is_file() or centers.weights != weights_name(run):
            return False
        if job.command == "train":
            return True
        whole = all(path.is_file() for path in (run.metrics, run.report, run.clusters_csv))
        return whole and Index.open(run).weights == centers.weights
    except UsageError:
        return False


def _splits(job: Job) -> list[ImageDataset]:
    return [job.dataset] if job.command == "train" or job.scored is job.dataset else [job.dataset, job.scored]


def _is_current(job: Job, dataset: ImageDataset) -> bool:
    """Whether the run's patches of a split are those of its images as they are now."""
    return PatchStore.find(cut_job(dataset, job.source, job.options), store_folder(job.run, dataset)) is not None


def _has_same_settings(run: Run, options: DiscoverOptions) -> bool:
    """Whether a run was made with the same settings, but for where things lie and what hardware is used."""

    def settings(of: DiscoverOptions) -> str:
        training = replace(of.training, device="auto", workers=0)
        return dump(replace(of, path=None, output_dir=None, resume=None, overwrite=False, training=training))

    return settings(load(DiscoverOptions, run.config, allow_import=options.allow_import)) == settings(options)


def _refusal(job: Job) -> str:
    """Say why a folder that holds a run is not simply taken for another."""
    if not _has_same_settings(job.run, job.options):
        what = "holds a run with other settings"
    elif not _answers(job):
        what = "holds a run that is not finished"
    else:
        what = "holds a run on other images"
    return (
        f"{job.home}: {what}; go on with it by --resume {job.home}, replace it by --overwrite, or give another "
        "--output-dir."
    )


def _check_start(job: Job) -> None:
    """Check what a training would stumble over after it has begun to write."""
    if job.run.path != job.home and job.run.config.is_file() and not _has_same_settings(job.run, job.options):
        raise UsageError(
            f"{job.home}: an earlier --overwrite with other settings was interrupted, and what it has learned lies in "
            f"{job.run.path}; give the same settings to go on with it, or delete that folder."
        )
    store = None
    with suppress(UsageError):  # not cut yet
        store = PatchStore.open(store_folder(job.run, job.dataset))
    if store is not None:
        if job.run.has_learned and store.stamps is not None and not _is_current(job, job.dataset):
            raise UsageError(
                f"{job.home}: the images of split {job.dataset.split or 'all'!r}, their masks or how patches are cut "
                "have changed since the run was trained on them; begin a new run with another --output-dir, or replace "
                "this one by --overwrite."
            )
        check_count(job, store)
        for stage in job.stages:
            is_done = stage is not job.stages[-1] and is_finished(stage)
            if not is_done and stage.options.patches == job.options.patches:
                check_checkpoint(build_method(stage.options), stage.run, stage.options.training, len(store))
    _check_init_from(job)
    if store is None:
        _check_room(job)


def check_count(job: Job, store: PatchStore) -> None:
    """Hold the number of clusters to the number of objects.

    Raises:
        UsageError: There are fewer objects.
    """
    num_objects = int(store.foreground.sum())
    if num_objects < job.options.num_clusters:
        raise UsageError(
            f"{job.path}: {num_objects} object patches are too few for {job.options.num_clusters} clusters; "
            "lower --num-clusters or --patches.min-area, or give more images."
        )


def _check_init_from(job: Job) -> None:
    """Let a method that is thrown away start from the run that is named, unless that was done before."""
    first = job.stages[0]
    if first.options.init_from is None or first.run.last_checkpoint.is_file() or first.run.weights.is_file():
        return
    method = build_method(first.options)
    method.setup(max(len(job.dataset.samples), job.options.num_clusters))
    start_from(Run(first.options.init_from), method)


def _check_room(job: Job) -> None:
    """Refuse what surely does not fit on the disk: a patch an image, and per training weights and a checkpoint."""
    size = job.options.patches.size
    images = sum(len(dataset.samples) * (dataset.num_channels + 1) for dataset in {job.dataset, job.scored})
    # a checkpoint holds the weights and up to two moments of each, and is written anew beside the last one
    learned = sum(value.numel() * value.element_size() for value in job.method.state_dict().values())
    needed = images * size * size + len(job.stages) * (1 + 2 * 3) * learned
    there = next(path for path in (job.home.absolute(), *job.home.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ObjdiscError(
            f"{there}: No space left on the disk for the run: it needs at least {needed / 1e6:,.0f} MB, and "
            f"{free / 1e6:,.0f} MB are free; free some, or give an --output-dir on another disk."
        )
