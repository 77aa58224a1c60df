"""The checks of everything that a training needs, before anything is changed, and the claim of its folder."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from objdisc.config.parser import dump, load
from objdisc.datasets import ImageDataset
from objdisc.errors import ObjdiscError, UsageError
from objdisc.io import marks
from objdisc.io.claims import check_folder, describe, held, is_vacant
from objdisc.io.files import atomic_write, remove_leftovers
from objdisc.io.marks import Mark
from objdisc.io.run import COMMANDS, Run
from objdisc.io.spent import added_to
from objdisc.io.staging import REPLACEMENT, publish, settle, sweep
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.store import PatchStore
from objdisc.pipeline.checks import check_start, has_same_settings, is_finished, refusal, splits
from objdisc.pipeline.data import find_data, open_splits
from objdisc.pipeline.ground_truth import with_sound_truth
from objdisc.pipeline.growing import as_grown, with_growth, with_known_growth
from objdisc.pipeline.images import fingerprint
from objdisc.pipeline.job import Job
from objdisc.pipeline.options import (
    DiscoverOptions,
    build_method,
    choose_objectness,
    cut_job,
    default_output_dir,
    store_folder,
)
from objdisc.pipeline.recommending import with_known_number, with_recommended_number
from objdisc.pipeline.scenes import scene_options
from objdisc.pipeline.segmenters import segmenter_for
from objdisc.pipeline.stages import plan
from objdisc.pipeline.taken_for import tell
from objdisc.training.engine import make_accelerator
from objdisc.training.resuming import has_ended

log = logging.getLogger("objdisc")


def prepare(options: DiscoverOptions, command: str) -> Job:
    """Check device, data, regions, weights, space on the disk, and the ownership of the run's folder.

    Nothing of the run is written, except that a swap begun by a killed process is finished.

    Args:
        options: The options.
        command: ``discover`` or ``train``.

    Raises:
        UsageError: A check fails, or the folder holds something other than this same run.
        ObjdiscError: The disk has no room.
    """
    accelerator = make_accelerator(options.training.device, options.training.precision)
    options = as_grown(options)
    path = find_data(options.path)
    dataset, scored = open_splits(path, options)
    options = replace(options, data=replace(options.data, stretch=dataset.options.stretch))
    if options.num_object_clusters is not None:
        options = replace(
            options,
            num_clusters=options.num_object_clusters,
            num_object_clusters=None,
            num_scene_clusters=options.k_of_scenes,
        )
    home = options.resume or options.output_dir or default_output_dir(path, options)
    check_folder(home)
    there = open_there(home, options)
    run = Run(home / REPLACEMENT if options.overwrite and there is not None else home)
    options = with_known_growth(with_known_number(options, run), run)
    source, scene = _regions_and_scene(options, command, dataset, run)
    tell([dataset, scored], source)
    source.check(dataset)
    _check_scored(source, scored)
    if options.strict:
        source.refuse_problems(dataset)
        source.refuse_problems(scored)
    stages = tuple(plan(options, run))
    for stage in stages[:-1]:
        earlier = build_method(stage.options)
        segmenter_for(earlier).check(earlier, source, dataset)
    method = build_method(stages[-1].options)
    segmenter_for(method).check(method, source, dataset)
    trained = run.weights.is_file() and (not method.trains or has_ended(run, stages[-1].options.training))
    job = Job(command, options, path, dataset, scored, source, home, run, stages, method, False, trained, accelerator)
    job = replace(job, scene=scene)
    if there is not None and not options.overwrite:
        job = replace(job, finished=is_finished(job))
        if options.resume is None and not job.finished:
            raise UsageError(refusal(job))
    if not job.finished:
        job = with_sound_truth(job)
        check_start(job)
    return job


def _regions_and_scene(
    options: DiscoverOptions, command: str, dataset: ImageDataset, run: Run
) -> tuple[ObjectnessSource, DiscoverOptions | None]:
    """Choose the source of regions, and plan the run of the scene; None for it if there is none.

    Raises:
        UsageError: Either cannot be used with the images.
    """
    source = choose_objectness(options.objectness, dataset, options.encoder, options.weights)
    scene = scene_options(options, dataset, source, run.scene.path) if command == "discover" else None
    if scene is not None:
        divider = build_method(scene)
        crops = choose_objectness(scene.objectness, dataset, scene.encoder, scene.weights)
        segmenter_for(divider).check(divider, crops, dataset)
        if source.wants_scene:
            source.read_scenes(run.scene, run.scene.maps("sceneIds"), divider.encoder.origin)
    return source, scene


def open_there(home: Path, options: DiscoverOptions) -> Run | None:
    """Return the run that a folder holds; None if it is vacant, or marked for a run by another command.

    Raises:
        UsageError: It holds anything else, or ``resume`` is set and there is no run.
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
    """Whether version 0.1 has trained in a folder: it left settings and weights, but no mark."""
    run = Run(folder)
    if not (run.config.is_file() and run.has_learned):
        return False
    try:
        load(DiscoverOptions, run.config, allow_import=allow_import, quiet=True)
    except UsageError:
        return False
    return True


