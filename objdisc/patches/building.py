"""Building a patch store: shards written in parallel, and kept over interruptions."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from objdisc.errors import ObjdiscError, UnreadableImageError
from objdisc.patches.joining import SHARDS, end_in_one_file
from objdisc.patches.shard_files import PixelFile, read_shard
from objdisc.patches.shards import CutJob, ShardPlan, write_shard

if sys.platform != "win32":
    import fcntl

LOCK = ".lock"

_FEW_IMAGES = 64  # below, starting processes costs more than they save

log = logging.getLogger("objdisc")

_worker_job: CutJob  # set once a process, so that the list of samples does not travel with every shard
_worker_folder: Path
_worker_pixels: PixelFile


def finish_shards(
    job: CutJob, plans: Sequence[ShardPlan], folder: Path, *, workers: int, strict: bool, progress: bool | None
) -> list[Path]:
    """Write the shards that an earlier, interrupted build has not.

    Returns:
        All shard files, in the order of the samples.

    Raises:
        UnreadableImageError: An image is unreadable, and ``strict``.
        ObjdiscError: The disk is full, or a worker process died.
    """
    shard_folder = folder / SHARDS
    shard_folder.mkdir(exist_ok=True)
    kept = _keep(job, plans, folder)
    missing = [plan for plan in plans if plan.file_name not in kept]
    if len(missing) < len(plans):
        log.info(
            "%s: %d of %d shards are there from an interrupted build", folder, len(plans) - len(missing), len(plans)
        )
    # Closed here, not whenever the traceback lets go of it: the processes must stop now.
    with closing(write_shards(job, missing, shard_folder, workers=workers, progress=progress)) as paths:
        for path in paths:
            skipped = read_shard(path, job.patch_shape).skipped if strict else []
            if skipped:
                raise UnreadableImageError(Path(skipped[0][0]), skipped[0][1])
    return [shard_folder / plan.file_name for plan in plans]


def _keep(job: CutJob, plans: Sequence[ShardPlan], folder: Path) -> set[str]:
    """Name the shards that an interrupted build finished, and remove all else that it left."""
    shard_folder = folder / SHARDS
    kept: set[str] = set()
    for plan in plans:
        with suppress(OSError, ValueError):
            shard = read_shard(shard_folder / plan.file_name, job.patch_shape)
            kept |= {plan.file_name, shard.pixels.name}
    for leftover in [*folder.glob(".objdisc-*.tmp"), *shard_folder.iterdir()]:
        if leftover.name not in kept:
            leftover.unlink(missing_ok=True)
    return kept


def write_shards(
    job: CutJob, plans: Sequence[ShardPlan], folder: Path, *, workers: int, progress: bool | None
) -> Generator[Path, None, None]:
    """Write shards and yield each file as it is finished, in no particular order.

    Closing the iterator, or an interrupt, cancels what has not begun; what has begun is finished and kept.

    Args:
        job: What is cut.
        plans: The shards to write.
        folder: Where to.
        workers: Processes; 0 for this one. Few images, and sources that cannot travel, stay in this one.
        progress: Whether to draw a bar on stderr; None: if that is a terminal.

    Raises:
        ObjdiscError: The disk is full, or a worker process died.
    """
    images = sum(len(plan.span) for plan in plans)
    alone = workers < 1 or images < _FEW_IMAGES or job.source.in_process
    spans = {plan.file_name: len(plan.span) for plan in plans}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = (console.is_terminal if progress is None else progress) and images > 0
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("cutting patches", total=images)
        paths = _in_this_process(job, plans, folder) if alone else _in_processes(job, plans, folder, workers)
        for path in paths:
            bar.advance(task, spans[path.name])
            yield path


def _in_this_process(job: CutJob, plans: Sequence[ShardPlan], folder: Path) -> Generator[Path, None, None]:
    if not plans:
        return
    done = sorted(folder.glob("*.shard"))  # in the order of the samples
    before = all(path.name < plans[0].file_name for path in done)
    end = end_in_one_file(done, job.patch_shape) if before and done else None
    if end is None:
        pixels = PixelFile.create(folder, job.patch_shape)
    else:
        pixels = PixelFile(read_shard(done[0], job.patch_shape).pixels, job.patch_shape, end)
    with pixels.file:
        for plan in plans:
            yield write_shard(job, plan, folder, pixels)


def _in_processes(job: CutJob, plans: Sequence[ShardPlan], folder: Path, workers: int) -> Generator[Path, None, None]:
    # Forking a process that runs torch's threads may deadlock; the fork server never started any.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload(["objdisc.patches.building"])
    pool = ProcessPoolExecutor(
        min(workers, len(plans)), mp_context=context, initializer=_start_worker, initargs=(job, folder)
    )
    try:
        futures = [pool.submit(_write_in_worker, plan) for plan in plans]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise ObjdiscError(
            f"{folder}: a process that cut patches died, perhaps for want of memory; run again with fewer workers "
            "(0 works in one process). What is finished is kept."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(job: CutJob, folder: Path) -> None:
    global _worker_job, _worker_folder, _worker_pixels
    _worker_job, _worker_folder, _worker_pixels = job, folder, PixelFile.create(folder, job.patch_shape)
    cv2.setNumThreads(1)
    # Ctrl-C reaches all processes of a terminal; the parent alone decides, so that shards under way are finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the parent was killed: a pool's workers would wait for it forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_in_worker(plan: ShardPlan) -> Path:
    return write_shard(_worker_job, plan, _worker_folder, _worker_pixels)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time build in a folder; another one waits. The lock ends with its process.

    Raises:
        ObjdiscError: The folder cannot be written.
    """
    path = folder / LOCK
    try:
        file = path.open("a")
    except OSError as error:
        raise ObjdiscError(f"{path}: cannot be written ({error.strerror}); choose another --output-dir.") from error
    with file:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
