"""PatchStore: patches cut once, kept on disk, read memory-mapped by index."""

import filecmp
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.io.files import write_json
from objdisc.io.hashing import digest
from objdisc.io.paths import checked_name
from objdisc.io.staging import settle, staged
from objdisc.io.stamps import Stamps, edges
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.building import IMAGES, MANIFEST, MASKS, ROWS, SOURCES, finish_shards, join_shards
from objdisc.patches.folder import build_folder
from objdisc.patches.shards import FORMAT_VERSION, CutJob
from objdisc.patches.windows import PatchOptions
from objdisc.types import Patch, Region, RunLengthMask

_READ = (3, FORMAT_VERSION)  # 3: of version 0.1, whose manifest tells the files by one hash alone
_REPORTED = 10  # skipped images that are named one by one on the terminal; all are in the manifest

log = logging.getLogger("objdisc")


class PatchStore:
    """All patches of one split, cut once: a folder of four files.

    ``images.npy`` ``(N, S, S, C + 1)`` uint8 (image channels, mask), ``rows.npy`` (window, box, area, ... of each),
    ``masks.npy`` (run-length counts), and ``manifest.json`` (key, images, what was skipped); all of them appear
    together. If regions come from annotation files, ``sources.npy`` holds their ids there. Rows are in the order of the
    samples; for each image objects come first, then background.

    Attributes:
        folder: Where it lies.
        images: ``(N, S, S, C + 1)`` uint8, memory-mapped.
        foreground: ``(N,)`` bool, False for background patches.
        frames: ``Sample.name`` to ``(height, width)`` in pixels, for every image that could be read.
        skipped: ``(path, reason)`` of every image that was left out.
        outlines: Whether objects were cut along their outlines (ellipses for boxes), and not as whole windows.
        key: Name of the store's content; another key means other patches.
        stamps: What is known about the files that it was cut from; None for a store of version 0.1.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.key: str = manifest["key"]
        self.images: NDArray[np.uint8] = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
        self._rows: NDArray[np.void] = np.load(folder / ROWS, mmap_mode="r", allow_pickle=False)
        self._masks: NDArray[np.uint8] = np.load(folder / MASKS, mmap_mode="r", allow_pickle=False)
        self._mask_ends = np.cumsum(self._rows["mask_bytes"], dtype=np.int64)
        self.outlines: bool = manifest.get("outlines", len(self._masks) > 0)
        self._sources: NDArray[np.bytes_] | None = None
        if manifest.get("sources"):
            self._sources = np.load(folder / SOURCES, mmap_mode="r", allow_pickle=False)
        where = folder / MANIFEST
        self.stamps = Stamps.from_json(manifest["stamps"]) if "stamps" in manifest else None
        self._names: list[str] = [checked_name(name, where) for name in manifest["samples"]]
        sizes: dict[str, list[int]] = {checked_name(name, where): size for name, size in manifest["frames"].items()}
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
        keep: bool = False,
    ) -> "PatchStore":
        """Cut all patches of a data set, or reuse those that the folder already holds.

        A store is reused if settings and seed are the same, and name, size and time of every image and mask. If only
        their folder or a time differs, a hash of their first and last 64 kB decides. An outdated store stays until the
        new one is complete. An interrupted build continues where it stopped. The bytes do not depend on ``workers``.

        Args:
            dataset: The images.
            source: Where their regions come from.
            options: How patches are cut.
            folder: Folder of the store; an outdated store in it is replaced.
            seed: Random seed of the background windows, 0 or more.
            workers: Number of processes; 0 for this one alone.
            strict: Whether an unreadable image stops the build instead of being skipped.
            progress: Whether to draw a bar on stderr; None to draw it if stderr is a terminal.
            keep: Whether a store of other patches is an error instead of being replaced, because a model was trained on
                it.

        Raises:
            UsageError: The source cannot be used with the data set, no region was found in any image, or ``keep`` is
                set and the existing store holds other patches.
            UnreadableImageError: An image is unreadable, and ``strict`` is set.
            ObjdiscError: The disk is full, the folder cannot be written, or a worker died.
        """
        source.check(dataset)
        if strict:
            source.refuse_problems(dataset)
        job = CutJob(dataset, source, options, seed)
        with build_folder(folder):
            store = cls.find(job, folder)
            if store is None:
                store = _cut(job, folder, keep, workers=workers, strict=strict, progress=progress)
        _report_skipped(store.skipped, len(dataset.samples), strict, folder)
        return store

    @classmethod
    def find(cls, job: CutJob, folder: Path) -> "PatchStore | None":
        """Open a folder's store if it is the one that a job would cut; None if it is another one, missing or broken.

        Nothing is written.

        Raises:
            UsageError: A swap that was begun in the folder cannot be finished.
        """
        settle(folder)
        try:
            store = cls.open(folder)
        except UsageError:
            return None
        if store.stamps is None:
            return store if store.key == job.key_of_version_3() else None
        return store if store.stamps.is_met_by(job.stamps(), job.files()) else None

    @classmethod
    def open(cls, folder: Path) -> "PatchStore":
        """Open a store that was built before.

        Raises:
            UsageError: The folder holds no finished store, or one of another version.
        """
        settle(folder)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if manifest["format"] not in _READ:
                raise ValueError(f"format {manifest['format']}, expected {FORMAT_VERSION}")
            return cls(folder, manifest)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{folder}: no finished patch store ({error}); build it again.") from error

    def windows(self) -> str:
        """Return a hash of the images' names and of each patch's position: of what the rows stand for.

        It does not depend on where the images are, when they were written, or how patches are cut from windows.
        """
        fields = ("sample", "window", "box", "foreground")
        return digest([json.dumps(self._names), *(self._rows[field].tobytes() for field in fields)])

    @classmethod
    def renew(cls, job: CutJob, folder: Path) -> None:
        """Record where the files of a store lie now, so that the next call need not open them.

        Args:
            job: The job that the store was cut by.
            folder: Folder of the store, which was found to be that of the job.
        """
        store, now = cls.open(folder), job.stamps()
        if store.stamps is not None and (store.stamps.root, store.stamps.times) != (now.root, now.times):
            _write_manifest(store, {"stamps": replace(now, edges=store.stamps.edges).to_json()})

    @property
    def has_sources(self) -> bool:
        """Whether any region comes from an annotation file, in which it has an id."""
        return self._sources is not None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the path: a pickled memory map would carry every pixel."""
        return PatchStore.open, (self.folder,)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def size(self) -> int:
        """Side of a patch in pixels."""
        return int(self.images.shape[1])

    @property
    def patches(self) -> Sequence[Patch]:
        """All patches, without their pixels; each is made when it is accessed."""
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
        source = None if self._sources is None else self._sources[index].decode() or None
        score = float(row["score"])
        region = Region(tuple(box), int(row["area"]), mask, bool(row["foreground"]), score, source_id=source)
        return Patch(name, tuple(window), frame, region)


