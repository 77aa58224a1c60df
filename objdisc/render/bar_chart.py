"""Bars with their spread, as a picture: one row a thing that is compared, one column a number."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.text import put_text, shorten, text_width

_TEXT, _TITLE, _TICK = 26, 28, 20  # heights of letters in pixels
_ROW, _BAR = 52, 26
_NAMES, _COLUMN, _GAP = 520, 330, 40  # widths; of a name at most
_VALUE = 120  # beside the longest bar
_MARGIN = 28
_INK, _FAINT, _FILL, _SPREAD = (40, 40, 40), (225, 225, 225), (86, 150, 200), (25, 25, 25)


@dataclass(frozen=True)
class Bar:
    """A number with its spread.

    Attributes:
        value: Length of the bar, from 0.
        low: Where the whisker starts.
        high: Where it ends.
        text: What stands beside it.
    """

    value: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class BarColumn:
    """One number of all rows.

    Attributes:
        title: Above it.
        bars: One a row; None where there is none.
        full: What a bar of full length stands for; None: the largest value in the column.
    """

    title: str
    bars: Sequence[Bar | None]
    full: float | None = None


def bar_chart(title: str, names: Sequence[str], columns: Sequence[BarColumn]) -> NDArray[np.uint8]:
    """Draw columns of bars side by side; a row without a number shows a dash.

    Args:
        title: Above everything.
        names: Names of the rows, from the top; long ones are shortened.
        columns: From the left; each has as many bars as there are rows.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    name_width = min(max((text_width(name, _TEXT) for name in names), default=0), _NAMES)
    left = _MARGIN + name_width + _GAP
    top = _MARGIN + 2 * _ROW
    width = left + len(columns) * (_COLUMN + _GAP) - _GAP + _MARGIN
    canvas = np.full((top + (len(names) + 1) * _ROW, width, 3), 255, np.uint8)
    put_text(canvas, shorten(title, _TITLE, width - 2 * _MARGIN), _MARGIN, _MARGIN + _ROW // 2, _TITLE, _INK, bold=True)
    for row, name in enumerate(names):
        put_text(canvas, shorten(name, _TEXT, name_width), _MARGIN, _middle(top, row), _TEXT, _INK)
    for number, column in enumerate(columns):
        start = left + number * (_COLUMN + _GAP)
        put_text(
            canvas, shorten(column.title, _TEXT, _COLUMN, bold=True), start, top - _ROW // 2, _TEXT, _INK, bold=True
        )
        _draw_column(canvas, column, start, top)
    return canvas


def _middle(top: int, row: int) -> int:
    return top + row * _ROW + _ROW // 2


def _draw_column(canvas: NDArray[np.uint8], column: BarColumn, left: int, top: int) -> None:
    room = _COLUMN - _VALUE
    full = column.full or max((bar.high for bar in column.bars if bar is not None), default=0.0) or 1.0

    def along(value: float) -> int:
        return left + round(room * min(max(value / full, 0.0), 1.0))

    bottom = top + len(column.bars) * _ROW
    for value in (0.0, full / 2, full) if column.full else (0.0,):
        cv2.line(canvas, (along(value), top), (along(value), bottom), _FAINT, 2)
        label = f"{value:g}"
        put_text(canvas, label, along(value) - text_width(label, _TICK) // 2, bottom + _ROW // 3, _TICK, _INK)
    for row, bar in enumerate(column.bars):
        middle = _middle(top, row)
        if bar is None:
            put_text(canvas, "–", left + 6, middle, _TEXT, _INK)
            continue
        upper, lower = middle - _BAR // 2, middle + _BAR // 2
        cv2.rectangle(canvas, (left, upper), (along(bar.value), lower), _FILL, cv2.FILLED)
        if bar.high > bar.low:
            low, high = along(bar.low), along(bar.high)
            cv2.line(canvas, (low, middle), (high, middle), _SPREAD, 3)
            for end in (low, high):
                cv2.line(canvas, (end, middle - 8), (end, middle + 8), _SPREAD, 3)
        text_left = max(along(bar.value), along(bar.high)) + 10
        put_text(canvas, shorten(bar.text, _TEXT, left + _COLUMN - text_left), text_left, middle, _TEXT, _INK)
