"""The base of all annotation formats: files are recognised by content, and streamed as records."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

ShapeKind = Literal["box", "polygons", "runs"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Where an object lies in its image, as its file gives it.

    Attributes:
        kind: ``box``, ``polygons`` or ``runs``.
        values: ``[left, top, right, bottom]`` for a box; a list of rings ``[x, y, x, y, ...]`` for polygons, whose
            union is the object; ``[height, width, counts]`` for runs, COCO's run lengths as text or as a list.
        shares: Whether coordinates are shares of the image's sides by the format's convention; otherwise they are
            pixels.
    """

    kind: ShapeKind
    values: list[Any]
    shares: bool = False


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image that a file mentions.

    Attributes:
        key: The key by which the file's objects refer to it.
        name: Path or name of the image file, as written in the file.
        size: ``(height, width)`` in pixels; None if the file does not give it.
    """

    key: str
    name: str
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """An object that a file describes.

    Attributes:
        image: ``ImageRecord.key`` of its image, which must come before it.
        source_id: Its id in the file, unique within the image.
        shape: Where it lies.
        score: Confidence that it is an object, 0 to 1; None if the file gives none.
        category: ``CategoryRecord.key`` of its class; None if it has none.
    """

    image: str
    source_id: str
    shape: Shape
    score: float | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class CategoryRecord:
    """A class that a file names.

    Attributes:
        key: The key by which the file's objects refer to it.
        name: Its name.
    """

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot be used, or was read differently from how it is written.

    Attributes:
        reason: What is wrong, in the same words for all such problems.
        example: The object or image.
    """

    reason: str
    example: str


Record: TypeAlias = ImageRecord | ObjectRecord | CategoryRecord | Problem


class AnnotationFormat(ABC):
    """A file format for objects in images. It has no state: its methods are class methods.

    Attributes:
        name: Short name, the same as that of the objectness source that reads it.
        title: Its name in messages.
        suffixes: Endings of its file names, lower case.
        one_per_image: Whether each image has a file of its own.
        scores_are_detections: Whether classes that come with a score are a detector's predictions.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    one_per_image: ClassVar[bool] = False
    scores_are_detections: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file is of this format, judged by its beginning and end, which is quick for files of any size."""

    @classmethod
    @abstractmethod
    def records(cls, path: Path) -> Iterator[Record]:
        """Stream the contents of a file: each image before its objects, each category anywhere.

        Raises:
            UsageError: The file is damaged or cut off.
        """

    @classmethod
    def beside(cls, path: Path) -> tuple[Path, ...]:
        """Return further files that ``records`` reads for a file, such as one of class names, for cache keys."""
        del path
        return ()


def number_or_none(value: Any) -> float | None:
    """Read a number, or a text that is one; None for anything else, such as a missing value."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def size_or_none(height: Any, width: Any) -> tuple[int, int] | None:
    """Read ``(height, width)`` in pixels; None if either is missing or not above 0."""
    rows, columns = number_or_none(height), number_or_none(width)
    if rows is None or columns is None or not (0 < rows < float("inf") and 0 < columns < float("inf")):
        return None
    return int(rows), int(columns)


def score_or_none(value: Any) -> float | None:
    """Read a confidence, clipped to 0 to 1; percentages become shares; None if it is missing or NaN."""
    score = number_or_none(value)
    if score is None or score != score:
        return None
    score = score / 100 if 1 < score <= 100 else score
    return min(max(score, 0.0), 1.0)
