"""From a part of any image to a patch in the form of the run's own objects."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.imaging.masks import encode_mask, inscribed_ellipse
from objdisc.patches.windows import PatchOptions, cut_region
from objdisc.types import Region

Box = tuple[int, int, int, int]


def query_region(frame: tuple[int, int], box: Box | None, *, outlines: bool) -> Region:
    """Turn a box into a region that is as similar as possible to those that the run was trained on.

    If those are outlines of objects, the outline is the ellipse inscribed in the box, as with boxes of annotation
    files: its surroundings are blanked or dimmed as the run's settings say, and the patch gets the same margin as
    theirs. If the run's regions are windows, the box is taken as a window. The whole image is never reduced to an
    ellipse.

    Args:
        frame: ``(height, width)`` of the image in pixels.
        box: ``(x, y, width, height)`` in pixels; None for the whole image.
        outlines: ``PatchStore.outlines`` of the run's patches.

    Raises:
        UsageError: The box reaches over the image's border, or holds no pixel.
    """
    height, width = frame
    x, y, w, h = (0, 0, width, height) if box is None else box
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
        raise UsageError(f"--box {x},{y},{w},{h}: not inside the image, which is {width} x {height} pixels.")
    region = Region((x, y, w, h), w * h)
    if not outlines:
        return region
    return replace(region, mask=encode_mask(np.ones(frame, np.bool_)) if box is None else inscribed_ellipse(box, frame))


def query_patch(image: NDArray[np.uint8], region: Region, options: PatchOptions) -> NDArray[np.uint8]:
    """Cut out a region as a ``PatchStore`` would.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        region: As ``query_region`` makes it.
        options: Options of the run.

    Returns:
        ``(S, S, 4)`` uint8, RGB and mask.
    """
    return cut_region(image, region, options)[1]
