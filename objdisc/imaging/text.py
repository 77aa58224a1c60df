"""Text in pictures, of any script and height; only this module knows the font."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.colors import Color


@lru_cache(maxsize=1)
def _font() -> cv2.FontFace:
    # Comes with OpenCV 5 and has Latin, Greek, Cyrillic and Chinese letters: folders, so classes, are named in any.
    return cv2.FontFace("uni")


def text_width(text: str, height: int, *, bold: bool = False) -> int:
    """Width in pixels of a line of text that is ``height`` pixels high."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), _font(), height, 700 if bold else 400)[2])


def shorten(text: str, height: int, width: int, *, bold: bool = False) -> str:
    """Cut a line so that it takes at most ``width`` pixels, with an ellipsis if something is lost."""
    if text_width(text, height, bold=bold) <= width:
        return text
    length = len(text)
    while length and text_width(text[:length] + "…", height, bold=bold) > width:
        length -= 1
    return text[:length].rstrip() + "…"


def put_text(
    canvas: NDArray[np.uint8], text: str, left: int, middle: int, height: int, color: Color, *, bold: bool = False
) -> None:
    """Write one line into a picture, in place.

    Args:
        canvas: ``(H, W, 3)`` uint8.
        text: The line.
        left: Where it starts, in pixels.
        middle: Height of its middle above the baseline, in pixels from the top.
        height: Height of the letters with ascenders and descenders, in pixels.
        color: Colour in the channel order of the canvas.
        bold: Whether the strokes are thick.
    """
    baseline = middle + round(0.36 * height)
    cv2.putText(canvas, text, (left, baseline), color, _font(), height, 700 if bold else 400)
