"""The cards of clusters: their numbers, their patches, and the patches' places in their frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UnreadableImageError
from objdisc.render.outline import outline
from objdisc.report.embedding import Budget, embed_frames, embed_patches
from objdisc.retrieval import ClusterPatches
from objdisc.types import Patch

# Characters. With tables, outlines and the page's own text this keeps the page under 30 MB, whatever K and N.
_THUMBNAILS, _FRAMES = 12_000_000, 11_000_000
_MAX_CLUSTERS = 300  # that are shown with patches
_EACH = 12  # patches of a kind
_KINDS = ("Most confident", "Drawn at random", "Least certain")

MAX_FRAMES = 160
"""Most frames on a page: reading and drawing one of Cityscapes takes 0.3 s."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A patch on the page: its row in the patch store, its picture, its confidence in [0, 1], its image's name."""

    row: int
    uri: str
    confidence: float
    sample: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a page.

    Attributes:
        walls: Cluster to its rows of patches: heading, and patches.
        patches: Facts about each shown patch, by row of the patch store: ``cluster``, ``confidence``,
            ``sample``, ``path``, ``frame`` (height and width), ``box``, ``window`` and ``outline`` in pixels of the
            full image.
        frames: Image name to data URI.
        unreadable: Frames that could not be read, with the reason.
    """

    walls: Mapping[int, Sequence[tuple[str, Sequence[Thumbnail]]]]
    patches: Mapping[int, Mapping[str, Any]]
    frames: Mapping[str, str]
    unreadable: Sequence[UnreadableImageError]


def embed_pictures(
    clusters: Sequence[ClusterPatches],
    images: NDArray[np.uint8],
    patches: Sequence[Patch],
    confidence: NDArray[np.float32],
    paths: Mapping[str, Path],
    read_frame: Callable[[str], NDArray[np.uint8]],
    *,
    max_frames: int = MAX_FRAMES,
) -> Pictures:
    """Choose and encode the pictures of the page, within its budget of bytes.

    The patches of all clusters come first: each cluster's most confident one, a random one, the least certain one,
    then the second ones, and so on. Frames follow in the order of these patches, so that frames that are left out
    belong to patches at the end of their rows.

    Args:
        clusters: One entry a cluster.
        images: ``(N, S, S, 4)`` uint8 patches.
        patches: N patches, where they come from.
        confidence: ``(N,)`` in [0, 1].
        paths: Image name to file.
        read_frame: Function that returns a frame with its clusters drawn over it, ``(H, W, 3)`` uint8 RGB.
        max_frames: Most frames on the page.
    """
    kept = sorted(sorted(clusters, key=lambda shown: -shown.size)[:_MAX_CLUSTERS], key=lambda shown: shown.cluster)
    rows = [kind.tolist() for shown in kept for kind in (shown.confident, shown.random, shown.uncertain)]
    embedded = embed_patches(rows, images, Budget(_THUMBNAILS), at_most=_EACH)
    places = {row: patches[row] for wall in embedded for row, _ in wall}
    thumbnails = [
        [Thumbnail(row, uri, float(confidence[row]), places[row].sample) for row, uri in wall] for wall in embedded
    ]
    by_importance = [patch.sample for level in zip_longest(*thumbnails) for patch in level if patch is not None]
    frames, unreadable = embed_frames(by_importance, read_frame, Budget(_FRAMES), at_most=max_frames)
    walls = {
        shown.cluster: list(zip(_KINDS, thumbnails[place : place + len(_KINDS)], strict=True))
        for place, shown in zip(range(0, len(thumbnails), len(_KINDS)), kept, strict=True)
        if shown.size
    }
    facts = {
        patch.row: _facts(places[patch.row], cluster, patch.confidence, paths)
        for cluster, kinds in walls.items()
        for _, wall in kinds
        for patch in wall
    }
    return Pictures(walls, facts, frames, unreadable)


def _facts(patch: Patch, cluster: int, confidence: float, paths: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "cluster": cluster,
        "confidence": round(confidence, 4),
        "sample": patch.sample,
        "path": str(paths[patch.sample].absolute()),
        "frame": patch.frame,
        "box": patch.region.box,
        "window": patch.window,
        "outline": outline(patch),
    }
