"""COCO's instances JSON and its results lists: polygons, run lengths, boxes, scores (cocodataset.org/#format-data)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

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
from objdisc.annotations.json_stream import has_word, head_keys, items

CROWD = "a crowd, whose objects are not separated (left out)"
NO_OBJECT = "an annotation without mask and box (left out)"
NO_ENTRY = "an entry that is no JSON object of the format (left out)"
SAME_CATEGORY = "a category id that repeats (the first name is taken)"


class Coco(AnnotationFormat):
    """One JSON object with images, annotations and perhaps categories; or a bare list of results."""

    name: ClassVar[str] = "coco"
    title: ClassVar[str] = "COCO JSON"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it has images with file names, and objects or categories; or is a list of results with image ids."""
        keys = head_keys(path)
        if "item.image_id" in keys:
            return bool(keys & {"item.bbox", "item.segmentation"})
        if "shapes" in keys or keys & {"detection_categories", "images.item.detections"}:
            return False
        listed = "images.item.file_name" in keys
        if not listed and not ("annotations.item.image_id" in keys or "categories.item.id" in keys):
            return False
        return has_word(path, "segmentation", "bbox") or (listed and has_word(path, "categories"))

    @classmethod
    def records(cls, path: Path) -> Iterator[Record]:
        """Stream images, then annotations, then categories; for a list of results, each image as it comes."""
        if "item.image_id" in head_keys(path):
            yield from _results(path)
            return
        for image in items(path, "images.item"):
            if isinstance(image, Mapping) and "id" in image:
                size = size_or_none(image.get("height"), image.get("width"))
                yield ImageRecord(str(image["id"]), str(image.get("file_name") or image["id"]), size)
            else:
                yield Problem(NO_ENTRY, f"{path.name}: an image without an id")
        for position, annotation in enumerate(items(path, "annotations.item")):
            yield from _object(path, annotation, position)
        seen: set[str] = set()
        for category in items(path, "categories.item"):
            if isinstance(category, Mapping) and "id" in category:
                key = str(category["id"])
                if key in seen:
                    yield Problem(SAME_CATEGORY, f"{path.name}: category {key}")
                else:
                    yield CategoryRecord(key, str(category.get("name") or f"category {key}"))
                seen.add(key)


def source_id_of(annotation: Mapping[str, Any], position: int) -> str:
    """Return an annotation's id, or its position in the file, from 0, if it has none."""
    return str(annotation["id"]) if annotation.get("id") is not None else str(position)


def _results(path: Path) -> Iterator[Record]:
    seen: set[str] = set()
    for position, result in enumerate(items(path, "item")):
        if isinstance(result, Mapping) and "image_id" in result:
            key = str(result["image_id"])
            if key not in seen:
                seen.add(key)
                yield ImageRecord(key, key)
        yield from _object(path, result, position)


def _object(path: Path, annotation: object, position: int) -> Iterator[Record]:
    where = f"{path.name}: annotation {position}"
    if not isinstance(annotation, Mapping) or annotation.get("image_id") is None:
        yield Problem(NO_ENTRY, where)
        return
    source_id = source_id_of(annotation, position)
    where = f"{path.name}: annotation {source_id}"
    if annotation.get("iscrowd"):
        yield Problem(CROWD, where)
        return
    shape = shape_of(annotation)
    if shape is None:
        yield Problem(NO_OBJECT, where)
        return
    category = annotation.get("category_id")
    yield ObjectRecord(
        str(annotation["image_id"]),
        source_id,
        shape,
        score_or_none(annotation.get("score")),
        None if category is None else str(category),
    )


def shape_of(annotation: Mapping[str, Any]) -> Shape | None:
    """Read the mask of an annotation, or else its box; None if it has neither."""
    found = annotation.get("segmentation")
    if isinstance(found, Mapping) and found.get("counts") and isinstance(found.get("size"), list):
        size = size_or_none(*found["size"]) if len(found["size"]) == 2 else None
        return Shape("runs", [*(size or (0, 0)), found["counts"]])
    if isinstance(found, list) and found:
        return Shape("polygons", [found] if not isinstance(found[0], list | tuple) else found)
    box = annotation.get("bbox")
    if isinstance(box, list) and len(box) == 4:
        left, top, width, height = map(number_or_none, box)
        if left is None or top is None or width is None or height is None:
            return Shape("box", [None] * 4)
        return Shape("box", [left, top, left + width, top + height] if min(width, height) > 0 else [left, top] * 2)
    return None
