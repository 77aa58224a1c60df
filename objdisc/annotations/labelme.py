"""LabelMe's JSON, one file an image: polygons, rectangles, circles and masks (github.com/wkentaro/labelme)."""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from objdisc.annotations.base import (
    AnnotationFormat,
    ImageRecord,
    ObjectRecord,
    Problem,
    Record,
    Shape,
    number_or_none,
    score_or_none,
    size_or_none,
)
from objdisc.annotations.json_stream import head_keys
from objdisc.errors import UsageError
from objdisc.imaging.masks import encode_crop

_NO_OBJECT = "a shape without area, such as a point or a line (left out)"
_CORNERS_OF_A_CIRCLE = 64


class Labelme(AnnotationFormat):
    """One JSON object with shapes; shapes with the same group number are parts of one object."""

    name: ClassVar[str] = "labelme"
    title: ClassVar[str] = "LabelMe JSON"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    one_per_image: ClassVar[bool] = True

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it has a list of shapes; those in it have points."""
        keys = head_keys(path)
        return "shapes" in keys and ("shapes.item.points" in keys or bool({"imagePath", "version"} & keys))

    @classmethod
    def records(cls, path: Path) -> Iterator[Record]:
        """Read the shapes; an object is identified by the position of its first shape in the file, from 0."""
        whole = read(path)
        size = size_or_none(whole.get("imageHeight"), whole.get("imageWidth"))
        yield ImageRecord("", str(whole.get("imagePath") or path.stem), size)
        for source_id, shapes in objects(whole):
            shape = _joined([_shape(each, size) for each in shapes])
            if shape is None:
                yield Problem(_NO_OBJECT, f"{path.name}: shape {source_id}")
            else:
                label = shapes[0].get("label")
                score = score_or_none(shapes[0].get("score"))
                yield ObjectRecord("", source_id, shape, score, None if label is None else str(label))


def read(path: Path) -> dict[str, Any]:
    """Read a file.

    Raises:
        UsageError: It is damaged or cannot be read.
    """
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid JSON ({error}); write it again.") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("shapes"), list):
        raise UsageError(f"{path}: has no list of shapes; it is not a LabelMe file.")
    return whole


def objects(whole: Mapping[str, Any]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Yield the shapes of each object, those of one group, and the object's id."""
    groups: dict[object, tuple[str, list[Mapping[str, Any]]]] = {}
    for place, shape in enumerate(whole["shapes"]):
        if isinstance(shape, Mapping):
            group = shape.get("group_id")
            key: object = ("alone", place) if group is None else ("group", str(group))
            groups.setdefault(key, (str(place), []))[1].append(shape)
    yield from groups.values()


def _shape(shape: Mapping[str, Any], size: tuple[int, int] | None) -> Shape | None:
    points = [[number_or_none(value) for value in point] for point in shape.get("points") or () if len(point) == 2]
    kind, flat = shape.get("shape_type", "polygon"), [value for point in points for value in point]
    if kind == "mask" and len(points) == 2 and size is not None:
        return _mask(shape, flat, size)
    if None in flat:
        return Shape("polygons", [[None] * 6])
    if kind == "rectangle" and len(points) >= 2:
        across, down = flat[0::2], flat[1::2]
        return Shape("box", [min(across), min(down), max(across), max(down)])  # type: ignore[type-var]
    if kind == "circle" and len(points) == 2:
        return Shape("polygons", [_circle(*(float(value or 0) for value in flat))])
    return Shape("polygons", [flat]) if kind == "polygon" else None


def _circle(x: float, y: float, edge_x: float, edge_y: float) -> list[float]:
    radius = math.hypot(edge_x - x, edge_y - y)
    turns = (2 * math.pi * corner / _CORNERS_OF_A_CIRCLE for corner in range(_CORNERS_OF_A_CIRCLE))
    return [value for turn in turns for value in (x + radius * math.cos(turn), y + radius * math.sin(turn))]


def _mask(shape: Mapping[str, Any], corners: list[float | None], size: tuple[int, int]) -> Shape | None:
    """Read a mask: a PNG of the box between two corners, both inside it."""
    try:
        data = np.frombuffer(base64.b64decode(str(shape.get("mask"))), np.uint8)
        pixels = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    except (binascii.Error, cv2.error, ValueError):
        return None
    if pixels is None or corners[0] is None or corners[1] is None:
        return None
    x, y = round(corners[0]), round(corners[1])
    inside = np.asarray(pixels[max(-y, 0) : max(size[0] - y, 0), max(-x, 0) : max(size[1] - x, 0)], np.uint8) > 0
    runs = encode_crop(inside, (max(x, 0), max(y, 0)), size)
    return Shape("runs", [*size, runs["counts"]])


def _joined(parts: list[Shape | None]) -> Shape | None:
    """Join the shapes of one object; if there are several, boxes become polygons, and a mask stands alone."""
    shapes = [part for part in parts if part is not None]
    if len(shapes) <= 1:
        return shapes[0] if shapes else None
    if any(shape.kind == "runs" for shape in shapes):
        return next(shape for shape in shapes if shape.kind == "runs")
    rings: list[Any] = []
    for shape in shapes:
        if shape.kind == "polygons":
            rings += shape.values
        else:
            left, top, right, bottom = shape.values
            rings.append([left, top, right, top, right, bottom, left, bottom])
    return Shape("polygons", rings)
