"""Square windows around regions, with context, and background windows that touch no region."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.imaging.crops import Window, cut
from objdisc.imaging.masks import decode_box
from objdisc.types import Region

__all__ = ["PatchOptions", "Window", "background_windows", "cut", "cut_region", "object_window"]

_DEFAULT_SIDES = (0.1, 0.2, 0.3)  # background windows of an image without objects, in fractions of its shorter side
_TRIES = 16  # random places for a background window before all places are looked at


@dataclass(frozen=True)
class PatchOptions:
    """How patches are cut.

    Attributes:
        size: Side of a patch in pixels.
        context: Margin on every side of an object's box, in percent of the box's longer side.
        min_area: Least number of pixels of an object's mask; smaller ones are neither object nor background.
        background_ratio: Background windows per object window, rounded, and at least 1 in an image if there is room; 0
            for none.
    """

    size: int = 96
    context: float = 10.0
    min_area: int = 400
    background_ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            UsageError: A value is out of its range.
        """
        if self.size < 1:
            raise UsageError(f"patch size {self.size}: give a side of at least 1 pixel.")
        for name, value in (("context", self.context), ("background_ratio", self.background_ratio)):
            if not 0 <= value < float("inf"):
                raise UsageError(f"{name} {value}: give 0 or more.")
        if self.min_area < 0:
            raise UsageError(f"min_area {self.min_area}: give a number of pixels, 0 or more.")


def object_window(region: Region, context: float) -> Window:
    """Frame a region with a square.

    The margin is ``context`` percent of the box's longer side, rounded half up to whole pixels; the side is the longer
    side plus two margins. The box sits in the middle; an odd pixel of slack goes right or below.

    Args:
        region: The region. With a mask, the window gets the margin; without, the box itself is the view and gets none.
            A region that gives its window gets that window.
        context: Percent of the box's longer side.

    Returns:
        ``(x, y, side)`` in pixels; it may reach over the frame's border.
    """
    if region.window is not None:
        return region.window
    x, y, width, height = region.box
    longer = max(width, height)
    margin = int(longer * context / 100 + 0.5) if region.mask is not None else 0
    side = longer + 2 * margin
    return x - (side - width) // 2, y - (side - height) // 2, side


def cut_region(image: NDArray[np.uint8], region: Region, options: PatchOptions) -> tuple[Window, NDArray[np.uint8]]:
    """Cut the patch of a region.

    Args:
        image: ``(H, W, C)`` uint8, RGB first.
        region: As ``ObjectnessSource.outlined`` gives it.
        options: How patches are cut.

    Returns:
        ``(x, y, side)`` of its window in pixels, and the ``(S, S, C + 1)`` uint8 patch, its mask last.
    """
    window = object_window(region, options.context)
    return window, cut(image, window, region, options.size)


def background_windows(
    regions: Sequence[Region], frame: tuple[int, int], options: PatchOptions, rng: random.Random
) -> list[Region]:
    """Draw square windows inside the frame that share no pixel with any region; they may overlap each other.

    Args:
        regions: All regions of the image, also those below ``min_area``: a small object is not background.
        frame: ``(H, W)`` in pixels.
        options: The number of windows is ``background_ratio`` times that of the regions of at least ``min_area``
            pixels. Their sides are drawn from the sides of these regions' windows, at most the frame's shorter side. If
            none of those fits anywhere, one window of a tenth of the shorter side is tried.
        rng: Random generator; the same state gives the same windows.

    Returns:
        Regions without mask, with ``foreground=False`` and score 0; fewer than asked for if there is no room.
    """
    if options.background_ratio == 0:
        return []
    objects = [region for region in regions if region.foreground and region.area >= options.min_area]
    wanted = max(1, int(len(objects) * options.background_ratio + 0.5))
    shorter = min(frame)
    choices = [min(object_window(region, options.context)[2], shorter) for region in objects]
    choices = choices or [max(1, round(fraction * shorter)) for fraction in _DEFAULT_SIDES]
    space = _FreeSpace(regions, frame, options.min_area)
    sides = rng.choices(choices, k=wanted)
    windows = _draw(space, sides, rng)
    # A crowded image may have room for a smaller square only; one of them is better than no background at all.
    for side in (min(choices), max(1, round(_DEFAULT_SIDES[0] * shorter))):
        windows = windows or _draw(space, [side], rng)
    return [Region((x, y, s, s), s * s, foreground=False, score=0.0) for x, y, s in windows]


class _FreeSpace:
    """The parts of a frame without regions; a region too small for a patch takes up its whole box.

    Attributes:
        frame: ``(H, W)`` in pixels.
        too_large: Side of the smallest square that is known to fit nowhere.
    """

    def __init__(self, regions: Sequence[Region], frame: tuple[int, int], min_area: int) -> None:
        self.frame = frame
        self.too_large = min(frame) + 1
        self._taken = np.zeros(frame, dtype=np.uint8)
        for region in regions:
            x, y, width, height = region.box
            part = self._taken[max(y, 0) : y + height, max(x, 0) : x + width]
            if region.mask is None or region.area < min_area:
                part[...] = 1
            else:
                part |= decode_box(region.mask["counts"], frame[0], region.box).view(np.uint8)

    def holds(self, x: int, y: int, side: int) -> bool:
        """Say whether a square inside the frame shares no pixel with any region."""
        return not cv2.hasNonZero(self._taken[y : y + side, x : x + side])

    @cached_property
    def _covered(self) -> NDArray[np.int32]:
        """``(H + 1, W + 1)``: ``[y, x]`` = taken pixels above and left."""
        return cv2.integral(self._taken).astype(np.int32, copy=False)

    def corners(self, side: int) -> NDArray[np.int64]:
        """Return the positions, ``y * (W + 1 - side) + x``, of all free squares of a side of at most the frame's."""
        covered = self._covered
        inside = covered[side:, side:] - covered[:-side, side:] - covered[side:, :-side] + covered[:-side, :-side]
        return np.flatnonzero(inside == 0)


def _draw(space: _FreeSpace, sides: Sequence[int], rng: random.Random) -> list[Window]:
    """Draw a free square of each side; sides without a free square are left out."""
    height, width = space.frame
    windows: list[Window] = []
    for side in sides:
        if side >= space.too_large:
            continue
        rows, columns = height + 1 - side, width + 1 - side
        tries = ((int(rng.random() * columns), int(rng.random() * rows)) for _ in range(_TRIES))
        corner = next((place for place in tries if space.holds(*place, side)), None)
        if corner is None:
            free = space.corners(side)
            if free.size:
                y, x = divmod(int(free[rng.randrange(free.size)]), columns)
                corner = (x, y)
            else:
                space.too_large = side
        if corner is not None:
            windows.append((*corner, side))
    return windows
