"""A sheet of a few images with the regions found in them, each outlined in a colour of its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.colors import cluster_colors
from objdisc.imaging.text import put_text, shorten
from objdisc.inference.stitching import footprint
from objdisc.types import Region

_COLUMNS = 3
_WIDTH, _HEIGHT, _GAP, _TEXT = 480, 360, 12, 16  # pixels
_INK = (32, 32, 32)
_MAX_COLORS = 12


@dataclass(frozen=True)
class InspectedImage:
    """One image of the sheet.

    Attributes:
        title: Its name, and a summary of the finds.
        image: ``(H, W, 3)`` uint8 RGB.
        regions: The regions found in it.
        labels: ``(H, W)`` ids of classes whose borders are drawn in white; None for no classes.
    """

    title: str
    image: NDArray[np.uint8]
    regions: Sequence[Region]
    labels: NDArray[np.uint8] | None = None


def inspection_sheet(images: Sequence[InspectedImage]) -> NDArray[np.uint8]:
    """Draw one or more images beside each other, in the given order.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    pictures = [_drawn(each) for each in images]
    rows = [range(start, min(start + _COLUMNS, len(images))) for start in range(0, len(images), _COLUMNS)]
    heights = [max(pictures[place].shape[0] for place in row) + 2 * _TEXT + _GAP for row in rows]
    width = _GAP + min(_COLUMNS, len(images)) * (_WIDTH + _GAP)
    canvas = np.full((_GAP + sum(heights), width, 3), 255, np.uint8)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, place in enumerate(row):
            x, picture = _GAP + column * (_WIDTH + _GAP), pictures[place]
            canvas[top : top + picture.shape[0], x : x + picture.shape[1]] = picture
            put_text(canvas, shorten(images[place].title, _TEXT, _WIDTH), x, top + height - _GAP - _TEXT, _TEXT, _INK)
        top += height
    return canvas


def _drawn(each: InspectedImage) -> NDArray[np.uint8]:
    """Fit an image into its cell and outline its regions, with lines of the same width in every cell."""
    height, width = each.image.shape[:2]
    factor = min(_WIDTH / width, _HEIGHT / height)
    picture, labels = _resized(each, factor)
    if labels is not None:
        edges = np.zeros(labels.shape, np.bool_)
        edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
        edges[1:] |= labels[1:] != labels[:-1]
        picture[edges] = 255
    colors = cluster_colors(_MAX_COLORS)
    for number, region in enumerate(sorted(each.regions, key=lambda region: -region.area)):
        color = tuple(map(int, colors[number % _MAX_COLORS]))
        for outline in _outlines(region, (height, width)):
            points = np.rint(outline * factor).astype(np.int32)
            cv2.polylines(picture, [points], True, (0, 0, 0), 4, cv2.LINE_AA)
            cv2.polylines(picture, [points], True, color, 2, cv2.LINE_AA)
    return picture


def _resized(each: InspectedImage, factor: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Scale an image and its labels together: pixels are averaged, ids are sampled."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or it asks the network for a newer release
    import albumentations

    height, width = (max(round(side * factor), 1) for side in each.image.shape[:2])
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    resize = albumentations.Resize(height, width, interpolation=way, mask_interpolation=cv2.INTER_NEAREST)
    given = {"image": each.image} if each.labels is None else {"image": each.image, "mask": each.labels}
    found = resize(**given)
    return np.array(found["image"], np.uint8), found.get("mask")


def _outlines(region: Region, frame: tuple[int, int]) -> list[NDArray[np.float64]]:
    x, y, width, height = region.box
    if region.mask is None:
        return [np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float64)]
    rows, columns, mask = footprint(region, frame)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array([columns.start, rows.start], np.float64)
    return [contour[:, 0] + corner for contour in contours]
