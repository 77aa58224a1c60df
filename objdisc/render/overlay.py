"""An image with its clusters drawn over it, and a legend below."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.text import put_text, shorten, text_width
from objdisc.types import UNKNOWN, SegmentationMap

_MIN_WIDTH = 320  # pixels; smaller images are enlarged so that the legend below them can be read
_MAX_ENTRIES = 24
_FILL = 0.42  # share of the cluster's colour inside a region
_HALO = 0.35  # what is left of the image's brightness in the line around a region
_INK, _FAINT = (32, 32, 32), (110, 110, 110)

UNKNOWN_COLOR = (128, 128, 128)
"""Colour of objects that are far from every cluster: no cluster is grey."""


@dataclass(frozen=True, eq=False)
class SceneLayer:
    """The scene below the objects of an overlay.

    Attributes:
        clusters: ``(H, W)`` int16 cluster of each pixel, -1 for none.
        colors: ``(K, 3)`` uint8 RGB.
        labels: What the legend says of a cluster.
    """

    clusters: NDArray[np.int16]
    colors: NDArray[np.uint8]
    labels: Mapping[int, str]


def draw(
    image: NDArray[np.uint8],
    segmentation: SegmentationMap,
    colors: NDArray[np.uint8],
    labels: Mapping[int, str] | None = None,
    scene: SceneLayer | None = None,
) -> NDArray[np.uint8]:
    """Draw the clusters of one image: filled, outlined, and listed below with their share of the pixels.

    Over a scene, which is filled without outlines, they are only outlined.

    ``UNKNOWN`` objects are grey.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        segmentation: Its map, ``(H, W)``.
        colors: ``(K, 3)`` uint8 RGB, as ``imaging.colors.cluster_colors`` gives them.
        labels: Text of the legend for a cluster; other clusters are listed by number alone.
        scene: The scene below the objects, of the image's size.

    Returns:
        ``(H', W', 3)`` uint8 RGB with the legend below the image. The image keeps its scale, unless it is narrower than
            320 pixels: then it is enlarged by a whole factor.

    Raises:
        ValueError: Image and map differ in size.
    """
    clusters = segmentation.clusters
    if image.shape[:2] != clusters.shape:
        raise ValueError(f"{segmentation.sample}: image of {image.shape[:2]} pixels with a map of {clusters.shape}")
    texts = {**(labels or {}), len(colors): "unknown"}
    clusters = np.where(clusters == UNKNOWN, len(colors), clusters).astype(np.int16)
    colors = np.concatenate([colors.reshape(-1, 3), np.array([UNKNOWN_COLOR], np.uint8)])
    factor = -(-_MIN_WIDTH // image.shape[1])
    if factor > 1:
        image = image.repeat(factor, axis=0).repeat(factor, axis=1)
        clusters = clusters.repeat(factor, axis=0).repeat(factor, axis=1)
    if scene is None:
        painted = paint(image, clusters, colors)
        return np.concatenate([painted, _legend(image.shape[1], clusters, colors, texts)])
    below = scene.clusters.repeat(factor, axis=0).repeat(factor, axis=1)
    painted = paint(_tinted(image, below, scene.colors), clusters, colors, fill=0.0)
    width = image.shape[1]
    legends = [
        _legend(width, clusters, colors, texts, "objects"),
        _legend(width, below, scene.colors, scene.labels, "scene"),
    ]
    return np.concatenate([painted, *legends])


def _tinted(image: NDArray[np.uint8], clusters: NDArray[np.int16], colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend the colours of ``(H, W)`` clusters into an image, without outlines."""
    filled = ((1 - _FILL) * image + _FILL * colors[np.maximum(clusters, 0)]).round().astype(np.uint8)
    return np.where((clusters >= 0)[..., None], filled, image)


def paint(
    image: NDArray[np.uint8], clusters: NDArray[np.int16], colors: NDArray[np.uint8], fill: float = _FILL
) -> NDArray[np.uint8]:
    """Fill and outline the regions of every cluster.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        clusters: ``(H, W)`` int16 cluster ids, -1 for none.
        colors: ``(K, 3)`` uint8 RGB.
        fill: Share of a cluster's colour inside its regions, in [0, 1]; 0 draws only outlines.

    Returns:
        ``(H, W, 3)`` uint8 RGB; pixels away from every region are the image's own.
    """
    found = clusters >= 0
    color = colors[np.maximum(clusters, 0)] if len(colors) else np.zeros_like(image)  # (H, W, 3)
    filled = ((1 - fill) * image + fill * color).round().astype(np.uint8)
    painted: NDArray[np.uint8] = np.where(found[..., None], filled, image)
    line = 2 * max(1, round(image.shape[1] / 700)) + 1  # odd: the kernel reaches equally far to both sides
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (line, line))
    highest, lowest = np.asarray(cv2.dilate(clusters, kernel)), np.asarray(cv2.erode(clusters, kernel))
    inner = found & (lowest != highest)
    # A dark line outside: a region of its cluster's own colour, a yellow car in a yellow cluster, still has an edge.
    outer = ~found & (highest >= 0)
    painted[inner] = color[inner]
    painted[outer] = (image[outer] * _HALO).astype(np.uint8)
    return painted


def _legend(
    width: int, clusters: NDArray[np.int16], colors: NDArray[np.uint8], texts: Mapping[int, str], title: str = ""
) -> NDArray[np.uint8]:
    """List the clusters of one map, below a title if there is one, in as many columns as fit ``width`` pixels."""
    ids, counts = np.unique(clusters[clusters >= 0], return_counts=True)
    largest = np.sort(np.argsort(-counts, kind="stable")[:_MAX_ENTRIES])
    entries = [_entry(int(ids[place]), counts[place] / clusters.size, texts) for place in largest]
    size = max(14, round(width / 64))  # pixels; also the side of a swatch
    gap, line = size // 2, round(1.6 * size)
    longest = max((text_width(text, size) for text in entries), default=0)
    columns = max(1, min(len(entries), (width - gap) // (size + 3 * gap + longest)))
    note = "no object found" if not entries else f"and {len(ids) - len(entries)} more clusters"
    rows = -(-len(entries) // columns)
    noted = len(ids) > len(entries) or not entries
    head = line if title else 0
    panel = np.full((2 * gap + head + (rows + noted) * line, width, 3), 255, np.uint8)
    if title:
        put_text(panel, title, gap, gap + line // 2, size, _FAINT)
    column_width = (width - gap) // columns
    for place, text in enumerate(entries):
        row, column = divmod(place, columns)
        x, y = gap + column * column_width, gap + head + row * line + (line - size) // 2
        panel[y : y + size, x : x + size] = _INK
        panel[y + 1 : y + size - 1, x + 1 : x + size - 1] = colors[ids[largest[place]]]
        text = shorten(text, size, column_width - size - 2 * gap)
        put_text(panel, text, x + size + gap, y + size // 2, size, _INK)
    if noted:
        put_text(panel, note, gap, gap + head + rows * line + line // 2, size, _FAINT)
    return panel


def _entry(cluster: int, share: float, texts: Mapping[int, str]) -> str:
    amount = f"{share:.1%}" if share >= 0.001 else "< 0.1%"
    # The share comes first: what does not fit is cut at the end.
    return f"{amount} {texts.get(cluster, f'cluster {cluster}')}"
