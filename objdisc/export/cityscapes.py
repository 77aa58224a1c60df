"""Maps as 8-bit PNG files, as the Cityscapes evaluator and viewers read them.

``labelIds/`` must hold nothing but labelIds maps: the official evaluator searches it recursively for
``<city>_<seq>_<frame>*.png`` and stops on a second match, so coloured and cluster-id maps go to folders beside it.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.evaluation.segmentation import prediction_path
from objdisc.run import write_image
from objdisc.types import SegmentationMap

Color = tuple[int, int, int]


def write_label_ids(folder: Path, sample: str, label_ids: NDArray[np.uint8]) -> Path:
    """Write a labelIds map: regular ids (not trainIds), one 8-bit channel, the image's size.

    Args:
        folder: The ``labelIds`` folder; made if missing.
        sample: ``Sample.name``; ``/`` in it makes subfolders.
        label_ids: ``(H, W)`` ids, 0 where nothing was found, as ``stitching.label_map`` returns them.

    Returns:
        The file, ``<folder>/<sample>_labelIds.png``.

    Raises:
        ObjdiscError: The file cannot be written.
    """
    path = prediction_path(folder, sample)
    write_image(path, label_ids)
    return path


def write_cluster_ids(folder: Path, segmentation: SegmentationMap, num_clusters: int) -> Path:
    """Write a map of cluster ids; the largest value of the file's depth stands for "nothing found".

    Args:
        folder: A folder other than ``labelIds``; made if missing.
        segmentation: The map.
        num_clusters: K. Up to 255 the file has 8 bits and nothing is 255, beyond it 16 bits and 65535.

    Returns:
        The file, ``<folder>/<sample>_clusterIds.png``.

    Raises:
        ObjdiscError: The file cannot be written.
    """
    depth = np.uint8 if num_clusters <= np.iinfo(np.uint8).max else np.uint16
    nothing = np.iinfo(depth).max
    path = folder / f"{segmentation.sample}_clusterIds.png"
    write_image(path, np.where(segmentation.clusters < 0, nothing, segmentation.clusters).astype(depth))
    return path


def write_color(folder: Path, sample: str, ids: NDArray[np.uint8 | np.int16], colors: Mapping[int, Color]) -> Path:
    """Write a map in colours: label ids in the data set's, or cluster ids in a palette's.

    Args:
        folder: A folder outside ``labelIds``; made if missing.
        sample: ``Sample.name``; ``/`` in it makes subfolders.
        ids: ``(H, W)`` label ids or cluster ids.
        colors: Id to RGB, 0 to 255; ids without one (-1 among them) are black.

    Returns:
        The file, ``<folder>/<sample>_color.png``.

    Raises:
        ObjdiscError: The file cannot be written.
    """
    path = folder / f"{sample}_color.png"
    write_image(path, colorize(ids, colors))
    return path


def colorize(ids: NDArray[np.uint8 | np.int16], colors: Mapping[int, Color]) -> NDArray[np.uint8]:
    """Look ids up in colours.

    Args:
        ids: ``(H, W)`` ids of at least -1.
        colors: Id to RGB; ids without one are black.

    Returns:
        ``(H, W, 3)`` RGB.
    """
    size = max([int(ids.max(initial=0)), *colors]) + 2
    table = np.zeros((size, 3), np.uint8)  # row 0 is id -1
    for label, color in colors.items():
        if label >= 0:
            table[label + 1] = color
    return table[ids.astype(np.intp) + 1]
