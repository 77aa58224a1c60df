"""How far regions of one image overlap."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from objdisc.imaging.masks import encode_crop
from objdisc.types import Region, RunLengthMask


def mask_of(region: Region, frame: tuple[int, ...]) -> RunLengthMask:
    """Return the mask of a region, or of its box if it has none.

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


def share_inside(regions: Sequence[Region], others: Sequence[Region], frame: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the share ``(regions,)`` of each region that others cover; a region without a mask is its box.

    Args:
        regions: Regions of one image.
        others: Regions of the same image.
        frame: ``(H, W)`` of the image in pixels.
    """
    if not regions or not others:
        return np.zeros(len(regions))
    covered = coco_mask.merge([mask_of(region, frame) for region in others])
    # as for a crowd, the union is the first region alone
    shares = coco_mask.iou([mask_of(region, frame) for region in regions], [covered], [1])
    return np.asarray(shares[:, 0], np.float64)


def distinct(overlaps: NDArray[np.floating], order: Iterable[int], most_overlap: float) -> list[int]:
    """Choose regions so that none overlaps an earlier one too much (non-maximum suppression).

    Args:
        overlaps: ``(n, n)`` intersection over union of n regions.
        order: Their numbers, the best first.
        most_overlap: Overlap above which the later of two regions is left out, 0 to 1.

    Returns:
        Numbers of the regions that are kept, in order.
    """
    kept: list[int] = []
    for number in order:
        if not (overlaps[number, kept] > most_overlap).any():
            kept.append(number)
    return kept
