"""A table of boxes from any detector: one line a box, with or without a label and a score."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from objdisc.annotations.base import (
    AnnotationFormat,
    ImageRecord,
    ObjectRecord,
    Record,
    Shape,
    number_or_none,
    score_or_none,
    size_or_none,
)
from objdisc.errors import UsageError

_HEAD = 1 << 14  # characters

# What columns are called, without signs between words and in lower case; the first is ours and DeepForest's
_NAMES: Mapping[str, tuple[str, ...]] = {
    "image": ("imagepath", "image", "filename", "file", "path", "imagename", "filepath", "imageid", "img", "imagefile"),
    "left": ("xmin", "x1", "left", "bboxxmin", "minx", "xtl"),
    "top": ("ymin", "y1", "top", "bboxymin", "miny", "ytl"),
    "right": ("xmax", "x2", "right", "bboxxmax", "maxx", "xbr"),
    "bottom": ("ymax", "y2", "bottom", "bboxymax", "maxy", "ybr"),
    "x": ("x", "bboxx", "bbox1", "left", "xmin"),
    "y": ("y", "bboxy", "bbox2", "top", "ymin"),
    "width": ("width", "w", "bboxwidth", "bboxw", "bbox3"),
    "height": ("height", "h", "bboxheight", "bboxh", "bbox4"),
    "label": ("label", "class", "classname", "category", "categoryname", "labelname", "species", "name"),
    "score": ("score", "confidence", "conf", "probability", "prob"),
}
_CORNERS = ("left", "top", "right", "bottom")
_SIDES = ("x", "y", "width", "height")


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        delimiter: Character between the fields.
        header: The column names as written.
        places: Names of ``_NAMES`` and their columns.
        by_corners: Whether a box is given by two corners; otherwise by one corner and its sides.
    """

    delimiter: str
    header: Sequence[str]
    places: Mapping[str, int]
    by_corners: bool

    @classmethod
    def of(cls, path: Path) -> "Columns | None":
        """Read a table's first line; None if it is not the header of a table of boxes."""
        with suppress(OSError, UnicodeDecodeError, csv.Error), path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(_HEAD)
            delimiter = max(",;\t", key=line.count)
            header = next(csv.reader([line], delimiter=delimiter), [])
            words = [re.sub("[^a-z0-9]", "", name.lower()) for name in header]
            places = {
                what: next(words.index(name) for name in names if name in words)
                for what, names in _NAMES.items()
                if any(name in words for name in names)
            }
            by_corners = all(what in places for what in _CORNERS)
            if "image" in places and (by_corners or all(what in places for what in _SIDES)):
                return cls(delimiter, header, places, by_corners)
        return None

    def field(self, row: Sequence[str], what: str) -> str:
        """Return a field of a line; empty if it is missing."""
        place = self.places.get(what, len(row))
        return row[place].strip() if place < len(row) else ""

    def shape(self, row: Sequence[str]) -> Shape | None:
        """Read the box of a line; None if all its fields are empty, as for an image without objects."""
        texts = [self.field(row, what) for what in (_CORNERS if self.by_corners else _SIDES)]
        if not any(texts):
            return None
        numbers = [number_or_none(text) for text in texts]
        left, top, third, fourth = numbers
        if self.by_corners or left is None or top is None or third is None or fourth is None:
            return Shape("box", numbers)
        return Shape("box", [left, top, left + third, top + fourth])

    def size(self, row: Sequence[str]) -> tuple[int, int] | None:
        """Read the image's size, which is given with boxes of two corners."""
        return size_or_none(self.field(row, "height"), self.field(row, "width")) if self.by_corners else None


class Boxes(AnnotationFormat):
    """A CSV file whose first line names an image and four coordinates."""

    name: ClassVar[str] = "boxes"
    title: ClassVar[str] = "CSV of boxes"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the first line names the columns of boxes."""
        return Columns.of(path) is not None

    @classmethod
    def records(cls, path: Path) -> Iterator[Record]:
        """Stream the lines; a box is identified by its number, from 0."""
        seen: set[str] = set()
        for number, (columns, row) in enumerate(rows(path)):
            name = columns.field(row, "image")
            if name not in seen:
                seen.add(name)
                yield ImageRecord(name, name, columns.size(row))
            shape = columns.shape(row)
            if shape is not None:
                score, label = score_or_none(columns.field(row, "score")), columns.field(row, "label")
                yield ObjectRecord(name, str(number), shape, score, label or None)


def rows(path: Path) -> Iterator[tuple[Columns, list[str]]]:
    """Stream the lines below the header that are not empty.

    Raises:
        UsageError: The file cannot be read, or is not a table of boxes.
    """
    columns = Columns.of(path)
    if columns is None:
        raise UsageError(f"{path}: its first line names no image and box; expected image_path, xmin, ymin, xmax, ymax.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=columns.delimiter)
            next(lines)
            yield from ((columns, row) for row in lines if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read ({error}); write it as UTF-8.") from error