def settled(job: Job) -> Job:
    """Find the number of clusters, or of new ones, if asked for, and record it in the settings of a begun job.

    Raises:
        UsageError: No number can be recommended, or there is no object that could be new.
    """
    found = with_growth(with_recommended_number(job))
    if found is not job and job.accelerator.is_main_process:
        write_settings(found, found.run)
    return found


@contextmanager
def begun(job: Job) -> Iterator[Run]:
    """Hold the run's folder, write the run's settings into it, and at the end move the run to its place.

    A failure leaves no new folder and no partial replacement behind, unless something was learned or the run was
    interrupted: then the same command, or ``--resume``, continues from that. An earlier run stays as it is.

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
    new, before = is_vacant(job.home) or job.replaces, Mark.read(job.home)
    with held(job.home):
        if Mark.read(job.home) != before:
            raise UsageError(f"{job.home}: another process has begun a run in it; give another --output-dir.")
        sweep(job.home)
        remove_leftovers(job.home)
        try:
            if job.replaces and not job.run.has_learned and not _has_begun_alike(job):
                shutil.rmtree(job.run.path, ignore_errors=True)
            if not job.trained:
                write_settings(job, job.run)
            job.accelerator.wait_for_everyone()
            with added_to(job.run.spent):
                yield job.run
            if job.trained:
                write_settings(job, job.run)
            _renew_stores(job)
            if job.replaces:
                publish(job.run.path, Run(job.home).files())
        except (ObjdiscError, OSError):
            if new and not job.run.has_learned:
                _remove(job.run)
            raise
    if job.replaces:
        _tell_of_derived(job.home)


def tidy(job: Job) -> None:
    """Remove files that a process killed at its very end has left in a finished run."""
    with suppress(UsageError), held(job.home):  # another process may be at work there
        sweep(job.home)
        remove_leftovers(job.home)


def _has_begun_alike(job: Job) -> bool:
    """Whether an interrupted replacement was of this same run, so that its patches can be reused."""
    try:
        return has_same_settings(job.run, job.options)
    except UsageError:
        return False


def write_settings(job: Job, run: Run) -> None:
    """Mark the folder, and write the settings without --resume, so that the file makes the same run again.

    A run whose training has ended gets them together with its new results, and stays unchanged until these are
    complete.
    """
    if Mark.read(run.path) is None:
        Mark.now(job.command, data=job.path, images=fingerprint(job.dataset)).write(run.path)
    with atomic_write(run.config) as file:
        file.write(dump(replace(job.options, resume=None)))


def _renew_stores(job: Job) -> None:
    """Record where the images lie now, so that the next command need not open them."""
    for dataset in splits(job):
        PatchStore.renew(cut_job(dataset, job.source, job.options), store_folder(job.run, dataset))


def _remove(run: Run) -> None:
    """Remove a run's files from a folder that was vacant, but nothing that somebody else has put there since."""
    for name in (*run.files(), marks.FILE):
        (run.path / name).unlink(missing_ok=True)
    for path in sorted((path for path in run.path.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    if run.path.name == REPLACEMENT:
        shutil.rmtree(run.path, ignore_errors=True)


def _tell_of_derived(home: Path) -> None:
    """Log results of commands on the replaced run: they stay, and belong to that run."""
    derived = [path.parent for path in sorted(home.glob("*/**/run.json"))]
    if derived:
        log.warning("these results belong to the run that was replaced: %s", ", ".join(map(str, derived)))


def _check_scored(source: ObjectnessSource, scored: ImageDataset) -> None:
    """Check now, not after hours of training, that the evaluation split has the files that the source reads."""
    try:
        source.check(scored)
    except UsageError as error:
        raise UsageError(f"split {scored.split!r}: {str(error).rstrip('.')}; or choose another --split.") from error
