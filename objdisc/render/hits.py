"""Pictures of a search: the query, the finds, and each find in its frame."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.colors import Color
from objdisc.imaging.masks import decode_crop
from objdisc.imaging.text import put_text, shorten, text_width
from objdisc.retrieval.ranking import thumbnail
from objdisc.types import Region

_COLUMNS = 8
_THUMBNAIL, _QUERY = 112, 168  # pixels
_GAP = 10  # pixels
_TITLE, _TEXT, _CAPTION = 22, 16, 14  # pixels of text
_INK, _FAINT, _WHITE = (32, 32, 32), (100, 100, 100), (255, 255, 255)
_DIMMED = 0.7  # what is left of the brightness of a frame around the finds


def hit_sheet(
    title: str,
    lines: Sequence[str],
    query: NDArray[np.uint8] | None,
    patches: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    colors: Sequence[Color],
) -> NDArray[np.uint8]:
    """Draw a query above its finds, best first.

    Args:
        title: First line.
        lines: Further lines about the query.
        query: ``(S, S, 4)`` uint8 patch; None if the query was a cluster.
        patches: The finds, ``(S, S, 4)`` uint8 each.
        captions: Text below each find.
        colors: Colour of each find's cluster, RGB, for its border.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    width = _GAP + _COLUMNS * (_THUMBNAIL + _GAP)
    left = _GAP if query is None else 2 * _GAP + _QUERY
    height = max(2 * _GAP + (_QUERY if query is not None else 0), 2 * _GAP + _TITLE + len(lines) * (_TEXT + _GAP))
    head = np.full((height + _GAP, width, 3), 255, np.uint8)
    if query is not None:
        head[_GAP : _GAP + _QUERY, _GAP : _GAP + _QUERY] = thumbnail(query, _QUERY)
    room = width - left - _GAP
    put_text(head, shorten(title, _TITLE, room, bold=True), left, _GAP + _TITLE // 2, _TITLE, _INK, bold=True)
    for number, line in enumerate(lines):
        middle = 2 * _GAP + _TITLE + number * (_TEXT + _GAP) + _TEXT // 2
        put_text(head, shorten(line, _TEXT, room), left, middle, _TEXT, _FAINT)
    pitch = _THUMBNAIL + _CAPTION + _GAP
    body = np.full((-(-len(patches) // _COLUMNS) * pitch + _GAP, width, 3), 255, np.uint8)
    for place, (patch, caption, color) in enumerate(zip(patches, captions, colors, strict=True)):
        line_number, column = divmod(place, _COLUMNS)
        y, x = line_number * pitch, _GAP + column * (_THUMBNAIL + _GAP)
        body[y : y + _THUMBNAIL, x : x + _THUMBNAIL] = color
        body[y + 3 : y + _THUMBNAIL - 3, x + 3 : x + _THUMBNAIL - 3] = thumbnail(patch, _THUMBNAIL - 6)
        text = shorten(caption, _CAPTION, _THUMBNAIL)
        put_text(body, text, x + 2, y + _THUMBNAIL + _CAPTION // 2 + 3, _CAPTION, _FAINT)
    return np.concatenate([head, body])


def draw_hits(
    image: NDArray[np.uint8], regions: Sequence[Region], labels: Sequence[str], colors: Sequence[Color]
) -> NDArray[np.uint8]:
    """Draw finds into their frame: the surroundings are dimmed, and each find has an outline, a box and a label.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        regions: The finds in this frame, best first.
        labels: Text under each, such as its rank.
        colors: Colour of each, RGB.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    inside = np.zeros(image.shape[:2], np.uint8)
    outlines = [_mask_in_box(region, image.shape[:2]) for region in regions]
    for rows, columns, mask in outlines:
        inside[rows, columns] |= mask
    picture = np.where(inside[..., None] > 0, image, _DIMMED * image).astype(np.uint8)
    thickness = max(2, round(image.shape[1] / 500))
    for (rows, columns, mask), region, color in zip(outlines, regions, colors, strict=True):
        offset = (columns.start, rows.start)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=offset)
        cv2.drawContours(picture, contours, -1, color, thickness)
        if region.mask is not None:
            x, y, width, height = region.box
            cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), color, 1)
    size = max(14, round(image.shape[1] / 50))  # pixels of text
    # the best find's label lies above those of the others
    for region, label, color in reversed(list(zip(regions, labels, colors, strict=True))):
        _put_label(picture, region, label, color, size)
    return picture


def _mask_in_box(region: Region, frame: tuple[int, ...]) -> tuple[slice, slice, NDArray[np.uint8]]:
    """Return rows, columns and mask (0 or 1) of the part of a region inside the frame."""
    x, y, width, height = region.box
    left, top = max(x, 0), max(y, 0)
    right, bottom = max(min(x + width, frame[1]), left), max(min(y + height, frame[0]), top)
    rows, columns = slice(top, bottom), slice(left, right)
    if region.mask is None or tuple(region.mask["size"]) != tuple(frame):
        return rows, columns, np.ones((bottom - top, right - left), np.uint8)
    crop = decode_crop(region.mask, (left, top, right - left, bottom - top))
    return rows, columns, np.ascontiguousarray(crop, np.uint8)


def _put_label(picture: NDArray[np.uint8], region: Region, label: str, color: Color, size: int) -> None:
    width, height = text_width(label, size, bold=True) + size // 2, round(1.4 * size)
    x = min(max(region.box[0], 0), max(picture.shape[1] - width, 0))
    # above the box, or in it where the frame ends
    y = region.box[1] - height if region.box[1] >= height else max(region.box[1], 0)
    picture[y : y + height, x : x + width] = color
    ink = _INK if sum(color) > 330 else _WHITE
    put_text(picture, label, x + size // 4, y + height // 2, size, ink, bold=True)
