"""From a part of any image to a patch that a run's method sees as it saw its own objects."""

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.imaging.crops import cut
from objdisc.objectness.base import encode_mask
from objdisc.patches.windows import PatchOptions, object_window
from objdisc.types import Region

Box = tuple[int, int, int, int]


def query_region(frame: tuple[int, int], box: Box | None, *, outlines: bool) -> Region:
    """Make a region of a box, as near as a box comes to the regions that the run was trained on.

    Where those are outlines of objects, the box is the outline: what lies around it is blanked or dimmed as the run's
    settings say, and the patch has the margin of theirs. (Measured on CamVid against the true outlines: of boxes read
    this way 89 % fall into the object's own cluster, of boxes shown with everything in and around them 40 %.) Where the
    run's regions are boxes themselves, a box is one of them.

    Args:
        frame: ``(height, width)`` of the image in pixels.
        box: ``(x, y, width, height)`` in pixels; None for the whole image.
        outlines: ``ObjectnessSource.outlines`` of the run's source.

    Raises:
        UsageError: The box reaches over the image's border, or holds no pixel.
    """
    height, width = frame
    x, y, w, h = (0, 0, width, height) if box is None else box
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
        raise UsageError(f"--box {x},{y},{w},{h}: not inside the image, which is {width} x {height} pixels.")
    if not outlines:
        return Region((x, y, w, h), w * h)
    mask = np.zeros(frame, np.bool_)
    mask[y : y + h, x : x + w] = True
    return Region((x, y, w, h), w * h, encode_mask(mask))


def query_patch(image: NDArray[np.uint8], region: Region, options: PatchOptions) -> NDArray[np.uint8]:
    """Cut a region out as a ``PatchStore`` would.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        region: As ``query_region`` makes it.
        options: Options of the run.

    Returns:
        ``(S, S, 4)`` uint8, RGB and mask.
    """
    return cut(image, object_window(region, options.context), region, options.size)
