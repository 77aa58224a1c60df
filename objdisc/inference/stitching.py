"""From predictions of patches back to full-frame maps."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import ObjdiscError
from objdisc.imaging.masks import decode_crop
from objdisc.types import NOTHING, UNKNOWN, Patch, Region, SegmentationMap

Footprint = tuple[slice, slice, NDArray[np.bool_]]


def footprint(region: Region, frame: tuple[int, int]) -> Footprint:
    """Return the pixels of the frame that a region covers: those of its mask, or its whole box if it has no mask.

    Args:
        region: The region; parts of its box outside the frame are cut off.
        frame: ``(height, width)`` in pixels.

    Returns:
        Rows, columns, and the ``(rows, columns)`` bool mask inside them.

    Raises:
        ObjdiscError: The region's mask has another size than the frame.
    """
    x, y, width, height = region.box
    top, left = max(y, 0), max(x, 0)
    bottom, right = max(min(y + height, frame[0]), top), max(min(x + width, frame[1]), left)
    rows, columns = slice(top, bottom), slice(left, right)
    if region.mask is None:
        return rows, columns, np.ones((bottom - top, right - left), np.bool_)
    if tuple(region.mask["size"]) != tuple(frame):
        raise ObjdiscError(
            f"a region's mask is {tuple(region.mask['size'])} pixels, its frame {tuple(frame)}; "
            "rebuild the patch store from masks of the image's size"
        )
    return rows, columns, decode_crop(region.mask, (left, top, right - left, bottom - top))


def stitch(
    frame: tuple[int, int], patches: Sequence[Patch], probabilities: NDArray[np.float32], sample: str
) -> SegmentationMap:
    """Paint the clusters of one image's patches into its frame.

    Every object patch fills its region with its most probable cluster. Where regions overlap, the more confident patch
    wins; if two are equally confident, the earlier one. Background patches paint nothing.

    Args:
        frame: ``(height, width)`` of the image in pixels.
        patches: The image's n patches.
        probabilities: ``(n, K)`` cluster probabilities, row i for patch i.
        sample: ``Sample.name`` of the image.

    Returns:
        The map; -1 and confidence 0 where no object patch lies.

    Raises:
        ValueError: The lengths differ.
        ObjdiscError: A probability is not finite, or a mask has another size than the frame.
    """
    if len(patches) != len(probabilities):
        raise ValueError(f"{sample}: {len(patches)} patches, but probabilities for {len(probabilities)}")
    if not len(patches):
        return paint_regions(frame, [], [], [], sample)
    regions = [patch.region for patch in patches]
    return paint_regions(frame, regions, probabilities.argmax(axis=1), probabilities.max(axis=1), sample)


def paint_regions(
    frame: tuple[int, int],
    regions: Sequence[Region],
    clusters: Sequence[int] | NDArray[np.integer],
    confidence: Sequence[float] | NDArray[np.floating],
    sample: str,
) -> SegmentationMap:
    """Paint regions with known clusters into their frame, as ``stitch`` describes.

    Regions of annotation files may nest, such as a wheel in a car: then the smaller one wins, regardless of confidence.

    Args:
        frame: ``(height, width)`` of the image in pixels.
        regions: The image's n regions.
        clusters: ``(n,)`` their clusters; ``UNKNOWN`` gives way to every other cluster.
        confidence: ``(n,)`` the probabilities of the clusters.
        sample: ``Sample.name`` of the image.

    Raises:
        ObjdiscError: A probability is not finite, or a mask has another size than the frame.
    """
    chosen, sure = np.asarray(clusters, np.int16), np.asarray(confidence, np.float32)
    if not np.isfinite(sure).all():
        raise ObjdiscError(f"{sample}: a cluster probability is not finite; the run's weights are broken, train again")
    sure = np.where(chosen == UNKNOWN, np.float32(0), sure)
    painted = np.full(frame, NOTHING, np.int16)
    peaks = np.zeros(frame, np.float32)
    nested = any(region.source_id is not None for region in regions)
    gives_way = np.array([region.area for region in regions]) if nested else -sure
    if nested:
        gives_way = np.where(chosen == UNKNOWN, np.iinfo(np.int64).max, gives_way)
    # The winner is painted last, and of equal ones the first
    for row in np.argsort(gives_way, kind="stable")[::-1]:
        region = regions[int(row)]
        if region.foreground:
            rows, columns, mask = footprint(region, frame)
            painted[rows, columns][mask] = chosen[row]
            peaks[rows, columns][mask] = sure[row]
    return SegmentationMap(sample, painted, peaks)


def label_map(segmentation: SegmentationMap, cluster_to_label: Mapping[int, int]) -> NDArray[np.uint8]:
    """Turn cluster ids into label ids.

    Args:
        segmentation: A map of cluster ids.
        cluster_to_label: Cluster id to label id in [0, 255], such as ``evaluation.matching.label_mapping`` gives.

    Returns:
        ``(H, W)`` label ids; 0 where nothing was found, for unknown objects, and for unmatched clusters.
    """
    largest = max([int(segmentation.clusters.max(initial=NOTHING)), *cluster_to_label])
    labels = np.zeros(largest + 1 - UNKNOWN, np.uint8)  # the first rows are no clusters
    for cluster, label in cluster_to_label.items():
        labels[cluster - UNKNOWN] = label
    return labels[segmentation.clusters - UNKNOWN]
