"""Joining shards to the files of a patch store."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from objdisc.errors import UsageError
from objdisc.io.files import atomic_write, write_json
from objdisc.io.stamps import Stamps
from objdisc.patches.shard_files import ROW, PixelFile, Shard, append_pixels, images_header, npy_header, read_shard
from objdisc.patches.shards import FORMAT_VERSION, CutJob

MANIFEST, IMAGES, ROWS, MASKS = "manifest.json", "images.npy", "rows.npy", "masks.npy"  # the files of a store
SHARDS = "shards"  # folder that only an unfinished build leaves


def join_shards(job: CutJob, paths: Sequence[Path], folder: Path, key: str, stamps: Stamps) -> None:
    """Join shards to the files of a store, streaming; a last rename makes them a store, and the shards go.

    Args:
        job: What was cut.
        paths: Its shards, in the order of the samples.
        folder: Where the store's files go.
        key: Of the store.
        stamps: Of the files that were cut, with edges.

    Raises:
        UsageError: No object is in any of them.
        ObjdiscError: The disk is full.
    """
    shape, samples = job.patch_shape, job.dataset.samples
    frames: dict[str, list[int]] = {}
    skipped: list[tuple[str, str]] = []
    num_patches = num_objects = num_mask_bytes = 0
    for shard in _read_all(paths, shape):
        frames |= {samples[index].name: [height, width] for index, height, width in shard.frames.tolist()}
        skipped += shard.skipped
        num_patches += len(shard.rows)
        num_objects += int(np.count_nonzero(shard.rows["foreground"]))
        num_mask_bytes += len(shard.masks)
    if num_objects == 0:
        raise UsageError(_nothing_found(job, skipped))
    with atomic_write(folder / ROWS, "wb") as rows, atomic_write(folder / MASKS, "wb") as masks:
        rows.write(npy_header(ROW, (num_patches,)))
        masks.write(npy_header(np.dtype(np.uint8), (num_mask_bytes,)))
        for shard in _read_all(paths, shape):
            rows.write(shard.rows.tobytes())
            masks.write(shard.masks.tobytes())
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
    }
    write_json(folder / MANIFEST, manifest)
    _join_pixels(paths, folder / IMAGES, num_patches, shape)  # last: it may take the shards' own file


def _read_all(paths: Sequence[Path], patch_shape: tuple[int, int, int]) -> Iterator[Shard]:
    return (read_shard(path, patch_shape) for path in paths)


def _join_pixels(paths: Sequence[Path], images: Path, count: int, patch_shape: tuple[int, int, int]) -> None:
    """Make the patches one file: copied, or where one process wrote all of them in order, the file that they are in."""
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
