"""Writes a small street in the layouts that people have on their disks, so that tests can open each."""

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import name2label
from numpy.typing import NDArray

ROAD, CAR, PERSON = (name2label[name].id for name in ("road", "car", "person"))
SIZE = (24, 32)


def put(path: Path, pixels: NDArray[np.integer] | NDArray[np.floating]) -> Path:
    """Write pixels (colours as RGB, opacity last) and the folders above them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(pixels.shape[-1] if pixels.ndim == 3 else 0)
    assert cv2.imwrite(str(path), pixels if order is None else pixels[..., order])
    return path


def photo(seed: int = 0) -> NDArray[np.uint8]:
    """Make ``(24, 32, 3)`` pixels of noise."""
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def street() -> NDArray[np.uint8]:
    """Make labelIds: road, two cars that touch, and a person."""
    ids = np.full(SIZE, ROAD, np.uint8)
    ids[4:10, 2:18] = CAR
    ids[8:20, 22:26] = PERSON
    return ids


def objects() -> NDArray[np.uint8]:
    """Number the three objects of ``street`` in raster order: the cars 1 and 2, the person 3."""
    numbers = np.zeros(SIZE, np.uint8)
    numbers[4:10, 2:10], numbers[4:10, 10:18], numbers[8:20, 22:26] = 1, 2, 3
    return numbers


def instance_ids(base: int = 1000, first: int = 0) -> NDArray[np.uint16]:
    """Make ids of class * base + number for objects, counted within their class from ``first`` on."""
    ids, numbers = np.zeros(SIZE, np.uint16), objects()
    for number, (class_id, place) in enumerate([(CAR, 0), (CAR, 1), (PERSON, 0)], 1):
        ids[numbers == number] = class_id * base + first + place
    return ids


def polygons() -> Mapping[str, object]:
    """Make the file of polygons that draws ``street``; a deleted one and a group are in it, too."""
    height, width = SIZE

    def box(label: str, x: int, y: int, right: int, bottom: int, deleted: int = 0) -> Mapping[str, object]:
        corners = [[x, y], [right - 1, y], [right - 1, bottom - 1], [x, bottom - 1]]
        return {"label": label, "polygon": corners, "deleted": deleted}

    shapes = [
        box("road", 0, 0, width, height),
        box("bus", 0, 0, 9, 9, deleted=1),
        box("car", 2, 4, 10, 10),
        box("car", 10, 4, 18, 10),
        box("person", 22, 8, 26, 20),
    ]
    return {"imgHeight": height, "imgWidth": width, "objects": shapes}


def write_json(path: Path, document: object) -> Path:
    """Write a document and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
