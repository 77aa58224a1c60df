"""Segment Anything's masks: a JSON file per picture as in SA-1B, or the list that its automatic generator returns.

The fields are those of https://github.com/facebookresearch/segment-anything (README, "Dataset"): COCO's run lengths,
``predicted_iou`` and ``stability_score``; there are no classes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from objdisc.annotations.base import (
    AnnotationFormat,
    ImageRecord,
    ObjectRecord,
    Problem,
    Record,
    Shape,
    score_or_none,
    size_or_none,
)
from objdisc.annotations.coco import NO_ENTRY, NO_OBJECT, shape_of, source_id_of
from objdisc.annotations.json_stream import head_keys, items

_SCORES = ("predicted_iou", "stability_score")
_MARKS = {"item.predicted_iou", "item.stability_score", "item.point_coords", "item.crop_box"}


class SamJson(AnnotationFormat):
    """Masks of one picture in one file; a list belongs to the picture with the file's name."""

    name: ClassVar[str] = "sam_json"
    title: ClassVar[str] = "Segment Anything JSON"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    one_per_image: ClassVar[bool] = True
    scores_are_detections: ClassVar[bool] = False

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it has one image and its annotations, or is a list of masks that name no image."""
        keys = head_keys(path)
        if "item.segmentation" in keys and "item.image_id" not in keys:
            return bool(keys & _MARKS) or "item.bbox" in keys
        named = {"image.image_id", "image.file_name"} & keys
        return "annotations" in keys and bool(named) and "images" not in keys

    @classmethod
    def records(cls, path: Path) -> Iterator[Record]:
        """Stream the picture, then its masks; the score is the product of predicted IoU and stability."""
        place, size = "annotations.item", None
        name = path.stem
        if "image" in head_keys(path):
            image: Any = next(items(path, "image"), {})
            name = str(image.get("file_name") or path.stem) if isinstance(image, Mapping) else path.stem
            size = size_or_none(image.get("height"), image.get("width")) if isinstance(image, Mapping) else None
        else:
            place = "item"
        listed = False
        for position, annotation in enumerate(items(path, place)):
            shape = shape_of(annotation) if isinstance(annotation, Mapping) else None
            if not listed:
                size = size or _size_of(shape)
                yield ImageRecord("", name, size)
                listed = True
            if shape is None:
                reason = NO_OBJECT if isinstance(annotation, Mapping) else NO_ENTRY
                yield Problem(reason, f"{path.name}: mask {position}")
            else:
                yield ObjectRecord("", source_id_of(annotation, position), shape, _score(annotation))
        if not listed:
            yield ImageRecord("", name, size)


def _size_of(shape: Shape | None) -> tuple[int, int] | None:
    """Return the size of the picture from its first mask."""
    return size_or_none(*shape.values[:2]) if shape is not None and shape.kind == "runs" else None


def _score(annotation: Mapping[str, Any]) -> float | None:
    scores = [score_or_none(annotation.get(key)) for key in _SCORES]
    known = [score for score in scores if score is not None]
    product = 1.0
    for score in known:
        product *= score
    return product if known else score_or_none(annotation.get("score"))
