"""Maps as 8-bit PNG files, as the Cityscapes evaluator and viewers read them.

``labelIds/`` must hold only labelIds maps: the official evaluator searches it recursively for
``<city>_<seq>_<frame>*.png`` and stops on a second match, so coloured and cluster-id maps go to folders beside it.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.evaluation.segmentation import prediction_path
from objdisc.imaging.colors import Color
from objdisc.io.files import write_image
from objdisc.types import UNKNOWN, SegmentationMap


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


def write_cluster_ids(folder: Path, segmentation: SegmentationMap, num_clusters: int, kind: str = "clusterIds") -> Path:
    """Write a map of cluster ids; the two largest values of the file's depth stand for "unknown" and "nothing found".

    Args:
        folder: A folder other than ``labelIds``; made if missing.
        segmentation: The map.
        num_clusters: K. Up to 254 the file has 8 bits, unknown is 254 and nothing 255; beyond it 16 bits, 65534 and
            65535.
        kind: Ending of the file's name.

    Returns:
        The file, ``<folder>/<sample>_<kind>.png``.

    Raises:
        ObjdiscError: The file cannot be written.
    """
    path = folder / f"{segmentation.sample}_{kind}.png"
    # -1 and -2 wrap around to the two largest values
    write_image(path, segmentation.clusters.astype(cluster_id_depth(num_clusters)))
    return path


def cluster_id_depth(num_clusters: int) -> type[np.uint8] | type[np.uint16]:
    """Return the depth of maps that hold K cluster ids, "unknown" and "nothing found"."""
    return np.uint8 if num_clusters + 2 <= 1 << 8 else np.uint16


def write_color(folder: Path, sample: str, ids: NDArray[np.uint8 | np.int16], colors: Mapping[int, Color]) -> Path:
    """Write a map in colours: label ids in those of the data set, or cluster ids in a palette.

    Args:
        folder: A folder outside ``labelIds``; made if missing.
        sample: ``Sample.name``; ``/`` in it makes subfolders.
        ids: ``(H, W)`` label ids or cluster ids.
        colors: Id to RGB, 0 to 255; ids without one (-1, nothing found, among them) are black.

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
        ids: ``(H, W)`` ids of at least -2.
        colors: Id to RGB; ids without a colour are black, and so are those below 0 except ``UNKNOWN``.

    Returns:
        ``(H, W, 3)`` RGB.
    """
    size = max([int(ids.max(initial=0)), *colors]) + 1 - UNKNOWN
    table = np.zeros((size, 3), np.uint8)  # the first rows are ids -2 and -1
    for label, color in colors.items():
        if label >= 0 or label == UNKNOWN:
            table[label - UNKNOWN] = color
    return table[ids.astype(np.intp) - UNKNOWN]
