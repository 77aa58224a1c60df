"""Finding annotation files: which format a file is of, by its content, and which files lie in and beside a folder."""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from objdisc.annotations.base import AnnotationFormat
from objdisc.annotations.boxes import Boxes
from objdisc.annotations.coco import Coco
from objdisc.annotations.labelme import Labelme
from objdisc.annotations.megadetector import Megadetector
from objdisc.annotations.sam_json import SamJson
from objdisc.annotations.yolo import Yolo
from objdisc.errors import UsageError
from objdisc.io.marks import is_marked

FORMATS: tuple[type[AnnotationFormat], ...] = (Coco, SamJson, Labelme, Megadetector, Yolo, Boxes)
"""All known formats; of two that may fit the same folder, the more exact comes first."""

_DEPTH = 4  # folders below the one that is given
_FOLDERS = 2000  # that are looked into where nobody has named one
_TRIED = 5  # files of a folder that are looked into, of each suffix
_SUFFIXES = frozenset(suffix for kind in FORMATS for suffix in kind.suffixes)
_NEIGHBOURS = ("annotations", "labels", "masks")  # folders beside one of images


@dataclass(frozen=True)
class AnnotationFiles:
    """Files of one format that belong together.

    Attributes:
        format: Their format.
        folder: Folder in or below which they lie.
        paths: The files, sorted.
    """

    format: type[AnnotationFormat]
    folder: Path
    paths: tuple[Path, ...]

    def __str__(self) -> str:
        first = os.path.relpath(self.paths[0], self.folder)
        where = (
            f"{self.folder / first}"
            if len(self.paths) == 1
            else f"{len(self.paths)} files such as {first} in {self.folder}"
        )
        return f"{self.format.title}, {where}"


def format_of(path: Path) -> type[AnnotationFormat] | None:
    """Return the format of a file; None if it is unknown."""
    suffix = path.suffix.lower()
    return next((kind for kind in FORMATS if suffix in kind.suffixes and kind.recognises(path)), None)


def files_at(path: Path) -> tuple[AnnotationFiles, ...]:
    """Find the annotations that a path means.

    Args:
        path: A file, or a folder with files at any depth.

    Returns:
        The files of each format found, in the order of ``FORMATS``.

    Raises:
        UsageError: There is no such path, or nothing in it has a known format.
    """
    found: tuple[AnnotationFiles, ...] = ()
    if path.is_file():
        if (kind := format_of(path)) is not None:
            found = (AnnotationFiles(kind, path.parent, (path,)),)
    elif path.is_dir():
        found = _files_below(path)
    else:
        raise UsageError(f"{path}: no such file or folder; check --annotations.")
    if not found:
        looked = ", ".join(kind.title for kind in FORMATS)
        raise UsageError(f"{path}: no annotations of a known format; looked for {looked} (--annotations).")
    return found


def files_beside(folder: Path) -> tuple[AnnotationFiles, ...]:
    """Find annotations in a folder of images or, if there are none, beside it; quickly, and without raising errors."""
    found = _files_below(folder)
    if found:
        return found
    near = [folder.parent / name for name in _NEIGHBOURS]
    joined = [each for path in near if path.is_dir() and path != folder for each in _files_below(path)]
    for suffix in sorted(_SUFFIXES):
        path = folder.parent / f"{folder.name}{suffix}"
        if path.is_file() and (kind := format_of(path)) is not None:
            joined.append(AnnotationFiles(kind, path.parent, (path,)))
    first: dict[type[AnnotationFormat], AnnotationFiles] = {}
    for each in joined:
        first.setdefault(each.format, each)
    return tuple(first[kind] for kind in FORMATS if kind in first)


def _files_below(top: Path) -> tuple[AnnotationFiles, ...]:
    found: dict[type[AnnotationFormat], list[Path]] = defaultdict(list)
    for paths in _groups(top):
        _sort_out(paths, found)
    return tuple(AnnotationFiles(kind, top, _of_instances(found[kind])) for kind in FORMATS if found[kind])


def _groups(top: Path) -> Iterator[list[Path]]:
    """Yield the files of each folder that may be annotations, by suffix, without those that this program wrote."""
    waiting, seen = [(top, 0)], 0
    while waiting and seen < _FOLDERS:
        folder, depth = waiting.pop(0)
        seen += 1
        groups: dict[str, list[Path]] = defaultdict(list)
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    suffix = os.path.splitext(entry.name)[1].lower()
                    if entry.name.startswith("."):
                        continue
                    if suffix in _SUFFIXES and entry.is_file():
                        groups[suffix].append(Path(entry.path))
                    elif depth < _DEPTH and entry.is_dir() and not is_marked(Path(entry.path)):
                        waiting.append((Path(entry.path), depth + 1))
        except OSError:
            continue
        yield from groups.values()


def _sort_out(paths: list[Path], found: dict[type[AnnotationFormat], list[Path]]) -> None:
    """Look into files of one folder: all if they are few; if each image has its own, a few stand for the rest."""
    kinds = [format_of(path) for path in paths[:_TRIED]]
    own = next((kind for kind in kinds if kind is not None and kind.one_per_image), None)
    for position, path in enumerate(paths):
        kind = kinds[position] if position < _TRIED else own
        if own is not None and kind is None and not path.stat().st_size:
            kind = own  # an image without any object
        if kind is not None:
            found[kind].append(path)
    if own is None:
        for path in paths[_TRIED : 10 * _TRIED]:
            if (kind := format_of(path)) is not None:
                found[kind].append(path)


def _of_instances(paths: list[Path]) -> tuple[Path, ...]:
    """Leave out other files of COCO's downloads: keypoints and captions of the same images."""
    instances = [path for path in paths if path.name.startswith("instances")]
    return tuple(sorted(instances or paths))
