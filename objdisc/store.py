"""PatchStore: patches cut once, kept on disk, read memory-mapped by index."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
from numpy.typing import NDArray

from objdisc.building import locked, write_shards
from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches import PatchOptions
from objdisc.run import atomic_write, write_json
from objdisc.shards import FORMAT_VERSION, ROW, CutJob, Shard, ShardPlan, read_shard
from objdisc.types import Patch, Region, RunLengthMask

_MANIFEST, _IMAGES, _ROWS, _MASKS, _SHARDS = "manifest.json", "images.npy", "rows.npy", "masks.npy", "shards"
_REPORTED = 10  # skipped images that are named one by one on the terminal; all are in the manifest

log = logging.getLogger("objdisc")


class PatchStore:
    """All patches of one split, cut once: a folder of four files.

    ``images.npy`` ``(N, S, S, 4)`` uint8 (RGB and mask), ``rows.npy`` (window, box, area, ... of each),
    ``masks.npy`` (run-length counts), and ``manifest.json`` (key, images, what was skipped), written last: without it
    the other files are not trusted. Rows are in the order of the samples; per image objects first, then background.

    Attributes:
        folder: Where it lies.
        images: ``(N, S, S, 4)`` uint8, memory-mapped.
        foreground: ``(N,)`` bool, False for background patches.
        frames: ``Sample.name`` to ``(height, width)`` in pixels, for every image that could be read.
        skipped: ``(path, reason)`` of every image that was left out.
        key: Hash of what the store was built from; another key means other patches.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.key: str = manifest["key"]
        self.images: NDArray[np.uint8] = np.load(folder / _IMAGES, mmap_mode="r", allow_pickle=False)
        self._rows: NDArray[np.void] = np.load(folder / _ROWS, mmap_mode="r", allow_pickle=False)
        self._masks: NDArray[np.uint8] = np.load(folder / _MASKS, mmap_mode="r", allow_pickle=False)
        self._mask_ends = np.cumsum(self._rows["mask_bytes"], dtype=np.int64)
        self._names: list[str] = manifest["samples"]
        sizes: dict[str, list[int]] = manifest["frames"]
        self.frames: dict[str, tuple[int, int]] = {name: (height, width) for name, (height, width) in sizes.items()}
        self.foreground: NDArray[np.bool_] = np.array(self._rows["foreground"])
        self.skipped: list[tuple[Path, str]] = [(Path(path), reason) for path, reason in manifest["skipped"]]
        if not len(self.images) == len(self._rows) == manifest["patches"]:
            raise ValueError(f"{folder}: its files do not belong together")

    @classmethod
    def build(
        cls,
        dataset: ImageDataset,
        source: ObjectnessSource,
        options: PatchOptions,
        folder: Path,
        *,
        seed: int = 0,
        workers: int = 2,
        strict: bool = False,
        progress: bool | None = None,
    ) -> "PatchStore":
        """Cut all patches of a data set, or take those that the folder already holds.

        A store is reused when settings, seed, and the path, size and time of every image and mask are the same. An
        interrupted build goes on where it stopped. The bytes do not depend on ``workers``.

        Args:
            dataset: The images.
            source: Where their regions come from.
            options: How patches are cut.
            folder: Where the store goes; a store there that is out of date is replaced.
            seed: Of the background windows, 0 or more.
            workers: Processes; 0 for this one alone.
            strict: Whether an unreadable image stops the build instead of being skipped.
            progress: Whether to draw a bar on stderr; None: if that is a terminal.

        Raises:
            UsageError: The data set cannot serve the source, or no region was found in any image.
            UnreadableImageError: An image is unreadable, and ``strict``.
            ObjdiscError: The disk is full, the folder cannot be written, or a worker died.
        """
        source.check(dataset)
        job = CutJob(dataset, source, options, seed)
        plans = job.shards()
        key = hashlib.blake2b("".join(plan.key for plan in plans).encode(), digest_size=16).hexdigest()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be made ({error.strerror}); choose another --output-dir.") from error
        with locked(folder):
            store = _open_if(folder, key)
            if store is None:
                shards = _finish_shards(job, plans, folder, workers=workers, strict=strict, progress=progress)
                _assemble(job, shards, folder, key)
                store = cls.open(folder)
        _report_skipped(store.skipped, len(dataset.samples), strict, folder)
        return store

    @classmethod
    def open(cls, folder: Path) -> "PatchStore":
        """Open a store that was built before.

        Raises:
            UsageError: The folder holds no finished store, or one of another version.
        """
        try:
            manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT_VERSION:
                raise ValueError(f"format {manifest['format']}, expected {FORMAT_VERSION}")
            return cls(folder, manifest)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{folder}: no finished patch store ({error}); build it again.") from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes as a path: a pickled memory map would carry every pixel."""
        return PatchStore.open, (self.folder,)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def size(self) -> int:
        """Side of a patch in pixels."""
        return int(self.images.shape[1])

    @property
    def patches(self) -> Sequence[Patch]:
        """All patches, without their pixels; each is made when it is asked for."""
        return _Patches(self)

    def patch(self, index: int) -> Patch:
        """Return where a row comes from.

        Raises:
            IndexError: There is no such row.
        """
        row = self._rows[index]
        name = self._names[int(row["sample"])]
        frame = self.frames[name]
        box, window = row["box"].tolist(), row["window"].tolist()
        mask: RunLengthMask | None = None
        if length := int(row["mask_bytes"]):
            stop = int(self._mask_ends[index])
            counts = self._masks[stop - length : stop].tobytes().decode("ascii")
            mask = {"size": list(frame), "counts": counts}
        region = Region(tuple(box), int(row["area"]), mask, bool(row["foreground"]), float(row["score"]))
        return Patch(name, tuple(window), frame, region)


