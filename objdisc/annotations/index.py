"""The contents of annotation files, read once and kept in an SQLite file, so that a region takes one look-up.

The tables ``images`` and ``objects`` hold no class; classes are in ``classes`` and ``categories``, which ``regions``
does not read. Building takes one pass, time linear in the files, and memory that does not grow with them.
"""

import json
import logging
import os
import secrets
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from objdisc.annotations.base import CategoryRecord, ImageRecord, ObjectRecord, Record, Shape
from objdisc.annotations.search import AnnotationFiles
from objdisc.annotations.shapes import BadShape, Placed, place
from objdisc.errors import UsageError
from objdisc.io.files import write_failed
from objdisc.io.hashing import digest
from objdisc.io.stamps import relative_name, stamp

CACHE = Path("runs/cache/annotations")
VERSION = 1

_BATCH = 2000  # rows that are written at once
_NO_IMAGE = "of an image that its file does not list (left out)"
_SAME_ID = "an id that its image has already (left out)"
_SAME_MASK = "the same mask or box twice in an image (taken once)"
_UNREADABLE = "a file that cannot be read (left out)"

_TABLES = """
CREATE TABLE files (number INTEGER PRIMARY KEY, path TEXT);
CREATE TABLE images (number INTEGER PRIMARY KEY, file INTEGER, key TEXT, name TEXT, height INTEGER, width INTEGER);
CREATE TABLE objects (number INTEGER PRIMARY KEY, image INTEGER, source_id TEXT, score REAL, x INTEGER, y INTEGER,
    width INTEGER, height INTEGER, area INTEGER, first INTEGER, counts TEXT, raw TEXT, hash BLOB, same_as INTEGER);
CREATE TABLE classes (object INTEGER PRIMARY KEY, file INTEGER, category TEXT);
CREATE TABLE categories (file INTEGER, key TEXT, name TEXT);
CREATE TABLE problems (reason TEXT PRIMARY KEY, count INTEGER, example TEXT);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
"""
_FINISH = """
CREATE INDEX of_image ON objects (image, source_id);
CREATE INDEX of_file ON images (file);
CREATE INDEX of_key ON categories (file, key);
"""

log = logging.getLogger("objdisc")
_local = threading.local()


