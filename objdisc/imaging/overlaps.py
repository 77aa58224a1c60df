"""How far regions of one image lie over each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from objdisc.imaging.masks import encode_crop
from objdisc.types import Region, RunLengthMask


def mask_of(region: Region, frame: tuple[int, ...]) -> RunLengthMask:
    """Return the mask of a region; that of its box where it has none.

    Args:
        region: The region.
        frame: ``(H, W)`` of its image in pixels.
    """
    if region.mask is not None:
        return region.mask
    x, y, width, height = region.box
    return encode_crop(np.ones((height, width), np.bool_), (x, y), (frame[0], frame[1]))


def overlap(regions: Sequence[Region], others: Sequence[Region], frame: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the intersection over union ``(regions, others)`` of masks; a region without a mask is its box.

    Args:
        regions: Regions of one image.
        others: Regions of the same image.
        frame: ``(H, W)`` of the image in pixels.
    """
    if not regions or not others:
        return np.zeros((len(regions), len(others)))
    masks = ([mask_of(region, frame) for region in group] for group in (regions, others))
    return np.asarray(coco_mask.iou(*masks, [0] * len(others)), np.float64)
