"""A shard on disk: its patches are in the file of the process that cut them, its tables in a file of its own."""

import io
import itertools
import json
import math
import os
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objdisc.io.files import write_failed
from objdisc.io.paths import checked_name

# How a shard's file begins: the byte of the pixels' file at which its patches begin, and the bytes of each table:
# that file's name, frames, what was skipped, rows, masks, sources. Plain bytes: they are read again and again.
_START = struct.Struct("<7q")
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


class Tables(NamedTuple):
    """The tables of a shard, without its pixels, while it is being cut.

    Attributes:
        frames: Sample index, height, width of each readable image.
        skipped: Path and reason of each image left out.
        rows: A tuple in the order of ``ROW`` for each patch.
        masks: The rows' mask counts.
        sources: ``Region.source_id`` of each row; empty if no row has one.
    """

    frames: list[tuple[int, int, int]]
    skipped: list[tuple[str, str]]
    rows: list[tuple[Any, ...]]
    masks: list[bytes]
    sources: list[str]


@dataclass(frozen=True)
class Shard:
    """A finished shard, whose pixels stay on the disk.

    Attributes:
        pixels: File that holds the ``(m, S, S, C + 1)`` uint8 patches.
        start: Byte at which they begin in the file.
        stop: Byte at which they end.
        frames: ``(n, 3)`` int64, sample index, height, width of each readable image.
        skipped: ``(path, reason)`` of each image left out.
        rows: ``(m,)`` of ``ROW``.
        masks: ``(b,)`` uint8, the rows' mask counts one after the other.
        sources: ``Region.source_id`` of each row, ``""`` for none; empty if no row has one.
    """

    pixels: Path
    start: int
    stop: int
    frames: NDArray[np.int64]
    skipped: list[tuple[str, str]]
    rows: NDArray[np.void]
    masks: NDArray[np.uint8]
    sources: list[str]


class PixelFile:
    """The file that one process appends patches to, shard after shard: the beginnings of a store's ``images.npy``.

    A build in one process has all its patches in one such file, and need not copy them.

    Attributes:
        path: The file.
        file: The open file, unbuffered and positioned at its end.
    """

    def __init__(self, path: Path, patch_shape: tuple[int, int, int], end: int | None = None) -> None:
        """Open the file.

        Args:
            path: The file; an existing one is continued if ``end`` is given.
            patch_shape: Shape of its patches.
            end: Byte after the last patch to keep; None for a new file.

        Raises:
            ObjdiscError: The disk is full or does not allow the write.
        """
        self.path = path
        try:
            self.file = path.open("wb" if end is None else "r+b", buffering=0)
            self.file.truncate(len(images_header(0, patch_shape)) if end is None else end)
            self.file.seek(0, os.SEEK_END)
        except OSError as error:
            raise write_failed(path, error) from error

    @classmethod
    def create(cls, folder: Path, patch_shape: tuple[int, int, int]) -> "PixelFile":
        """Make a file with a unique name."""
        return cls(folder / f"{secrets.token_hex(6)}.pixels", patch_shape)

    def append(self, patches: Sequence[memoryview]) -> None:
        """Append patches in few system calls and without a copy: writing each one separately takes twice the time."""
        pending = [memoryview(patch).cast("B") for patch in patches]
        first = 0
        while first < len(pending):
            if hasattr(os, "writev"):
                written = os.writev(self.file.fileno(), pending[first : first + _BUFFERS_PER_CALL])
            else:
                written = self.file.write(pending[first]) or 0
            while first < len(pending) and written >= len(pending[first]):
                written -= len(pending[first])
                first += 1
            if written:
                pending[first] = pending[first][written:]


def images_header(count: int, patch_shape: tuple[int, int, int]) -> bytes:
    """Return the header of an ``.npy`` file with ``count`` patches; its length is the same for any count."""
    return npy_header(np.dtype(np.uint8), (count, *patch_shape))


def npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of an ``.npy`` file written in pieces: ``np.save`` would need all of it in memory."""
    header = {"descr": dtype.descr if dtype.names else dtype.str, "fortran_order": False, "shape": shape}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
    return file.getvalue()


def write_tables(file: IO[bytes], pixels: PixelFile, start: int, tables: Tables) -> None:
    """Write the file of a shard whose patches begin at byte ``start`` of their file."""
    parts = (
        pixels.path.name.encode(),
        np.array(tables.frames, dtype=np.int64).tobytes(),
        json.dumps(tables.skipped).encode(),
        np.array(tables.rows, dtype=ROW).tobytes(),
        b"".join(tables.masks),
        json.dumps(tables.sources).encode(),
    )
    file.write(_START.pack(start, *map(len, parts)))
    file.writelines(parts)


def read_shard(path: Path, patch_shape: tuple[int, int, int]) -> Shard:
    """Read a shard without its pixels.

    Args:
        path: The file.
        patch_shape: Shape of its patches, as ``CutJob`` has it.

    Raises:
        ValueError: The file is incomplete, as after a power cut.
        UsageError: It names a file outside its folder.
        OSError: It cannot be read.
    """
    content = path.read_bytes()
    start, *lengths = _START.unpack_from(content) if len(content) >= _START.size else (0, -1)
    if min(lengths) < 0 or _START.size + sum(lengths) != len(content):
        raise ValueError(f"{path}: has not the length that it says at its start")
    ends = itertools.accumulate(lengths, initial=_START.size)
    name, frames, skipped, rows, masks, sources = (content[begin:end] for begin, end in itertools.pairwise(ends))
    table = np.frombuffer(rows, dtype=ROW)
    if os.sep in checked_name(name.decode(), path):
        raise ValueError(f"{path}: names a file in another folder")
    pixels, stop = path.parent / name.decode(), start + len(table) * math.prod(patch_shape)
    if pixels.stat().st_size < stop:
        raise ValueError(f"{pixels}: lacks patches of {path}")
    return Shard(
        pixels,
        start,
        stop,
        np.frombuffer(frames, dtype=np.int64).reshape(-1, 3),
        [(str(image), str(reason)) for image, reason in json.loads(skipped)],
        table,
        np.frombuffer(masks, dtype=np.uint8),
        [str(source) for source in json.loads(sources)],
    )


def append_pixels(shard: Shard, file: IO[bytes]) -> None:
    """Append a shard's patches to a file, a little at a time."""
    buffer = memoryview(bytearray(1 << 20))
    with shard.pixels.open("rb", buffering=0) as pixels:
        left = shard.stop - pixels.seek(shard.start)
        while left and (count := pixels.readinto(buffer[:left])):
            file.write(buffer[:count])
            left -= count
