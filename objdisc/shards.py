"""A shard: the patches of a few consecutive images in one file, the unit that a build keeps when it is interrupted."""

import hashlib
import json
import math
import os
import random
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches import PatchOptions, background_windows, cut, object_window
from objdisc.run import atomic_write
from objdisc.types import Region

FORMAT_VERSION = 2
IMAGES_PER_SHARD = 32  # what a killed build loses at most per process
# How a shard begins: the byte at which its patches end and its tables begin, and the bytes of each of these:
# frames, what was skipped, rows, masks. Plain bytes: a header for each table would have to be parsed at every reading.
_START = struct.Struct("<5q")
_BUFFERS_PER_CALL = 512  # POSIX systems take at least 16, those in use 1024

ROW = np.dtype(
    [
        ("sample", "<i4"),  # index into the data set's samples
        ("window", "<i4", 3),
        ("box", "<i4", 4),
        ("area", "<i8"),
        ("foreground", "?"),
        ("score", "<f8"),
        ("mask_bytes", "<i4"),  # length of the mask's counts; 0 = no mask
    ]
)

_Tables = tuple[list[tuple[int, int, int]], list[tuple[str, str]], list[tuple[Any, ...]], list[bytes]]


@dataclass(frozen=True)
class CutJob:
    """What is cut, and how: all that a worker needs beside an image's index."""

    dataset: ImageDataset
    source: ObjectnessSource
    options: PatchOptions
    seed: int

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """``(S, S, C + 1)``: the image's channels and the mask."""
        return self.options.size, self.options.size, self.dataset.num_channels + 1

    def settings(self) -> dict[str, Any]:
        """Return everything but the files that decides what the patches hold, as JSON values."""
        return {
            "format": FORMAT_VERSION,
            "options": asdict(self.options),
            "source": self.source.fingerprint(),
            "reading": self.dataset.fingerprint(),
            "seed": self.seed,
            # Data sets that can be told which classes are objects keep that choice under this name.
            "foreground": sorted(getattr(self.dataset, "foreground", None) or ()),
        }

    def shards(self) -> list["ShardPlan"]:
        """Split the samples into shards, and key each by the settings and by its files' paths, sizes and times."""
        settings = json.dumps(self.settings(), sort_keys=True).encode()
        plans = []
        for start in range(0, len(self.dataset.samples), IMAGES_PER_SHARD):
            span = range(start, min(start + IMAGES_PER_SHARD, len(self.dataset.samples)))
            digest = hashlib.blake2b(settings, digest_size=16)
            for index in span:
                digest.update(self._identity(index).encode())
            plans.append(ShardPlan(span, digest.hexdigest()))
        return plans

    def _identity(self, index: int) -> str:
        sample = self.dataset.samples[index]
        paths = (sample.image_path, *self.source.files(self.dataset, sample))
        stamps = [(os.path.abspath(path), *_stamp(path)) for path in paths]
        return json.dumps([sample.name, self.dataset.is_foreground(sample), stamps])


@dataclass(frozen=True)
class ShardPlan:
    """One shard to be.

    Attributes:
        span: Indices of its images among the data set's samples.
        key: Hash of everything that its content depends on.
    """

    span: range
    key: str

    @property
    def file_name(self) -> str:
        """A name that only the very same content bears."""
        return f"{self.span.start:08d}-{self.key}.shard"


@dataclass(frozen=True)
class Shard:
    """A finished shard, its pixels left on the disk.

    Attributes:
        path: The file.
        frames: ``(n, 3)`` int64, sample index, height, width of each readable image.
        skipped: ``(path, reason)`` of each image left out.
        rows: ``(m,)`` of ``ROW``.
        masks: ``(b,)`` uint8, the rows' mask counts one after the other.
        pixels_end: Byte at which the ``(m, S, S, C + 1)`` uint8 patches end; they begin the file but for its start.
    """

    path: Path
    frames: NDArray[np.int64]
    skipped: list[tuple[str, str]]
    rows: NDArray[np.void]
    masks: NDArray[np.uint8]
    pixels_end: int


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return -1, -1  # reading it will say why
    return status.st_size, status.st_mtime_ns


def image_rng(seed: int, name: str) -> random.Random:
    """Return an image's own source of chance, whatever the order in which images are cut.

    Args:
        seed: The build's seed, 0 or more.
        name: ``Sample.name``.
    """
    # Python keeps what a seed yields from version to version, and makes such a source in a tenth of numpy's time.
    return random.Random(f"{seed} {name}")


