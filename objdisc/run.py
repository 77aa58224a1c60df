"""A run on disk: its files by name, and writes that are either complete or absent."""

import errno
import json
import math
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.errors import ObjdiscError, UsageError

if sys.platform != "win32":
    import fcntl

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_TEMPORARY = ".objdisc-{}.tmp"  # name of a file that is being written
_MOMENT = 10.0  # seconds


@dataclass(frozen=True)
class Run:
    """The folder ``runs/<name>/`` that one run writes; every property is a path inside it.

    A path being listed here does not mean that the file exists yet.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Run":
        """Make the folder, or take the one that is there: files of an earlier run stay until they are replaced.

        What a killed run left half written in it is removed.

        Raises:
            UsageError: The path is a file, or the folder cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(f"{path}: not a folder; give another --output-dir.") from error
        except OSError as error:
            raise UsageError(f"{path}: cannot be made ({error.strerror}); give another --output-dir.") from error
        remove_leftovers(path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Take a folder that a run has written.

        Raises:
            UsageError: The folder is missing or holds no run.
        """
        run = cls(path)
        if not path.is_dir():
            raise UsageError(f"{path}: no such folder; give the folder of a run, such as runs/<name>.")
        if not run.config.is_file():
            raise UsageError(f"{path}: not a run, it has no config.yaml; give a folder that train or discover wrote.")
        return run

    def clear_answers(self) -> None:
        """Remove the maps and pictures of an earlier run in this folder: mixed with newer ones, they would mislead."""
        maps = (self.cluster_ids, self.label_ids, self.color)
        for folder in (*maps, self.overlays, self.retrieval, self.index, self.export):
            shutil.rmtree(folder, ignore_errors=True)
        counts = (self.cluster_counts_csv, self.cluster_counts_json)
        for file in (
            self.metrics,
            *counts,
            self.prototypes,
            self.confusion,
            self.clusters_csv,
            self.epochs_csv,
            self.centers,
            self.report,
        ):
            file.unlink(missing_ok=True)

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def metrics_log(self) -> Path:
        """What training logged: one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def metrics(self) -> Path:
        """The evaluation's numbers."""
        return self.path / "metrics.json"

    @property
    def assignments(self) -> Path:
        """Folder of the clusters that a method learned from, one file an epoch."""
        return self.path / "assignments"

    def assignments_of(self, epoch: int) -> Path:
        """``(N,)`` int32 cluster of each patch of the training split in an epoch, from 1; -1 for none."""
        return self.assignments / f"epoch_{epoch:05}.npy"

    @property
    def epochs_csv(self) -> Path:
        """How each epoch's clusters agree with those before and with the classes."""
        return self.path / "epochs.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of training states, for ``--resume``."""
        return self.path / "checkpoints"

    @property
    def stages(self) -> Path:
        """Folder of the runs that this one started from, where it is the last of a chain."""
        return self.path / "stages"

    @property
    def weights(self) -> Path:
        """Weights of the last epoch."""
        return self.path / "weights.safetensors"

    @property
    def patches(self) -> Path:
        """Folder of patch stores, one subfolder a split."""
        return self.path / "patches"

    @property
    def cluster_counts_csv(self) -> Path:
        """Class x cluster counts as a table."""
        return self.path / "cluster_counts.csv"

    @property
    def cluster_counts_json(self) -> Path:
        """Class x cluster counts for programs."""
        return self.path / "cluster_counts.json"

    @property
    def clusters_csv(self) -> Path:
        """Which image and box went to which cluster: one line a patch."""
        return self.path / "clusters.csv"

    @property
    def cluster_ids(self) -> Path:
        """Folder of cluster id maps."""
        return self.path / "clusterIds"

    @property
    def label_ids(self) -> Path:
        """Folder of Cityscapes labelIds maps and nothing else: the official evaluator searches it recursively."""
        return self.path / "labelIds"

    @property
    def color(self) -> Path:
        """Folder of coloured label maps."""
        return self.path / "color"

    @property
    def overlays(self) -> Path:
        """Folder of frames with the clusters drawn over them."""
        return self.path / "overlays"

    @property
    def retrieval(self) -> Path:
        """Folder of retrieval sheets, one a cluster."""
        return self.path / "retrieval"

    @property
    def prototypes(self) -> Path:
        """Picture of the patch that stands for each cluster."""
        return self.path / "prototypes.png"

    @property
    def confusion(self) -> Path:
        """Picture of the class x cluster counts."""
        return self.path / "confusion.png"

    @property
    def index(self) -> Path:
        """Folder of embeddings and clusters of the answered split's patches, for searches and exports."""
        return self.path / "index"

    @property
    def export(self) -> Path:
        """Folder of what the run gives other programs."""
        return self.path / "export"

    @property
    def centers(self) -> Path:
        """Cluster centres of the training objects, and how far these lie from them."""
        return self.path / "centers.safetensors"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.path / "report.html"


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Write a file that appears under its name only when the block ends well; missing folders are made.

    Args:
        path: The file to write.
        mode: ``"w"`` for UTF-8 text (line ends as written, so ``csv`` needs nothing more) or ``"wb"``.

    Yields:
        The open file, under a temporary name in the same folder.

    Raises:
        ObjdiscError: The disk is full, or the folder does not allow the write.
    """
    if mode not in {"w", "wb"}:
        raise ValueError(f"mode is {mode!r}; a new file is written whole, with 'w' or 'wb'")
    temporary = path.parent / _TEMPORARY.format(secrets.token_hex(6))
    text: dict[str, Any] = {"encoding": "utf-8", "newline": "\n"} if mode == "w" else {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open(mode, **text)
    except OSError as error:
        raise write_failed(path, error) from error
    try:
        try:
            with file:
                _hold(file)
                yield file
        except OSError as error:
            # Other errors may come from whatever the block reads; only a full disk is surely this file's.
            if error.errno in _DISK_FULL:
                raise write_failed(path, error) from error
            raise
        try:
            os.replace(temporary, path)
        except OSError as error:
            raise write_failed(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder and below.

    A file that a living process writes holds that process's lock, and stays. So does one touched a moment ago: between
    its opening and its lock, and between its closing and its new name, a file is not held.
    """
    for file in folder.rglob(_TEMPORARY.format("*")):
        with suppress(OSError):  # gone by itself, not ours to remove, or held
            if time.time() - file.stat().st_mtime < _MOMENT:
                continue
            with file.open("ab") as held:
                _hold(held, wait=False)
                file.unlink()


def _hold(file: IO[Any], *, wait: bool = True) -> None:
    """Lock a file until it is closed or its process ends; Windows lets nobody remove an open file in any case.

    Raises:
        OSError: Another process holds it, and ``wait`` is False.
    """
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if not wait:  # a writer does without where the file system knows no locks: then nobody can take one either
            raise


def write_failed(path: Path, error: OSError) -> ObjdiscError:
    """Return the error that says why a file could not be written, and what to do."""
    if error.errno in _DISK_FULL:
        return ObjdiscError(
            f"No space left on the disk while writing {path}; free some, or give an --output-dir on another disk."
        )
    return ObjdiscError(f"{path}: cannot be written ({error.strerror}); give an --output-dir that you may write to.")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically.

    Args:
        path: The file.
        value: Nested mappings, sequences, numpy arrays and scalars, paths; NaN and infinities become null,
            because no other JSON reader takes them.
    """
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text + "\n")


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        UsageError: The file is missing or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file; run the command that writes it again.") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON ({error}); delete it and run the command that writes it.") from error
    if not isinstance(value, dict):
        raise UsageError(
            f"{path}: holds a JSON {type(value).__name__}, expected an object; run the command that writes it."
        )
    return value


def read_metrics_log(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``; a last line that a killed run left half written is passed over.

    Returns:
        One dictionary a line, in order; empty where there is no such file.
    """
    if not path.is_file():
        return []
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def write_image(path: Path, image: NDArray[np.uint8 | np.uint16], *, jpeg_quality: int = 90) -> None:
    """Write a picture atomically; the name may hold any letters.

    Args:
        path: ``.png``, ``.jpg`` or ``.jpeg`` file.
        image: ``(H, W, 3)`` uint8 RGB, or ``(H, W)`` uint8 or uint16 for one channel.
        jpeg_quality: 0 to 100, for JPEG only.
    """
    data = encode_image(image, path.suffix, jpeg_quality=jpeg_quality)
    with atomic_write(path, "wb") as file:
        file.write(data)


def encode_image(image: NDArray[np.uint8 | np.uint16], suffix: str, *, jpeg_quality: int = 90) -> bytes:
    """Encode a picture in memory; see ``write_image`` for the arguments.

    Raises:
        ValueError: OpenCV cannot write such a file.
    """
    channels_last = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    parameters = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if suffix.lower() in {".jpg", ".jpeg"} else []
    try:
        done, data = cv2.imencode(suffix.lower(), channels_last, parameters)
    except cv2.error as error:
        raise ValueError(f"no picture of shape {image.shape} can be written as {suffix!r}; use .png or .jpg") from error
    if not done:
        raise ValueError(f"no picture of shape {image.shape} can be written as {suffix!r}; use .png or .jpg")
    return bytes(data)
