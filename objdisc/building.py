"""Writing all shards of a build: in parallel, with progress, and so that an interruption loses little."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from objdisc.errors import ObjdiscError
from objdisc.shards import CutJob, ShardPlan, write_shard

if sys.platform != "win32":
    import fcntl

_FEW_IMAGES = 64  # below, starting processes costs more than they save

_worker_job: CutJob  # set once a process, so that the list of samples does not travel with every shard
_worker_folder: Path


def write_shards(
    job: CutJob, plans: Sequence[ShardPlan], folder: Path, *, workers: int, progress: bool | None
) -> Iterator[Path]:
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
        paths = (
            (write_shard(job, plan, folder) for plan in plans) if alone else _in_processes(job, plans, folder, workers)
        )
        for path in paths:
            bar.advance(task, spans[path.name])
            yield path


def _in_processes(job: CutJob, plans: Sequence[ShardPlan], folder: Path, workers: int) -> Iterator[Path]:
    # Forking a process that runs torch's threads may deadlock; the fork server never started any.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload(["objdisc.building"])
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
    global _worker_job, _worker_folder
    _worker_job, _worker_folder = job, folder
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
    return write_shard(_worker_job, plan, _worker_folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time build in a folder; another one waits. The lock ends with its process.

    Raises:
        ObjdiscError: The folder cannot be written.
    """
    path = folder / ".lock"
    try:
        file = path.open("a")
    except OSError as error:
        raise ObjdiscError(f"{path}: cannot be written ({error.strerror}); choose another --output-dir.") from error
    with file:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
