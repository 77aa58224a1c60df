"""Outlines: few points that still cover the region."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from objdisc.render.outline import outline
from objdisc.types import Patch, Region


def _patch(mask: NDArray[np.uint8], box: tuple[int, int, int, int]) -> Patch:
    encoded: Any = coco_mask.encode(np.asfortranarray(mask))
    height, width = mask.shape
    region = Region(box, int(mask.sum()), {"size": [height, width], "counts": encoded["counts"].decode()})
    return Patch("frame", (0, 0, 10), (height, width), region)


def _filled(polygons: list[list[int]], size: tuple[int, int]) -> NDArray[np.uint8]:
    drawn = np.zeros(size, np.uint8)
    for points in polygons:
        cv2.fillPoly(drawn, [np.array(points, np.int32).reshape(-1, 2)], (1,))
    return drawn


def test_filled_outline_is_the_region() -> None:
    mask = np.zeros((200, 300), np.uint8)
    cv2.ellipse(mask, (150, 90), (70, 40), 20, 0, 360, (1,), -1)
    cv2.circle(mask, (40, 160), 20, (1,), -1)
    x, y, width, height = cv2.boundingRect(mask)
    polygons = outline(_patch(mask, (x, y, width, height)))
    drawn = _filled(polygons, mask.shape)
    assert (drawn & mask).sum() / (drawn | mask).sum() > 0.97
    assert len(polygons) == 2
    assert sum(map(len, polygons)) < 120
    areas = [cv2.contourArea(np.array(points, np.int32).reshape(-1, 1, 2)) for points in polygons]
    assert areas[0] > areas[1]


def test_specks_are_left_out_and_a_lone_pixel_stays() -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[10:40, 10:40] = mask[50, 50] = 1
    assert len(outline(_patch(mask, (10, 10, 41, 41)))) == 1
    pixel = np.zeros((60, 60), np.uint8)
    pixel[20, 30] = 1
    assert outline(_patch(pixel, (30, 20, 1, 1))) == [[30, 20]]


def test_region_without_mask_is_its_box() -> None:
    patch = Patch("frame", (0, 0, 9), (20, 30), Region((3, 4, 5, 6), 30))
    assert outline(patch) == [[3, 4, 8, 4, 8, 10, 3, 10]]
