"""Prototypes: the patch that represents each cluster, found without labels, and a picture of all of them."""

import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.colors import Color
from objdisc.imaging.text import put_text, shorten, text_width
from objdisc.retrieval.ranking import distances_to_mean, thumbnail

_COLUMNS = 10
_SIDE, _GAP, _TEXT, _TITLE = 112, 12, 17, 20  # pixels
_INK, _FAINT = (32, 32, 32), (120, 120, 120)


def prototypes(
    probabilities: NDArray[np.float32],
    features: NDArray[np.float32],
    eligible: NDArray[np.bool_],
    *,
    confident: int = 10,
) -> list[int | None]:
    """Find the patch that represents each cluster: among its most confident ones, the one nearest to their mean.

    This follows Van Gansbeke et al. 2020, section 3.4.

    Args:
        probabilities: ``(N, K)``; a patch belongs to its most probable cluster.
        features: ``(N, D)`` embeddings.
        eligible: ``(N,)`` bool, rows to consider, usually the foreground.
        confident: Number of a cluster's most confident patches to choose from; more if others are as confident.

    Returns:
        A row for each cluster; None for an empty one.
    """
    clusters, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found: list[int | None] = []
    for cluster in range(probabilities.shape[1]):
        rows = np.flatnonzero((clusters == cluster) & eligible)
        least = np.sort(confidence[rows])[-confident:][:1]
        surest = rows[confidence[rows] >= least] if len(rows) else rows
        found.append(int(surest[distances_to_mean(features[surest]).argmin()]) if len(rows) else None)
    return found


def prototype_picture(
    rows: list[int | None], images: NDArray[np.uint8], colors: list[Color], names: dict[int, str]
) -> NDArray[np.uint8]:
    """Draw one patch a cluster, in the order of their ids, each in its cluster's colour.

    Args:
        rows: Rows that ``prototypes`` returned.
        images: ``(N, S, S, C + 1)`` uint8 patches; only the rows shown are read.
        colors: Colours of the clusters, RGB.
        names: Classes that the evaluation matched to clusters, if there are labels.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    columns = min(len(rows), _COLUMNS)
    pitch, line = _SIDE + _GAP, _SIDE + 2 * _TEXT + 2 * _GAP
    head = _TITLE + 2 * _GAP
    lines = -(-len(rows) // _COLUMNS)
    canvas = np.full((head + lines * line, _GAP + columns * pitch, 3), 255, np.uint8)
    title = "prototypes: of each cluster's surest patches the one nearest to their mean"
    title = title if text_width(title, _TITLE) <= canvas.shape[1] - 2 * _GAP else "prototypes"
    put_text(canvas, title, _GAP, head // 2, _TITLE, _INK)
    for cluster, row in enumerate(rows):
        y, x = head + cluster // _COLUMNS * line, _GAP + cluster % _COLUMNS * pitch
        cell = canvas[y : y + _SIDE, x : x + _SIDE]
        cell[:] = colors[cluster]
        cell[3:-3, 3:-3] = 245 if row is None else thumbnail(images[row], _SIDE - 6)
        put_text(canvas, f"{cluster}", x, y + _SIDE + _TEXT // 2 + 4, _TEXT, _INK, bold=True)
        said = "empty" if row is None else names.get(cluster, "")
        put_text(canvas, shorten(said, _TEXT, _SIDE), x, y + _SIDE + _TEXT + _TEXT // 2 + 6, _TEXT, _FAINT)
    return canvas
