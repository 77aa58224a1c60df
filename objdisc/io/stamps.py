"""Whether files are still those that something was made from, even if they have moved."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from objdisc.io.hashing import digest

_EDGE = 1 << 16  # bytes at either end that are hashed: headers and what compression made of all pixels

MISSING = (-1, -1)


def stamp(path: Path) -> tuple[int, int]:
    """Return size in bytes and time of change in nanoseconds; ``MISSING`` if the file cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return MISSING
    return status.st_size, status.st_mtime_ns


def relative_name(path: Path, root: Path) -> str:
    """Return a file's path relative to the folder of its data set, with ``/`` between folders."""
    whole, start = os.path.abspath(path), os.path.join(os.path.abspath(root), "")
    # relpath takes both names apart, which is felt where it is asked for every file
    inside = whole[len(start) :] if whole.startswith(start) else os.path.relpath(whole, start)
    return inside.replace(os.sep, "/")


def edges(path: Path) -> str:
    """Return a hash of a file's size and its first and last 64 kB; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            first = last = file.read(_EDGE)
            if size > _EDGE:
                file.seek(size - _EDGE)
                last = file.read(_EDGE)
            return digest([str(size), first, last])
    except OSError:
        return ""


@dataclass(frozen=True)
class Stamps:
    """What is known about the files that something was made from.

    Attributes:
        root: Folder of the data set, absolute.
        content: Hash of the settings, and of the names and sizes of all files.
        times: Time of change of each file, in nanoseconds.
        edges: ``edges`` of each file; empty as long as they have not been asked for.
    """

    root: str
    content: str
    times: Sequence[int]
    edges: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the values that ``from_json`` takes."""
        return {"root": self.root, "content": self.content, "times": list(self.times), "edges": list(self.edges)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` gave.

        Raises:
            KeyError: A value is missing.
        """
        return cls(str(values["root"]), str(values["content"]), list(values["times"]), list(values["edges"]))

    def is_met_by(self, now: "Stamps", files: Sequence[Path]) -> bool:
        """Whether files are those of these stamps; they are if only the folder or a time differs.

        Args:
            now: Stamps of the files as they are, without edges.
            files: The files, in the order of the stamps.
        """
        if self.content != now.content or not len(self.times) == len(self.edges) == len(files):
            return False
        moved = self.root != now.root
        doubtful = [index for index in range(len(files)) if moved or self.times[index] != now.times[index]]
        return all(edges(files[index]) == self.edges[index] for index in doubtful)
