"""JSON files of any size: their keys from the beginning alone, and the items of a list one by one."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal

import ijson

from objdisc.errors import UsageError

_HEAD = 1 << 18  # bytes
_WORDS = (b'"image', b'"annotations"', b'"categories"', b'"segmentation"', b'"shapes"')  # of all formats, the least
_TAIL = 1 << 20
_CHUNK = 1 << 16
_MARGIN = 16  # bytes held back, so that no word is cut between two reads
# Python and others write these though JSON has no such numbers
_NO_NUMBER = re.compile(rb"(?<=[\s,:\[])-?(?:NaN|Infinity)(?=[\s,\]}])")


class _WithoutNaN:
    """A file as it is read, with ``null`` in place of NaN and infinities."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._held = file, b""

    def read(self, size: int = -1) -> bytes:
        """Return about ``size`` further bytes; empty only at the end."""
        if size == 0:
            return b""
        while True:
            chunk = self._file.read(_CHUNK if size < 0 else max(size, _CHUNK))
            data = self._held + chunk
            if b"NaN" in data or b"Infinity" in data:
                data = _NO_NUMBER.sub(b"null", data)
            cut = len(data) - _MARGIN if chunk else len(data)
            self._held = data[max(cut, 0) :]
            if (ready := data[: max(cut, 0)]) or not chunk:
                return ready


def items(path: Path, prefix: str) -> Iterator[Any]:
    """Stream the values at a place of a JSON file, each built whole.

    Args:
        path: The file; NaN is read as null.
        prefix: The place in ijson's notation, such as ``images.item``.

    Raises:
        UsageError: The file is damaged, cut off, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from ijson.items(_WithoutNaN(file), prefix, use_float=True)
    except ijson.JSONError as error:
        raise UsageError(f"{path}: not valid JSON ({_one_line(error)}); write or download it again.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); check the file.") from error


@dataclass(frozen=True, slots=True)
class Member:
    """A part of a JSON file, in the order of the file.

    Attributes:
        key: Key of the file's object; None if the file is a list.
        kind: ``value`` for a key's value, or ``start``, each ``item`` and ``end`` if that is a list.
        value: The value or the item, built whole.
    """

    key: str | None
    kind: Literal["value", "start", "item", "end"]
    value: Any = None


def members(path: Path) -> Iterator[Member]:
    """Stream a whole JSON file, with the items of each list that is the value of a key one by one.

    Args:
        path: The file, which holds an object or a list; NaN is read as null.

    Raises:
        UsageError: The file is damaged, cut off, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            events = ijson.basic_parse(_WithoutNaN(file), use_float=True)
            event, _ = next(events)
            if event == "start_array":
                yield from _listed(None, events)
                return
            for _, key in events:
                if key is None:
                    return
                event, value = next(events)
                if event == "start_array":
                    yield from _listed(key, events)
                else:
                    yield Member(key, "value", _built(event, value, events))
    except ijson.JSONError as error:
        raise UsageError(f"{path}: not valid JSON ({_one_line(error)}); write or download it again.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); check the file.") from error


def _listed(key: str | None, events: Iterator[tuple[str, Any]]) -> Iterator[Member]:
    yield Member(key, "start")
    for event, value in events:
        if event == "end_array":
            break
        yield Member(key, "item", _built(event, value, events))
    yield Member(key, "end")


def _built(event: str, value: Any, events: Iterator[tuple[str, Any]]) -> Any:
    """Build the value that begins with an event."""
    builder, depth = ijson.ObjectBuilder(), 0
    while True:
        builder.event(event, value)
        depth += event.startswith("start")
        depth -= event.startswith("end")
        if not depth:
            return builder.value
        event, value = next(events)


def head_keys(path: Path) -> frozenset[str]:
    """Return the places of all keys that the first 256 kB of a JSON file hold, such as ``images.item.id``.

    Empty if it is not a JSON file, cannot be read, or has none of the words that annotations of any format have: so
    looking through thousands of other files, such as the polygons of Cityscapes, costs next to nothing.
    """
    try:
        about = path.stat()
    except OSError:
        return frozenset()
    return _keys_of_head(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4096)
def _keys_of_head(path: Path, size: int, mtime_ns: int) -> frozenset[str]:
    """Parse the beginning of a file once for all formats and commands of a process, and again if it has changed."""
    keys: set[str] = set()
    with suppress(ijson.JSONError, OSError, UnicodeDecodeError), path.open("rb") as file:
        head = file.read(_HEAD)
        if not any(word in head for word in _WORDS):
            return frozenset()
        for prefix, event, value in ijson.parse(_WithoutNaN(BytesIO(head))):
            if event == "map_key":
                keys.add(f"{prefix}.{value}" if prefix else str(value))
    return frozenset(keys)


def has_word(path: Path, *words: str) -> bool:
    """Whether the first or the last megabyte of a file holds any of these words as a key."""
    try:
        with path.open("rb") as file:
            data = file.read(_TAIL)
            end = file.seek(0, 2)
            file.seek(max(end - _TAIL, 0))
            data += file.read(_TAIL)
    except OSError:
        return False
    return any(f'"{word}"'.encode() in data for word in words)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error.args[0] if error.args else error).split())
    return text if len(text) <= 120 else f"{text[:117]}..."
