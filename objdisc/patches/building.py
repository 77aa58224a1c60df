"""Building a patch store: shards are written in parallel, survive interruptions, and are joined into its files."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
from filelock import FileLock

from objdisc.errors import ObjdiscError, UnreadableImageError, UsageError
from objdisc.io.files import atomic_write, write_json
from objdisc.io.processes import is_of_main_module, main_module_left_out
from objdisc.io.progress import progress_bar
from objdisc.io.stamps import Stamps
from objdisc.patches.shard_files import ROW, PixelFile, Shard, append_pixels, images_header, npy_header, read_shard
from objdisc.patches.shards import FORMAT_VERSION, CutJob, ShardPlan, write_shard

MANIFEST, IMAGES, ROWS, MASKS = "manifest.json", "images.npy", "rows.npy", "masks.npy"  # the files of a store
SOURCES = "sources.npy"  # one more, where regions come from annotation files
SHARDS = "shards"  # folder that only an unfinished build leaves


def join_shards(job: CutJob, paths: Sequence[Path], folder: Path, key: str, stamps: Stamps) -> None:
    """Join shards into the files of a store, streaming; a final rename makes them a store, and shards are removed.

    Args:
        job: What was cut.
        paths: Its shards, in the order of the samples.
        folder: Where the store's files go.
        key: Key of the store.
        stamps: Stamps of the files that were cut, with edges.

    Raises:
        UsageError: No object is in any of them.
        ObjdiscError: The disk is full.
    """
    shape, samples = job.patch_shape, job.dataset.samples
    frames: dict[str, list[int]] = {}
    skipped: list[tuple[str, str]] = []
    num_patches = num_objects = num_mask_bytes = longest = 0
    for shard in _read_all(paths, shape):
        frames |= {samples[index].name: [height, width] for index, height, width in shard.frames.tolist()}
        skipped += shard.skipped
        num_patches += len(shard.rows)
        num_objects += int(np.count_nonzero(shard.rows["foreground"]))
        num_mask_bytes += len(shard.masks)
        longest = max(longest, *(len(source.encode()) for source in shard.sources), 0)
    if num_objects == 0:
        raise UsageError(_nothing_found(job, skipped))
    with atomic_write(folder / ROWS, "wb") as rows, atomic_write(folder / MASKS, "wb") as masks:
        rows.write(npy_header(ROW, (num_patches,)))
        masks.write(npy_header(np.dtype(np.uint8), (num_mask_bytes,)))
        for shard in _read_all(paths, shape):
            rows.write(shard.rows.tobytes())
            masks.write(shard.masks.tobytes())
    if longest:
        _join_sources(_read_all(paths, shape), folder / SOURCES, (num_patches, longest))
    manifest = {
        "format": FORMAT_VERSION,
        "key": key,
        "settings": job.settings(),
        "split": job.dataset.split,
        "patches": num_patches,
        "objects": num_objects,
        "skipped": skipped,
        "samples": [sample.name for sample in samples],
        "frames": frames,
        "stamps": stamps.to_json(),
        "outlines": job.source.outlines,
        **({"sources": True} if longest else {}),
    }
    write_json(folder / MANIFEST, manifest)
    _join_pixels(paths, folder / IMAGES, num_patches, shape)  # last: it may take the shards' own file


def _read_all(paths: Sequence[Path], patch_shape: tuple[int, int, int]) -> Iterator[Shard]:
    return (read_shard(path, patch_shape) for path in paths)


def _join_sources(shards: Iterable[Shard], path: Path, size: tuple[int, int]) -> None:
    """Write the objects' ids in annotation files: ``(N,)`` texts as UTF-8, empty for objects from no such file."""
    count, longest = size
    kind = np.dtype(f"S{longest}")
    with atomic_write(path, "wb") as file:
        file.write(npy_header(kind, (count,)))
        for shard in shards:
            texts = [source.encode() for source in shard.sources] or [b""] * len(shard.rows)
            file.write(np.array(texts, kind).tobytes())


