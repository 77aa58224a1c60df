"""PatchStore: patches cut once, kept on disk, read memory-mapped by index."""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from objdisc.building import finish_shards, locked
from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.joining import IMAGES, MANIFEST, MASKS, ROWS, join_shards
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches import PatchOptions
from objdisc.shards import FORMAT_VERSION, CutJob
from objdisc.types import Patch, Region, RunLengthMask

_REPORTED = 10  # skipped images that are named one by one on the terminal; all are in the manifest

log = logging.getLogger("objdisc")


class PatchStore:
    """All patches of one split, cut once: a folder of four files.

    ``images.npy`` ``(N, S, S, C + 1)`` uint8 (image channels, mask), ``rows.npy`` (window, box, area, ... of each),
    ``masks.npy`` (run-length counts), and ``manifest.json`` (key, images, what was skipped), written last: without it
    the other files are not trusted. Rows are in the order of the samples; per image objects first, then background.

    Attributes:
        folder: Where it lies.
        images: ``(N, S, S, C + 1)`` uint8, memory-mapped.
        foreground: ``(N,)`` bool, False for background patches.
        frames: ``Sample.name`` to ``(height, width)`` in pixels, for every image that could be read.
        skipped: ``(path, reason)`` of every image that was left out.
        key: Hash of what the store was built from; another key means other patches.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.key: str = manifest["key"]
        self.images: NDArray[np.uint8] = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
        self._rows: NDArray[np.void] = np.load(folder / ROWS, mmap_mode="r", allow_pickle=False)
        self._masks: NDArray[np.uint8] = np.load(folder / MASKS, mmap_mode="r", allow_pickle=False)
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
                shards = finish_shards(job, plans, folder, workers=workers, strict=strict, progress=progress)
                join_shards(job, shards, folder, key)
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
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
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


def _report_skipped(skipped: Sequence[tuple[Path, str]], total: int, strict: bool, folder: Path) -> None:
    if not skipped:
        return
    if strict:
        raise UnreadableImageError(*skipped[0])
    for path, reason in skipped[:_REPORTED]:
        log.warning("skipped %s: %s", path, reason)
    log.warning("%d of %d images skipped; all are listed in %s", len(skipped), total, folder / MANIFEST)
