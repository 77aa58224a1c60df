"""YOLO's text files: a line an object, class number first, then a box or a polygon in shares of the image's sides.

The format is that of https://docs.ultralytics.com/datasets/segment/ and /detect/; an extra last number is a confidence.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import yaml

from objdisc.annotations.base import (
    AnnotationFormat,
    ImageRecord,
    ObjectRecord,
    Problem,
    Record,
    Shape,
    number_or_none,
    score_or_none,
)
from objdisc.errors import UsageError

_HEAD = 1 << 16  # characters
_LEVELS = 3  # folders above the text files in which class names are looked for
_NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "class_names.txt")
_NO_OBJECT = "a line that is no box or polygon (left out)"
_LARGEST_SHARE = 2.0


class Yolo(AnnotationFormat):
    """One text file an image; the names of the classes are in a YAML file or a list above."""

    name: ClassVar[str] = "yolo"
    title: ClassVar[str] = "YOLO text files"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    one_per_image: ClassVar[bool] = True

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether its first line is a class number and shares of a box or a polygon."""
        with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
            line = next((line for line in file.read(_HEAD).splitlines() if line.strip()), "")
            parsed = parse_line(line)
            return parsed is not None and all(abs(value) <= _LARGEST_SHARE for value in parsed[1])
        return False

    @classmethod
    def records(cls, path: Path) -> Iterator[Record]:
        """Stream the lines; an object is identified by the number of its line, from 0."""
        if path.name in _NAME_LISTS:
            return
        yield ImageRecord("", path.stem)
        names = names_of(path)
        for number, line in enumerate(lines_of(path)):
            if not line.strip():
                continue
            parsed = parse_line(line)
            if parsed is None:
                yield Problem(_NO_OBJECT, f"{path.name}: line {number + 1}")
                continue
            label, values, score = parsed
            yield ObjectRecord("", str(number), _shape(values), score, names.get(label, f"class {label}"))

    @classmethod
    def beside(cls, path: Path) -> tuple[Path, ...]:
        """Return the file that names the classes, if there is one."""
        found = names_file(path.parent)
        return () if found is None else (found,)


def lines_of(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); check the file.") from error


def parse_line(line: str) -> tuple[int, list[float], float | None] | None:
    """Read a line: class number, the coordinates of a box (4) or of a polygon (6 or more), and a confidence.

    Returns:
        The values; None if the line has no such form.
    """
    numbers = [number_or_none(word) for word in line.split()]
    if len(numbers) < 5 or None in numbers:
        return None
    label, *values = [number for number in numbers if number is not None]
    if label != int(label) or label < 0:
        return None
    score = None
    if len(values) % 2:  # coordinates come in pairs, so that the last one is the confidence
        score = score_or_none(values.pop())
    return int(label), values, score


def _shape(values: Sequence[float]) -> Shape:
    if len(values) > 4:
        return Shape("polygons", [list(values)], shares=True)
    x, y, width, height = values
    return Shape("box", [x - width / 2, y - height / 2, x + width / 2, y + height / 2], shares=True)


@lru_cache(maxsize=4096)
def names_file(folder: Path) -> Path | None:
    """Find the file that names the classes of text files in a folder: in it or in one of three folders above."""
    for each in (folder, *folder.parents[:_LEVELS]):
        for path in [*sorted(each.glob("*.yaml")), *sorted(each.glob("*.yml"))]:
            if _yaml_names(path):
                return path
        for name in _NAME_LISTS:
            if (each / name).is_file():
                return each / name
    return None


def names_of(path: Path) -> Mapping[int, str]:
    """Return the names of a text file's classes by their numbers; empty if no file names them."""
    found = names_file(path.parent)
    return {} if found is None else _read_names(found, found.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_names(path: Path, changed: int) -> Mapping[int, str]:
    del changed  # part of what is remembered
    if path.suffix.lower() in {".yaml", ".yml"}:
        return _yaml_names(path)
    return {number: line.strip() for number, line in enumerate(lines_of(path)) if line.strip()}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the settings of a data set; empty if the file holds none."""
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
    return {}


def _yaml_names(path: Path) -> Mapping[int, str]:
    names = read_yaml(path).get("names")
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, Mapping):
        return {int(key): str(name) for key, name in names.items() if str(key).isdigit()}
    return {}