class _Patches(Sequence[Patch]):
    """The rows of a store as a sequence that holds no data itself."""

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


def _cut(job: CutJob, folder: Path, keep: bool, *, workers: int, strict: bool, progress: bool | None) -> PatchStore:
    """Cut a store beside the existing one, and replace that one."""
    old = _open_any(folder)
    if keep and old is not None and old.stamps is not None:
        raise UsageError(_changed(folder))
    plans = job.shards()
    key = digest(plan.key for plan in plans)
    shards = finish_shards(job, plans, folder, workers=workers, strict=strict, progress=progress)
    stamps = replace(job.stamps(), edges=[edges(path) for path in job.files()])
    with staged(folder) as new:
        join_shards(job, shards, new, key, stamps)
        if old is not None and old.stamps is None and _same_patches(old, PatchStore.open(new)):
            # version 0.1 knew files by their whole paths; what is known by its key goes on being of these patches
            _write_manifest(PatchStore.open(new), {"key": old.key})
        elif keep and old is not None:
            raise UsageError(_changed(folder))
    return PatchStore.open(folder)


def _changed(folder: Path) -> str:
    return (
        f"{folder}: images or masks have changed since something was learned from these patches, or the settings by "
        "which they are cut; begin a new run in another --output-dir."
    )


def _same_patches(one: PatchStore, other: PatchStore) -> bool:
    """Whether two stores hold the same bytes."""
    if one.windows() != other.windows() or one.frames != other.frames:
        return False
    return all(filecmp.cmp(one.folder / name, other.folder / name, shallow=False) for name in (ROWS, MASKS, IMAGES))


def _write_manifest(store: PatchStore, changes: Mapping[str, Any]) -> None:
    manifest = json.loads((store.folder / MANIFEST).read_text(encoding="utf-8"))
    write_json(store.folder / MANIFEST, {**manifest, **changes})


def _open_any(folder: Path) -> PatchStore | None:
    try:
        return PatchStore.open(folder)
    except UsageError:
        return None


def _report_skipped(skipped: Sequence[tuple[Path, str]], total: int, strict: bool, folder: Path) -> None:
    if not skipped:
        return
    if strict:
        raise UnreadableImageError(*skipped[0])
    for path, reason in skipped[:_REPORTED]:
        log.warning("skipped %s: %s", path, reason)
    log.warning("%d of %d images skipped; all are listed in %s", len(skipped), total, folder / MANIFEST)