def _join_pixels(paths: Sequence[Path], images: Path, count: int, patch_shape: tuple[int, int, int]) -> None:
    """Make one file of the patches: a copy, or the original if one process wrote all of them in order."""
    header = images_header(count, patch_shape)
    if end := end_in_one_file(paths, patch_shape):
        pixels = PixelFile(read_shard(paths[0], patch_shape).pixels, patch_shape, end)
        with pixels.file as file:
            file.seek(0)
            file.write(header)
        os.replace(pixels.path, images)
        return
    with atomic_write(images, "wb") as file:
        file.write(header)
        for shard in _read_all(paths, patch_shape):
            append_pixels(shard, file)


def end_in_one_file(paths: Sequence[Path], patch_shape: tuple[int, int, int]) -> int | None:
    """Return where the patches end if they lie one after the other in one file; None if they do not."""
    end, file = len(images_header(0, patch_shape)), None
    for shard in _read_all(paths, patch_shape):
        if shard.start != end or file not in {None, shard.pixels}:
            return None
        end, file = shard.stop, shard.pixels
    return end


def _nothing_found(job: CutJob, skipped: Sequence[tuple[str, str]]) -> str:
    dataset, count = job.dataset, len(job.dataset.samples)
    where = f"{dataset.root} {dataset.split}".rstrip()
    if len(skipped) == count:
        return f"{where}: none of {count} images can be used; the first: {skipped[0][0]}: {skipped[0][1]}"
    reason = f"{where}: no object in {count} images ({len(skipped)} skipped)"
    if job.source.outlines:
        fix = "lower --patches.min-area or choose another --objectness."
        return f"{reason} with at least {job.options.min_area} pixels; {fix}"
    return f"{reason}; choose another --objectness, or check which classes are named as foreground."


LOCK = ".lock"

_FEW_IMAGES = 64  # below, starting processes costs more than they save

log = logging.getLogger("objdisc")

_worker_job: CutJob  # set once a process, so that the list of samples does not travel with every shard
_worker_folder: Path
_worker_pixels: PixelFile


def finish_shards(
    job: CutJob, plans: Sequence[ShardPlan], folder: Path, *, workers: int, strict: bool, progress: bool | None
) -> list[Path]:
    """Write the shards that an earlier, interrupted build has not written.

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
    """List the shards that an interrupted build finished, and remove its other files."""
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

    Closing the iterator, or an interrupt, cancels shards that have not begun; those that have are finished and kept.

    Args:
        job: What is cut.
        plans: The shards to write.
        folder: Where to.
        workers: Number of processes; 0 for this one. This one is also used for few images, and for sources that cannot
            be sent to others.
        progress: Whether to draw a bar on stderr; None to draw it if stderr is a terminal.

    Raises:
        ObjdiscError: The disk is full, or a worker process died.
    """
    images = sum(len(plan.span) for plan in plans)
    alone = workers < 1 or images < _FEW_IMAGES or job.source.in_process or is_of_main_module(job.source, job.dataset)
    spans = {plan.file_name: len(plan.span) for plan in plans}
    with progress_bar("cutting patches", images, shown=progress) as advance:
        paths = _in_this_process(job, plans, folder) if alone else _in_processes(job, plans, folder, workers)
        for path in paths:
            advance(spans[path.name])
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
        with main_module_left_out():
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
    """Exit when the parent was killed: a pool's workers would wait for it forever."""
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
    lock = FileLock(path)
    try:
        lock.acquire()
    except NotImplementedError as error:  # some network file systems know no locks: nobody can take one
        log.debug("%s is not locked: %s", folder, error)
    except OSError as error:
        raise ObjdiscError(f"{path}: cannot be written ({error.strerror}); choose another --output-dir.") from error
    try:
        yield
    finally:
        lock.release()
