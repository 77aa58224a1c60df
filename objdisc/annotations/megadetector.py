"""MegaDetector's batch output: boxes of animals, persons and vehicles, as shares of the image's sides.

The fields are those of https://lila.science/megadetector-output-format.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from objdisc.annotations.base import (
    AnnotationFormat,
    CategoryRecord,
    ImageRecord,
    ObjectRecord,
    Problem,
    Record,
    Shape,
    number_or_none,
    score_or_none,
    size_or_none,
)
from objdisc.annotations.coco import NO_ENTRY, NO_OBJECT
from objdisc.annotations.json_stream import has_word, head_keys, items

_FAILED = "an image that the detector could not read (left out)"


class Megadetector(AnnotationFormat):
    """One JSON object with images, each with its detections."""

    name: ClassVar[str] = "megadetector"
    title: ClassVar[str] = "MegaDetector JSON"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it has images with file names and detections."""
        keys = head_keys(path)
        named = "images.item.file" in keys
        return named and ("images.item.detections" in keys or has_word(path, "detection_categories"))

    @classmethod
    def records(cls, path: Path) -> Iterator[Record]:
        """Stream the images with their detections, which are identified by their position within the image."""
        for number, image in enumerate(items(path, "images.item")):
            if not isinstance(image, Mapping) or not image.get("file"):
                yield Problem(NO_ENTRY, f"{path.name}: image {number}")
                continue
            name = str(image["file"])
            if image.get("detections") is None:
                yield Problem(_FAILED, name)
                continue
            yield ImageRecord(str(number), name, size_or_none(image.get("height"), image.get("width")))
            for place, detection in enumerate(image["detections"]):
                yield _record(str(number), str(place), detection, f"{name}: detection {place}")
        for categories in items(path, "detection_categories"):
            for key, name in categories.items():
                yield CategoryRecord(str(key), str(name))


def _record(image: str, source_id: str, detection: object, example: str) -> Record:
    box = detection.get("bbox") if isinstance(detection, Mapping) else None
    if not isinstance(detection, Mapping) or not isinstance(box, list) or len(box) != 4:
        return Problem(NO_OBJECT, example)
    left, top, width, height = map(number_or_none, box)
    corners: list[float | None] = [None] * 4
    if left is not None and top is not None and width is not None and height is not None:
        corners = [left, top, left + max(width, 0), top + max(height, 0)]
    category = detection.get("category")
    return ObjectRecord(
        image,
        source_id,
        Shape("box", corners, shares=True),
        score_or_none(detection.get("conf")),
        None if category is None else str(category),
    )
