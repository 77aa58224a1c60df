"""Cityscapes' polygons as maps of labelIds and instanceIds, drawn as cityscapesscripts draws them.

Its ``json2labelImg`` and ``json2instanceImg`` paint the objects of a file in order, each over the earlier ones, with
Pillow's rule for which pixels a polygon covers. They end the process if a label is unknown, so this module draws by
itself.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from cityscapesscripts.helpers.labels import name2label
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from objdisc.errors import UnreadableImageError

_INSTANCE_BASE = 1000  # class id * 1000 + number
_GROUP = "group"
_LARGEST_SIDE = 1 << 15  # pixels; Pillow's own bound of sides that it draws


def draw_label_ids(path: Path) -> NDArray[np.uint8]:
    """Draw the class of every pixel.

    Args:
        path: A ``*_polygons.json``.

    Returns:
        ``(H, W)`` uint8 labelIds, 0 (unlabeled) where no polygon lies.

    Raises:
        UnreadableImageError: The file is not such JSON, or a label is unknown.
    """
    return _drawn(path, with_instances=False).astype(np.uint8)


def draw_instance_ids(path: Path) -> NDArray[np.uint16]:
    """Draw the objects.

    Args:
        path: A ``*_polygons.json``.

    Returns:
        ``(H, W)`` uint16 instanceIds: class id * 1000 + number for objects, the class id for stuff and groups.

    Raises:
        UnreadableImageError: The file is not such JSON, or a label is unknown.
    """
    return _drawn(path, with_instances=True).astype(np.uint16)


def _drawn(path: Path, *, with_instances: bool) -> NDArray[np.int32]:
    document = _read(path)
    try:
        width, height, objects = int(document["imgWidth"]), int(document["imgHeight"]), document["objects"]
        if not (0 < width < _LARGEST_SIDE and 0 < height < _LARGEST_SIDE):
            raise UnreadableImageError(path, f"says that its image has {width}x{height} pixels")
        canvas = Image.new("I", (width, height), name2label["unlabeled"].id)
        drawer, numbers = ImageDraw.Draw(canvas), Counter[str]()
        for each in objects:
            _draw(drawer, each, numbers if with_instances else None, path)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"is no file of polygons ({type(error).__name__}: {error}); expected imgWidth, imgHeight and objects"
        raise UnreadableImageError(path, reason) from error
    return np.asarray(canvas, np.int32)


def _draw(drawer: ImageDraw.ImageDraw, each: dict[str, Any], numbers: Counter[str] | None, path: Path) -> None:
    """Paint one object; ``numbers`` counts those of each class if objects get numbers."""
    if each.get("deleted"):
        return
    name = str(each["label"])
    is_group = name not in name2label and name.endswith(_GROUP)
    label = name2label.get(name.removesuffix(_GROUP) if is_group else name)
    if label is None:
        raise UnreadableImageError(path, f"holds the label {name!r}, which Cityscapes lacks")
    value = label.id
    if numbers is not None and label.hasInstances and not is_group:
        value = value * _INSTANCE_BASE + numbers[label.name]
        numbers[label.name] += 1
    points = [(point[0], point[1]) for point in each["polygon"]]
    if value >= 0 and len(points) >= 2:  # Pillow draws two points as a line, and refuses fewer
        drawer.polygon(points, fill=value)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableImageError(path, f"cannot be read as JSON ({error})") from error
    if not isinstance(document, dict):
        raise UnreadableImageError(path, "is no file of polygons; expected imgWidth, imgHeight and objects")
    return document
