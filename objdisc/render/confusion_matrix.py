"""The class x cluster counts as a picture, clusters in the order of the classes that they are matched with."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.text import put_text, shorten, text_width

_CELL, _TEXT, _TITLE, _GAP = 46, 18, 20, 14  # pixels
_NAMES = 240  # pixels of a class name, at most
_INK, _FAINT = (32, 32, 32), (120, 120, 120)
_FULL = np.array([31, 78, 121])  # of a cell that holds all of its class


def confusion_picture(counts: Mapping[str, Sequence[int]], matched: Sequence[str | None]) -> NDArray[np.uint8]:
    """Draw a confusion matrix: a class a row, a cluster a column, shares of the class in percent.

    Clusters stand in the order of their classes, so that agreement is a diagonal; clusters without a class come last.

    Args:
        counts: Patches of each class in each of K clusters.
        matched: ``K`` names of the classes that clusters are matched with one to one; None for a spare cluster.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    classes = list(counts)
    order = sorted(range(len(matched)), key=lambda cluster: _place(matched[cluster], classes))
    left = _GAP + min(max((text_width(name, _TEXT) for name in classes), default=0), _NAMES) + _GAP
    top = _TITLE + 2 * _GAP + _CELL
    size = (top + len(classes) * _CELL + _GAP, max(left + len(order) * _CELL + _GAP, 420), 3)
    canvas = np.full(size, 255, np.uint8)
    title = "percent of each class (rows) in each cluster (columns)"
    put_text(canvas, shorten(title, _TITLE, size[1] - 2 * _GAP), _GAP, _GAP + _TITLE // 2, _TITLE, _INK)
    for column, cluster in enumerate(order):
        _centred(canvas, str(cluster), left + column * _CELL, top - _CELL, _FAINT)
    for row, name in enumerate(classes):
        y = top + row * _CELL
        put_text(canvas, shorten(name, _TEXT, _NAMES), _GAP, y + _CELL // 2, _TEXT, _INK)
        total = max(sum(counts[name]), 1)
        for column, cluster in enumerate(order):
            _draw_cell(canvas, counts[name][cluster] / total, left + column * _CELL, y)
    return canvas


def _place(name: str | None, classes: Sequence[str]) -> int:
    return classes.index(name) if name in classes else len(classes)


def _draw_cell(canvas: NDArray[np.uint8], share: float, x: int, y: int) -> None:
    color = np.rint(255 + share * (_FULL - 255)).astype(int).tolist()
    cv2.rectangle(canvas, (x, y), (x + _CELL - 2, y + _CELL - 2), color, cv2.FILLED)
    if share >= 0.005:
        _centred(canvas, f"{100 * share:.0f}", x, y, (255, 255, 255) if share > 0.5 else _INK)


def _centred(canvas: NDArray[np.uint8], text: str, x: int, y: int, color: tuple[int, int, int]) -> None:
    put_text(canvas, text, x + (_CELL - text_width(text, _TEXT)) // 2, y + _CELL // 2, _TEXT, color)
