"""What every format of annotations offers: its files recognised by content, and streamed as records."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

ShapeKind = Literal["box", "polygons", "runs"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Where an object lies in its image, as its file says it.

    Attributes:
        kind: ``box``, ``polygons`` or ``runs``.
        values: ``[left, top, right, bottom]`` for a box; a list of rings ``[x, y, x, y, ...]`` for polygons, whose
            union is meant; ``[height, width, counts]`` for runs, COCO's run lengths as text or as a list.
        shares: Whether coordinates are shares of the image's sides by the format's convention, else pixels.
    """

    kind: ShapeKind
    values: list[Any]
    shares: bool = False


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image that a file speaks of.

    Attributes:
        key: What the file's objects call it.
        name: Path or name of the image file, as it is written there.
        size: ``(height, width)`` in pixels; None where the file does not say.
    """

    key: str
    name: str
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """An object that a file speaks of.

    Attributes:
        image: ``ImageRecord.key`` of its image, which comes before it.
        source_id: What the file calls it; unlike that of any other object of the image.
        shape: Where it lies.
        score: Confidence that it is an object, 0 to 1; None where the file says none.
        category: ``CategoryRecord.key`` of its class; None where it has none.
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
        key: What the file's objects call it.
        name: What people call it.
    """

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot be used, or was used differently than it is written.

    Attributes:
        reason: What is wrong, the same words for all of the same kind.
        example: Which object or image.
    """

    reason: str
    example: str


Record: TypeAlias = ImageRecord | ObjectRecord | CategoryRecord | Problem


class AnnotationFormat(ABC):
    """A way in which programs write down where objects are in images. It has no state: its methods are of the class.

    Attributes:
        name: Short name, which is that of the objectness source that reads it.
        title: What messages call it.
        suffixes: What its files' names end with, lower case.
        one_per_image: Whether each image has a file of its own.
        scores_are_detections: Whether classes with a score are predictions of a detector.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    one_per_image: ClassVar[bool] = False
    scores_are_detections: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file is of this format, by its beginning and its end; a file of any size is looked at quickly."""

    @classmethod
    @abstractmethod
    def records(cls, path: Path) -> Iterator[Record]:
        """Stream what a file holds: each image before its objects, each category anywhere.

        Raises:
            UsageError: The file is damaged or cut off.
        """

    @classmethod
    def beside(cls, path: Path) -> tuple[Path, ...]:
        """Return further files that ``records`` reads for a file, such as one of class names, for cache keys."""
        del path
        return ()


def number_or_none(value: Any) -> float | None:
    """Read a number, or a text that is one; None where it is neither, as a missing value is."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def size_or_none(height: Any, width: Any) -> tuple[int, int] | None:
    """Read ``(height, width)`` in pixels; None where either is missing or not above 0."""
    rows, columns = number_or_none(height), number_or_none(width)
    if rows is None or columns is None or not (0 < rows < float("inf") and 0 < columns < float("inf")):
        return None
    return int(rows), int(columns)


def score_or_none(value: Any) -> float | None:
    """Read a confidence, kept within 0 and 1; percentages become shares; None where there is none, or NaN."""
    score = number_or_none(value)
    if score is None or score != score:
        return None
    score = score / 100 if 1 < score <= 100 else score
    return min(max(score, 0.0), 1.0)
