"""The annotations of one split of a data set: regions for all code and, separately, classes for the evaluation."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from objdisc.annotations.base import AnnotationFormat, Shape
from objdisc.annotations.index import index_of, opened
from objdisc.annotations.matching import Matches, NamedImage, match
from objdisc.annotations.search import AnnotationFiles
from objdisc.annotations.shapes import BadShape, Placed, place
from objdisc.types import Region, RunLengthMask, Sample

_COLUMNS = "source_id, score, x, y, width, height, area, first, counts, raw"


class Annotations:
    """The annotations in files of one format for the images of one split.

    Nothing is read before it is needed. Only the index's path and the images' numbers are sent to other processes.

    Args:
        files: The files.
        samples: Samples of the split.
        root: Folder of the data set.
        asked: Whether the user has named the files.

    Attributes:
        is_told: Whether the log has already said what they hold.
    """

    def __init__(self, files: AnnotationFiles, samples: Sequence[Sample], root: Path, *, asked: bool = False) -> None:
        self.files = files
        self.root = root
        self.asked = asked
        self.is_told = False
        self._samples: Sequence[Sample] | None = samples

    def __getstate__(self) -> dict[str, Any]:
        _ = self.index, self.matches  # computed here, not in every process
        return {**self.__dict__, "_samples": None}

    def __str__(self) -> str:
        return str(self.files)

    @property
    def format(self) -> type[AnnotationFormat]:
        """The format of the files."""
        return self.files.format

    @cached_property
    def index(self) -> Path:
        """The index of the files; it is built if it is missing.

        Raises:
            UsageError: A file is damaged.
        """
        return index_of(self.files)

    @cached_property
    def matches(self) -> Matches:
        """Which entry of the files belongs to which image of the split."""
        assert self._samples is not None  # only what was matched travels
        with opened(self.index) as database:
            rows = database.execute(
                "SELECT i.number, i.name, f.path FROM images i JOIN files f ON f.number = i.file ORDER BY i.number"
            )
            top = self.files.folder.absolute()
            images = (
                NamedImage(number, _with_folders(name, file), file, str((top / file).parent))
                for number, name, file in rows
            )
            return match(self._samples, self.root, images)

    @property
    def covers_any(self) -> bool:
        """Whether the files mention any image of the split."""
        return bool(self.matches.number_of)

    @cached_property
    def facts(self) -> Mapping[str, str]:
        """What the index notes about all files: ``content``, a hash of the regions, and ``scores``, their number."""
        with opened(self.index) as database:
            return dict(database.execute("SELECT name, value FROM facts"))

    def entries(self) -> Iterator[tuple[Path, dict[str, str]]]:
        """Yield each file, with ``Sample.name`` of each of its images by the file's own key."""
        samples = {number: name for name, number in self.matches.number_of.items()}
        with opened(self.index) as database:
            files = database.execute("SELECT number, path FROM files ORDER BY number").fetchall()
            for file, path in files:
                rows = database.execute("SELECT number, key FROM images WHERE file = ?", (file,)).fetchall()
                yield self.files.folder / path, {key: samples[number] for number, key in rows if number in samples}

    @property
    def has_scores(self) -> bool:
        """Whether any object has a score, as a detector's objects do."""
        return int(self.facts["scores"]) > 0

    def problems(self) -> list[tuple[str, int, str]]:
        """Return each reason for which something was left out or read differently, its count and its first example."""
        with opened(self.index) as database:
            return database.execute("SELECT reason, count, example FROM problems ORDER BY reason").fetchall()

    def size(self, name: str) -> tuple[int, int] | None:
        """Return ``(height, width)`` of an image as the files give it, or None."""
        number = self.matches.number_of.get(name)
        with opened(self.index) as database:
            found = database.execute("SELECT height, width FROM images WHERE number = ?", (number,)).fetchone()
        return None if found is None or found[0] is None else (found[0], found[1])

    def count(self, min_area: int = 0) -> int:
        """Count the objects of the split, each once, without those known to have fewer pixels."""
        numbers = set(self.matches.number_of.values())
        with opened(self.index) as database:
            rows = database.execute(
                "SELECT image, COUNT(*) FROM objects WHERE same_as IS NULL AND (area IS NULL OR area >= ?) "
                "GROUP BY image",
                (min_area,),
            )
            return sum(count for image, count in rows if image in numbers)

    def regions(self, name: str, frame: tuple[int, int]) -> list[Region] | None:
        """Return the regions of an image, without their classes.

        Args:
            name: ``Sample.name``.
            frame: ``(H, W)`` of the image in pixels.

        Returns:
            Regions in raster order of their first pixel, each once; None if the files do not mention the image.

        Raises:
            ValueError: The files give another size for the image.
        """
        number = self.matches.number_of.get(name)
        if number is None:
            return None
        size = self.size(name)
        if size not in {None, frame}:
            raise ValueError(f"annotations for {size[1]}x{size[0]} pixels, the image has {frame[1]}x{frame[0]}")
        with opened(self.index) as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM objects WHERE image = ? AND same_as IS NULL ORDER BY number", (number,)
            ).fetchall()
        found: dict[tuple[object, ...], tuple[int, Region]] = {}
        for source_id, score, *place_columns, raw in rows:
            placed = _placed_now(raw, frame)[0] if raw is not None else _placed_before(place_columns)
            if placed is not None:
                region = _region(placed, frame, source_id, score)
                found.setdefault((placed.box, placed.counts), (placed.first, region))
        return [region for _, region in sorted(found.values(), key=lambda pair: pair[0])]

    @property
    def has_sizes(self) -> bool:
        """Whether the files give the size of every image of the split that they mention."""
        with opened(self.index) as database:
            rows = database.execute("SELECT number FROM images WHERE height IS NULL")
            unknown = {number for (number,) in rows}
        return not unknown & set(self.matches.number_of.values())

    def notes(self, name: str, frame: tuple[int, int]) -> list[tuple[str, str]]:
        """Return the problems that only the size of the image reveals: reason and source id of each.

        Args:
            name: ``Sample.name``.
            frame: ``(H, W)`` of the image in pixels.
        """
        number = self.matches.number_of.get(name)
        with opened(self.index) as database:
            rows = database.execute(
                "SELECT source_id, raw FROM objects WHERE image = ? AND raw IS NOT NULL", (number,)
            ).fetchall()
        return [(reason, source_id) for source_id, raw in rows for reason in _placed_now(raw, frame)[1]]

    def classes(self, name: str) -> dict[str, str]:
        """Return the class of each object of an image, by source id; for evaluation and export alone.

        Objects with the same mask or box, which give one region, have entries of their own.

        Args:
            name: ``Sample.name``.
        """
        number = self.matches.number_of.get(name)
        with opened(self.index) as database:
            rows = database.execute(
                "SELECT o.source_id, COALESCE((SELECT k.name FROM categories k WHERE k.key = c.category AND "
                "k.file = c.file), c.category) FROM objects o JOIN classes c ON c.object = o.number WHERE o.image = ?",
                (number,),
            )
            return {str(source_id): str(category) for source_id, category in rows}

    def class_names(self) -> list[str]:
        """Return the names of the objects' classes, in the files' order; for evaluation and export alone."""
        with opened(self.index) as database:
            listed = [str(name) for (name,) in database.execute("SELECT name FROM categories ORDER BY rowid")]
            used = database.execute(
                "SELECT DISTINCT COALESCE((SELECT k.name FROM categories k WHERE k.key = c.category AND "
                "k.file = c.file), c.category) FROM (SELECT DISTINCT file, category FROM classes) c"
            )
            there = {str(name) for (name,) in used}
        return [name for name in dict.fromkeys([*listed, *sorted(there)]) if name in there]

    def same_places(self, name: str) -> dict[str, str]:
        """Map the source id of each duplicate object to that of the object that was kept."""
        number = self.matches.number_of.get(name)
        with opened(self.index) as database:
            rows = database.execute(
                "SELECT o.source_id, f.source_id FROM objects o JOIN objects f ON f.number = o.same_as "
                "WHERE o.image = ?",
                (number,),
            )
            return dict(rows.fetchall())


def _with_folders(name: str, file: str) -> str:
    """Return the name of an image; one without folders is taken to lie in folders like those of its file."""
    path = PurePosixPath(file)
    return str(path.with_suffix("")) if name == path.stem else name


def _placed_before(columns: list[Any]) -> Placed:
    x, y, width, height, area, first, counts = columns
    return Placed((x, y, width, height), area, counts, first)


def _placed_now(raw: str, frame: tuple[int, int]) -> tuple[Placed | None, tuple[str, ...]]:
    """Place an object in an image whose size the file does not give."""
    kind, values, shares = json.loads(raw)
    try:
        placed = place(Shape(kind, values, shares), frame)
    except BadShape as error:
        return None, (str(error),)
    return placed, placed.notes


def _region(placed: Placed, frame: tuple[int, int], source_id: str, score: float | None) -> Region:
    mask: RunLengthMask | None = None
    if placed.counts is not None:
        mask = {"size": list(frame), "counts": placed.counts}
    return Region(placed.box, placed.area, mask, score=1.0 if score is None else score, source_id=source_id)
