"""The patches that show a cluster: most confident, random and least confident ones, as rows and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.colors import Color
from objdisc.imaging.text import put_text, shorten

_COLUMNS = 8
_THUMBNAIL = 96  # pixels
_GAP = 10  # pixels
_TITLE, _HEADING, _CAPTION = 22, 17, 14  # pixels of text
# Outside its mask a patch pales towards light grey: street scenes are dark, and so are most objects in them.
_PALE, _KEPT = 225, 0.35
_INK, _FAINT, _BORDER = (32, 32, 32), (100, 100, 100), (150, 150, 150)


@dataclass(frozen=True, slots=True)
class ClusterPatches:
    """Rows of a patch store that show one cluster.

    Attributes:
        cluster: Its id.
        size: Number of patches in the cluster.
        mean_confidence: Mean over all its patches, in [0, 1]; 0 for an empty cluster.
        confident: ``(m,)`` int64 rows, most confident first.
        random: ``(m,)`` int64 rows drawn uniformly from the whole cluster, including confident ones, so that they are
            representative.
        uncertain: ``(m,)`` int64 rows, least confident first, at the border of the cluster.
    """

    cluster: int
    size: int
    mean_confidence: float
    confident: NDArray[np.int64]
    random: NDArray[np.int64]
    uncertain: NDArray[np.int64]


def rank(
    probabilities: NDArray[np.float32],
    eligible: NDArray[np.bool_] | None = None,
    *,
    features: NDArray[np.float32] | None = None,
    count: int = 16,
    seed: int = 0,
) -> list[ClusterPatches]:
    """Choose the patches that show each cluster.

    Args:
        probabilities: ``(N, K)``; a patch belongs to its most probable cluster, with that probability as confidence.
        eligible: ``(N,)`` bool, rows to consider, usually the foreground; None for all.
        features: ``(N, D)`` embeddings: among equally confident patches, those nearest to the mean of their cluster
            come first, for instance if a method gives no probabilities. None keeps them in stored order.
        count: Most rows in each of the three lists.
        seed: Random seed of the random rows.

    Returns:
        One entry a cluster, in the order of their ids, empty clusters included.
    """
    clusters, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    shown = []
    for cluster in range(probabilities.shape[1]):
        belongs = clusters == cluster if eligible is None else (clusters == cluster) & eligible
        rows = np.flatnonzero(belongs)
        distances = np.zeros(len(rows)) if features is None else distances_to_mean(features[rows])
        order = np.lexsort((distances, -confidence[rows]))
        # Seeded by cluster as well: the draw of one cluster does not hang on the size of those before it.
        draw = np.random.default_rng([seed, cluster]).permutation(len(rows))
        mean = float(confidence[rows].mean(dtype=np.float64)) if len(rows) else 0.0
        ranked = rows[order]
        shown.append(ClusterPatches(cluster, len(rows), mean, ranked[:count], rows[draw[:count]], ranked[::-1][:count]))
    return shown


def distances_to_mean(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each of ``(n, D)`` embeddings is from their mean, ``(n,)``."""
    if not len(features):
        return np.zeros(0, np.float32)
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    distances: NDArray[np.float32] = np.linalg.norm(features - mean, axis=1)
    return distances


def thumbnail(patch: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Scale one patch, and make everything outside its mask pale.

    Args:
        patch: ``(S, S, C + 1)`` uint8: RGB, further bands, which are not shown, and last the mask.
        side: Side of the result, in pixels.

    Returns:
        ``(side, side, 3)`` uint8 RGB.
    """
    # Tiny pictures (CIFAR) stay sharp: smoothing them would hide how little the encoder sees.
    method = cv2.INTER_AREA if patch.shape[0] >= side else cv2.INTER_NEAREST
    resized = np.asarray(cv2.resize(patch[..., [0, 1, 2, -1]], (side, side), interpolation=method))
    weight = _KEPT + (1 - _KEPT) * (resized[..., 3:] / 255.0)
    return np.asarray(weight * resized[..., :3] + (1 - weight) * _PALE).round().astype(np.uint8)


def sheet(
    shown: ClusterPatches,
    images: NDArray[np.uint8],
    confidence: NDArray[np.float32],
    *,
    name: str | None = None,
    color: Color = _BORDER,
) -> NDArray[np.uint8]:
    """Draw one cluster: its most confident patches above, random ones below, each with its confidence.

    Args:
        shown: The cluster, as ``rank`` gives it.
        images: ``(N, S, S, 4)`` uint8 patches; only the rows shown are read.
        confidence: ``(N,)`` in [0, 1].
        name: Class that the evaluation matched to the cluster.
        color: Colour of the cluster, RGB, for the bar and the borders.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    width = _GAP + _COLUMNS * (_THUMBNAIL + _GAP)
    noun = "patch" if shown.size == 1 else "patches"
    title = f"cluster {shown.cluster} – {shown.size} {noun}"
    if shown.size:
        title += f" – mean confidence {shown.mean_confidence:.2f}"
    if name is not None:
        title += f" – matched class: {name}"
    head = np.full((_TITLE + 3 * _GAP, width, 3), 255, np.uint8)
    head[:_GAP] = color
    put_text(
        head, shorten(title, _TITLE, width - 2 * _GAP, bold=True), _GAP, len(head) // 2 + 5, _TITLE, _INK, bold=True
    )
    parts = [head]
    if not shown.size:
        parts.append(_heading("no patch of the scored images belongs to this cluster", width))
    else:
        parts.append(_heading(f"the {len(shown.confident)} most confident of {shown.size}", width))
        parts.append(_grid(shown.confident.tolist(), images, confidence, color))
        parts.append(_heading(f"{len(shown.random)} of {shown.size} drawn at random", width))
        parts.append(_grid(shown.random.tolist(), images, confidence, color))
    return np.concatenate(parts)


def _heading(text: str, width: int) -> NDArray[np.uint8]:
    band = np.full((_HEADING + _GAP, width, 3), 255, np.uint8)
    put_text(band, text, _GAP, len(band) // 2, _HEADING, _FAINT)
    return band


def _grid(
    rows: Sequence[int], images: NDArray[np.uint8], confidence: NDArray[np.float32], color: Color
) -> NDArray[np.uint8]:
    lines = -(-len(rows) // _COLUMNS)
    pitch = _THUMBNAIL + _CAPTION + _GAP
    canvas = np.full((lines * pitch + _GAP, _GAP + _COLUMNS * (_THUMBNAIL + _GAP), 3), 255, np.uint8)
    for place, row in enumerate(rows):
        line, column = divmod(place, _COLUMNS)
        y, x = line * pitch, _GAP + column * (_THUMBNAIL + _GAP)
        cell = canvas[y : y + _THUMBNAIL, x : x + _THUMBNAIL]
        cell[:] = color
        cell[2:-2, 2:-2] = thumbnail(images[row], _THUMBNAIL - 4)
        put_text(canvas, f"{confidence[row]:.2f}", x + 2, y + _THUMBNAIL + _CAPTION // 2 + 3, _CAPTION, _FAINT)
    return canvas