class _Patches(Sequence[Patch]):
    """The rows of a store as a sequence that holds nothing itself."""

    def __init__(self, store: PatchStore) -> None:
        self._store = store

    def __len__(self) -> int:
        return len(self._store)

    @overload
    def __getitem__(self, index: int) -> Patch: ...
    @overload
    def __getitem__(self, index: slice) -> list[Patch]: ...
    def __getitem__(self, index: int | slice) -> Patch | list[Patch]:
        if isinstance(index, slice):
            return [self._store.patch(row) for row in range(*index.indices(len(self)))]
        return self._store.patch(index)


def _open_if(folder: Path, key: str) -> PatchStore | None:
    """Open the folder's store if it has this key; None if it is another one, none, or broken."""
    try:
        store = PatchStore.open(folder)
    except UsageError:
        return None
    return store if store.key == key else None


def _finish_shards(
    job: CutJob, plans: Sequence[ShardPlan], folder: Path, *, workers: int, strict: bool, progress: bool | None
) -> list[Path]:
    """Write the shards that an earlier, interrupted build has not; return all of them in the samples' order."""
    shard_folder = folder / _SHARDS
    shard_folder.mkdir(exist_ok=True)
    wanted = {plan.file_name for plan in plans}
    for leftover in [*folder.glob(".objdisc-*.tmp"), *shard_folder.iterdir()]:
        if leftover.name not in wanted or not _is_whole(leftover, job.options.size):
            leftover.unlink()
    missing = [plan for plan in plans if not (shard_folder / plan.file_name).exists()]
    if len(missing) < len(plans):
        log.info(
            "%s: %d of %d shards are there from an interrupted build", folder, len(plans) - len(missing), len(plans)
        )
    for path in write_shards(job, missing, shard_folder, workers=workers, progress=progress):
        skipped = read_shard(path, job.options.size).skipped if strict else []
        if skipped:
            raise UnreadableImageError(Path(skipped[0][0]), skipped[0][1])
    return [shard_folder / plan.file_name for plan in plans]


def _is_whole(path: Path, size: int) -> bool:
    try:
        read_shard(path, size)
    except (OSError, ValueError):
        return False
    return True


def _assemble(job: CutJob, paths: Sequence[Path], folder: Path, key: str) -> None:
    """Join the shards to one store, streaming, the manifest last; then drop them."""
    size, samples = job.options.size, job.dataset.samples
    frames: dict[str, list[int]] = {}
    skipped: list[tuple[str, str]] = []
    num_patches = num_objects = num_mask_bytes = 0
    for shard in _read_all(paths, size):
        frames |= {samples[index].name: [height, width] for index, height, width in shard.frames.tolist()}
        skipped += shard.skipped
        num_patches += len(shard.rows)
        num_objects += int(np.count_nonzero(shard.rows["foreground"]))
        num_mask_bytes += len(shard.masks)
    if num_objects == 0:
        raise UsageError(_nothing_found(job, skipped))
    (folder / _MANIFEST).unlink(missing_ok=True)
    with atomic_write(folder / _ROWS, "wb") as file:
        _write_header(file, ROW, (num_patches,))
        for shard in _read_all(paths, size):
            file.write(shard.rows.tobytes())
    with atomic_write(folder / _MASKS, "wb") as file:
        _write_header(file, np.dtype(np.uint8), (num_mask_bytes,))
        for shard in _read_all(paths, size):
            file.write(shard.masks.tobytes())
    with atomic_write(folder / _IMAGES, "wb") as file:
        _write_header(file, np.dtype(np.uint8), (num_patches, size, size, 4))
        for shard in _read_all(paths, size):
            with shard.path.open("rb") as pixels:
                pixels.seek(shard.pixels_at)
                shutil.copyfileobj(pixels, file, 1 << 18)
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
    }
    write_json(folder / _MANIFEST, manifest)
    shutil.rmtree(folder / _SHARDS)


def _read_all(paths: Sequence[Path], size: int) -> Iterator[Shard]:
    return (read_shard(path, size) for path in paths)


def _write_header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Begin a ``.npy`` file whose content follows in pieces: ``np.save`` would want all of it in memory."""
    header = {"descr": dtype.descr if dtype.names else dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]


def _nothing_found(job: CutJob, skipped: Sequence[tuple[str, str]]) -> str:
    dataset, count = job.dataset, len(job.dataset.samples)
    where = f"{dataset.root} {dataset.split}".rstrip()
    if len(skipped) == count:
        return f"{where}: none of {count} images can be used; the first: {skipped[0][0]}: {skipped[0][1]}"
    reason = f"{where}: no object in {count} images ({len(skipped)} skipped)"
    if job.source.outlines:
        return f"{reason} with at least {job.options.min_area} pixels; lower --patches.min-area or choose another --objectness."
    return f"{reason}; choose another --objectness, or check which classes are named as foreground."


def _report_skipped(skipped: Sequence[tuple[Path, str]], total: int, strict: bool, folder: Path) -> None:
    if not skipped:
        return
    if strict:
        raise UnreadableImageError(*skipped[0])
    for path, reason in skipped[:_REPORTED]:
        log.warning("skipped %s: %s", path, reason)
    log.warning("%d of %d images skipped; all are listed in %s", len(skipped), total, folder / _MANIFEST)
