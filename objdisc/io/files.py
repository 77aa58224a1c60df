"""Atomic writing of files, JSON and images: a file is written under a temporary name, and then renamed."""

import errno
import json
import math
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Write a file that appears under its name only when the block succeeds; missing folders are made.

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

    A file that a running process writes is locked by it, and stays. So does one that was changed a moment ago: a file
    is not locked between opening and locking, nor between closing and renaming.
    """
    for file in folder.rglob(_TEMPORARY.format("*")):
        with suppress(OSError):  # gone by itself, not ours to remove, or held
            if time.time() - file.stat().st_mtime < _MOMENT:
                continue
            with file.open("ab") as held:
                _hold(held, wait=False)
                file.unlink()


def is_leftover(path: Path) -> bool:
    """Whether a file bears the name of one that is, or was, being written."""
    return path.match(_TEMPORARY.format("*"))


def _hold(file: IO[Any], *, wait: bool = True) -> None:
    """Lock a file until it is closed or its process ends; on Windows nobody can remove an open file anyway.

    The file itself is locked, without a second file beside it; filelock cannot do this.

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
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid JSON ({error}); delete it and run the command that writes it.") from error
    if not isinstance(value, dict):
        raise UsageError(
            f"{path}: holds a JSON {type(value).__name__}, expected an object; run the command that writes it."
        )
    return value


def write_image(path: Path, image: NDArray[np.uint8 | np.uint16], *, jpeg_quality: int = 90) -> None:
    """Write a picture atomically; the name may hold any characters.

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
