"""From what a method says about patches back to full-frame maps."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import ObjdiscError
from objdisc.objectness.masks import decode_crop
from objdisc.types import Patch, Region, SegmentationMap

Footprint = tuple[slice, slice, NDArray[np.bool_]]


def footprint(region: Region, frame: tuple[int, int]) -> Footprint:
    """Say which pixels of the frame a region covers: those of its mask, or its whole box where it has no mask.

    Args:
        region: The region; whatever of its box lies outside the frame is cut off.
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

    Every object patch fills its region with its most probable cluster. Where regions overlap, the more confident
    patch wins, and of two equally confident ones the earlier. Background patches paint nothing.

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
    if not np.isfinite(probabilities).all():
        raise ObjdiscError(f"{sample}: a cluster probability is not finite; the run's weights are broken, train again")
    clusters = np.full(frame, -1, np.int16)
    confidence = np.zeros(frame, np.float32)
    if len(patches):
        best, peak = probabilities.argmax(axis=1), probabilities.max(axis=1)
        # The winner is painted last: ascending confidence, and ties from the last patch to the first
        for row in np.argsort(-peak, kind="stable")[::-1]:
            region = patches[int(row)].region
            if region.foreground:
                rows, columns, mask = footprint(region, frame)
                clusters[rows, columns][mask] = best[row]
                confidence[rows, columns][mask] = peak[row]
    return SegmentationMap(sample, clusters, confidence)


def label_map(segmentation: SegmentationMap, cluster_to_label: Mapping[int, int]) -> NDArray[np.uint8]:
    """Turn cluster ids into label ids.

    Args:
        segmentation: A map of cluster ids.
        cluster_to_label: Cluster id to label id in [0, 255], such as ``evaluation.matching.label_mapping`` gives.

    Returns:
        ``(H, W)`` label ids; 0 where nothing was found and for clusters that match nothing.
    """
    largest = max([int(segmentation.clusters.max(initial=-1)), *cluster_to_label])
    labels = np.zeros(largest + 2, np.uint8)  # row 0 is cluster -1: nothing found
    for cluster, label in cluster_to_label.items():
        labels[cluster + 1] = label
    return labels[segmentation.clusters + 1]