def choose_regions(job: CutJob, name: str, regions: list[Region], frame: tuple[int, int]) -> list[Region]:
    """Choose the regions that become patches: objects that are large enough, then background windows.

    Args:
        job: What is cut.
        name: ``Sample.name``.
        regions: All that the source found.
        frame: ``(H, W)`` in pixels.
    """
    if not job.source.outlines:
        return regions
    objects = [region for region in regions if region.area >= job.options.min_area]
    return objects + background_windows(regions, frame, job.options, image_rng(job.seed, name))


def write_shard(job: CutJob, plan: ShardPlan, folder: Path) -> Path:
    """Cut the patches of a shard's images and write them.

    Unreadable images are noted in the shard and left out.

    Returns:
        The shard's file, complete.

    Raises:
        ObjdiscError: The disk is full or does not allow the write.
    """
    path = folder / plan.file_name
    with atomic_write(path, "wb") as file:
        file.write(bytes(_START.size))
        frames, skipped, rows, masks = _write_patches(job, plan, file)
        pixels_end = file.tell()
        tables = (
            np.array(frames, dtype=np.int64).tobytes(),
            json.dumps(skipped).encode(),
            np.array(rows, dtype=ROW).tobytes(),
            b"".join(masks),
        )
        file.writelines(tables)
        file.seek(0)
        file.write(_START.pack(pixels_end, *map(len, tables)))
    return path


def _write_patches(job: CutJob, plan: ShardPlan, file: IO[bytes]) -> _Tables:
    """Cut and write image by image: no more pixels are held, and these are still in the processor's cache."""
    frames: list[tuple[int, int, int]] = []
    skipped: list[tuple[str, str]] = []
    rows: list[tuple[Any, ...]] = []
    masks: list[bytes] = []
    for index in plan.span:
        sample = job.dataset.samples[index]
        try:
            image = job.dataset.read_image(sample)
            found = job.source.regions(job.dataset, sample, image)
        except UnreadableImageError as error:
            skipped.append((str(error.path), error.reason))
            continue
        height, width = image.shape[:2]
        frames.append((index, height, width))
        patches = []
        for region in choose_regions(job, sample.name, found, (height, width)):
            window = object_window(region, job.options.context)
            counts = region.mask["counts"].encode("ascii") if region.mask else b""
            rows.append((index, window, region.box, region.area, region.foreground, region.score, len(counts)))
            masks.append(counts)
            patches.append(cut(image, window, region, job.options.size).data)
        write_all(file, patches)
    return frames, skipped, rows, masks


def write_all(file: IO[bytes], buffers: Sequence[memoryview]) -> None:
    """Append buffers to a file in few system calls and without a copy: writing each by itself costs twice the time."""
    if not hasattr(os, "writev"):
        file.writelines(buffers)
        return
    file.flush()
    pending = [memoryview(buffer).cast("B") for buffer in buffers]
    first = 0
    while first < len(pending):
        written = os.writev(file.fileno(), pending[first : first + _BUFFERS_PER_CALL])
        while first < len(pending) and written >= len(pending[first]):
            written -= len(pending[first])
            first += 1
        if written:
            pending[first] = pending[first][written:]


def read_shard(path: Path, patch_shape: tuple[int, int, int]) -> Shard:
    """Read a shard but for its pixels.

    Args:
        path: The file.
        patch_shape: Of its patches, as ``CutJob`` has it.

    Raises:
        ValueError: The file is not whole, as after a power cut.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_START.size)
        pixels_end, *lengths = _START.unpack(start) if len(start) == _START.size else (0, -1)
        if min(lengths) < 0 or pixels_end + sum(lengths) != size:
            raise ValueError(f"{path}: has not the length that it says at its start")
        file.seek(pixels_end)
        frames, skipped, rows, masks = (file.read(length) for length in lengths)
    table = np.frombuffer(rows, dtype=ROW)
    if pixels_end != _START.size + len(table) * math.prod(patch_shape):
        raise ValueError(f"{path}: its tables are not where its patches end")
    return Shard(
        path,
        np.frombuffer(frames, dtype=np.int64).reshape(-1, 3),
        [(str(image), str(reason)) for image, reason in json.loads(skipped)],
        table,
        np.frombuffer(masks, dtype=np.uint8),
        pixels_end,
    )


def append_pixels(shard: Shard, file: IO[bytes]) -> None:
    """Append a shard's patches to a file, a little at a time."""
    buffer = memoryview(bytearray(1 << 20))
    with shard.path.open("rb", buffering=0) as pixels:
        left = shard.pixels_end - pixels.seek(_START.size)
        while left and (count := pixels.readinto(buffer[:left])):
            file.write(buffer[:count])
            left -= count
