"""Pictures inside a page, as data URIs within a budget of bytes."""

import base64
from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UnreadableImageError
from objdisc.io.files import encode_image
from objdisc.retrieval import thumbnail

THUMBNAIL = 96  # pixels: a patch in a row is shown at 72, and larger where it is opened
_FRAME_WIDTH = 720  # pixels


class Budget:
    """The number of characters that pictures may still take.

    Args:
        left: Characters to spend.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def pay(self, text: str) -> bool:
        """Subtract a text's length, if that much is left."""
        if len(text) > self.left:
            return False
        self.left -= len(text)
        return True


def embed_patches(
    walls: Sequence[Sequence[int]], images: NDArray[np.uint8], budget: Budget, *, at_most: int
) -> list[list[tuple[int, str]]]:
    """Encode the patches of several walls in turn; when the budget ends, all walls are about equally long.

    Args:
        walls: Rows of ``images`` in the order of their importance, one list a wall.
        images: ``(N, S, S, 4)`` uint8 patches.
        budget: Budget for all patches. A row that is in several walls counts each time.
        at_most: Most patches of a wall.

    Returns:
        For each wall, (row, data URI) of its first patches.
    """
    embedded: list[list[tuple[int, str]]] = [[] for _ in walls]
    for place in range(at_most):
        for rows, wall in zip(walls, embedded, strict=True):
            if place < len(rows):
                uri = jpeg_uri(thumbnail(images[rows[place]], THUMBNAIL), 75)
                if not budget.pay(uri):
                    return embedded
                wall.append((int(rows[place]), uri))
    return embedded


def embed_frames(
    names: Iterable[str], read: Callable[[str], NDArray[np.uint8]], budget: Budget, *, at_most: int
) -> tuple[dict[str, str], list[UnreadableImageError]]:
    """Encode frames, each once, in the order of their importance, until the budget ends.

    Args:
        names: Names of frames; repeated ones are skipped.
        read: Function that returns a frame's picture, ``(H, W, 3)`` uint8 RGB.
        budget: Budget for all frames.
        at_most: Most frames that are tried.

    Returns:
        Name to data URI, and the errors of frames that could not be read.
    """
    embedded: dict[str, str] = {}
    missing = []
    for name in list(dict.fromkeys(names))[:at_most]:
        try:
            picture = read(name)
        except UnreadableImageError as error:
            missing.append(error)
            continue
        scale = min(1.0, _FRAME_WIDTH / picture.shape[1])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        uri = jpeg_uri(np.asarray(small, np.uint8), 72)
        if not budget.pay(uri):
            break
        embedded[name] = uri
    return embedded, missing


def jpeg_uri(picture: NDArray[np.uint8], quality: int) -> str:
    """Encode a picture, ``(H, W, 3)`` uint8 RGB, as ``data:image/jpeg;base64,...``; quality is 0 to 100."""
    data = base64.b64encode(encode_image(picture, ".jpg", jpeg_quality=quality)).decode("ascii")
    return f"data:image/jpeg;base64,{data}"