def index_of(files: AnnotationFiles) -> Path:
    """Return the index of some files, and build it if it is missing.

    Raises:
        UsageError: A file that holds all annotations is damaged.
        ObjdiscError: The index cannot be written.
    """
    path = (CACHE / f"{_key(files)}.sqlite").absolute()
    if path.is_file():
        return path
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(6)}.tmp")
    size = sum(max(stamp(each)[0], 0) for each in files.paths) / 1e6
    if size > 20:
        log.info("reading %s (%.0f MB); remembered in %s", files, size, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(temporary)) as database:
            _build(database, files)
        os.replace(temporary, path)
    except OSError as error:
        raise write_failed(path, error) from error
    except sqlite3.OperationalError as error:
        raise UsageError(f"{path}: cannot be written ({error}); run where there is room for runs/cache.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Return this thread's read-only connection to an index."""
    known: dict[Path, sqlite3.Connection] = _local.__dict__.setdefault("connections", {})
    if path not in known:
        known[path] = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    yield known[path]


def _key(files: AnnotationFiles) -> str:
    parts = [f"{VERSION} {files.format.name} {os.path.abspath(files.folder)}"]
    for path in files.paths:
        for each in (path, *files.format.beside(path)):
            parts.append(json.dumps([os.path.abspath(each), *stamp(each)]))
    return digest(parts)


def _build(database: sqlite3.Connection, files: AnnotationFiles) -> None:
    database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;{_TABLES}")
    builder = _Builder(database)
    for number, path in enumerate(files.paths):
        builder.begin_file(number, relative_name(path, files.folder))
        try:
            for record in files.format.records(path):
                builder.add(record)
        except UsageError as error:
            if len(files.paths) == 1:
                raise
            builder.note(_UNREADABLE, str(error))
    builder.finish()


class _Builder:
    """Writes records to the tables, a batch at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._images: dict[str, tuple[int, tuple[int, int] | None]] = {}  # of the file at hand
        self._num_images = self._num_objects = 0
        self._file, self._file_name = 0, ""
        self._objects: list[tuple[object, ...]] = []
        self._classes: list[tuple[int, int, str]] = []
        self._problems: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._num_scores = 0

    def begin_file(self, number: int, name: str) -> None:
        """Start on the records of another file, whose images have keys of their own."""
        self._images, self._file, self._file_name = {}, number, name
        self._database.execute("INSERT INTO files VALUES (?, ?)", (number, name))

    def note(self, reason: str, example: str) -> None:
        """Count a problem; its first example is kept."""
        self._problems[reason] += 1
        self._examples.setdefault(reason, example)

    def add(self, record: Record) -> None:
        """Write one record."""
        if isinstance(record, ObjectRecord):
            self._add_object(record)
        elif isinstance(record, ImageRecord):
            self._add_image(record)
        elif isinstance(record, CategoryRecord):
            row = (self._file, record.key, record.name)
            self._database.execute("INSERT INTO categories VALUES (?, ?, ?)", row)
        else:
            self.note(record.reason, record.example)

    def _add_image(self, record: ImageRecord) -> None:
        height, width = record.size or (None, None)
        row = (self._num_images, self._file, record.key, record.name, height, width)
        self._database.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?)", row)
        self._images[record.key] = (self._num_images, record.size)
        self._num_images += 1

    def _add_object(self, record: ObjectRecord) -> None:
        example = f"{self._file_name}: object {record.source_id}"
        known = self._images.get(record.image)
        if known is None:
            self.note(_NO_IMAGE, f"{example} of image {record.image}")
            return
        image, size = known
        placed = self._placed(record.shape, size, example)
        if placed is None and size is not None:
            return
        number, raw = self._num_objects, None
        if placed is None:
            raw = json.dumps([record.shape.kind, record.shape.values, record.shape.shares])
            place_columns: tuple[object, ...] = (None, None, None, None, None, None, None)
        else:
            place_columns = (*placed.box, placed.area, placed.first, placed.counts)
        mark = bytes.fromhex(digest([repr(place_columns), raw or ""]))[:8]
        row = (number, image, record.source_id, record.score, *place_columns, raw, mark)
        self._objects.append(row)
        self._num_objects += 1
        self._num_scores += record.score is not None
        if record.category is not None:
            self._classes.append((number, self._file, record.category))
        if len(self._objects) >= _BATCH:
            self._flush()

    def _placed(self, shape: Shape, size: tuple[int, int] | None, example: str) -> Placed | None:
        if size is None:
            return None
        try:
            placed = place(shape, size)
        except BadShape as error:
            self.note(str(error), example)
            return None
        for reason in placed.notes:
            self.note(reason, example)
        return placed

    def _flush(self) -> None:
        self._database.executemany(f"INSERT INTO objects VALUES ({', '.join('?' * 13)}, NULL)", self._objects)
        self._database.executemany("INSERT INTO classes VALUES (?, ?, ?)", self._classes)
        self._objects, self._classes = [], []

    def finish(self) -> None:
        """Remove duplicates, and write the problems, the facts and a hash of all regions."""
        self._flush()
        self._database.executescript(_FINISH)
        self._drop_same_ids()
        self._mark_same_masks()
        rows = [(reason, count, self._examples[reason]) for reason, count in self._problems.items()]
        self._database.executemany("INSERT INTO problems VALUES (?, ?, ?)", rows)
        facts = {"content": self._content(), "scores": self._num_scores}
        self._database.executemany("INSERT INTO facts VALUES (?, ?)", [(k, str(v)) for k, v in facts.items()])
        self._database.commit()

    def _drop_same_ids(self) -> None:
        same = self._database.execute(
            "SELECT o.number, o.source_id, i.name FROM objects o JOIN images i ON i.number = o.image WHERE o.number > "
            "(SELECT MIN(p.number) FROM objects p WHERE p.image = o.image AND p.source_id = o.source_id)"
        ).fetchall()
        for number, source_id, name in same:
            self.note(_SAME_ID, f"object {source_id} of {name}")
            self._database.execute("DELETE FROM objects WHERE number = ?", (number,))
            self._database.execute("DELETE FROM classes WHERE object = ?", (number,))

    def _mark_same_masks(self) -> None:
        """Make each object with the same mask or box as an earlier one of its image point to that one."""
        groups = self._database.execute(
            "SELECT image, hash, MIN(number) FROM objects GROUP BY image, hash HAVING COUNT(*) > 1"
        ).fetchall()
        for image, mark, first in groups:
            others = self._database.execute(
                "SELECT number, source_id FROM objects WHERE image = ? AND hash = ? AND number > ?",
                (image, mark, first),
            ).fetchall()
            for number, source_id in others:
                self._database.execute("UPDATE objects SET same_as = ? WHERE number = ?", (first, number))
                (name,) = self._database.execute("SELECT name FROM images WHERE number = ?", (image,)).fetchone()
                self.note(_SAME_MASK, f"object {source_id} of {name}")

    def _content(self) -> str:
        """Hash everything that regions depend on, without classes and without the order of the files."""
        rows = self._database.execute(
            "SELECT i.name, i.height, i.width, o.source_id, o.score, o.hash FROM images i LEFT JOIN objects o "
            "ON o.image = i.number AND o.same_as IS NULL ORDER BY i.name, i.number, o.source_id"
        )
        return digest(repr(row) for row in rows)
