"""The scene on the page: the share that each of its clusters covers, and example images."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.colors import Color
from objdisc.report.embedding import Budget, jpeg_uri

_BUDGET = 4_000_000  # characters of all pictures
_WIDTH = 260  # pixels of a picture
_LEFT = 0.3  # of an image's contrast where the cluster does not lie
_PALE = 235  # grey level that the rest fades to


@dataclass(frozen=True, eq=False, slots=True)
class SceneCluster:
    """One cluster of the scene.

    Attributes:
        cluster: Its number in the ``sceneIds`` maps.
        color: RGB colour in the overlays.
        share: Share of all pixels of the maps, 0 to 1.
        name: Class that the evaluation maps it to; empty without ground truth.
        examples: Names of images, and pictures ``(h, w, 3)`` uint8 RGB as ``shown_in`` makes them.
    """

    cluster: int
    color: Color
    share: float
    name: str
    examples: Sequence[tuple[str, NDArray[np.uint8]]]


@dataclass(frozen=True, slots=True)
class SceneCard:
    """A cluster of the scene on the page, with its colour and its pictures encoded for HTML."""

    cluster: int
    color: str
    share: float
    name: str
    pictures: Sequence[tuple[str, str]]


def shown_in(image: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Show where a cluster lies in an image by making everything else pale.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        inside: ``(H, W)`` where the cluster lies.

    Returns:
        ``(h, w, 3)`` uint8 RGB, at most 260 pixels wide.
    """
    scale = min(1.0, _WIDTH / image.shape[1])
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    weight = cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_AREA)[..., None]
    grey = small.mean(axis=2, keepdims=True)
    paled = _LEFT * grey + (1 - _LEFT) * _PALE
    return np.asarray(np.round(weight * small + (1 - weight) * paled), np.uint8)


def scene_cards(clusters: Sequence[SceneCluster]) -> list[SceneCard]:
    """Encode the clusters of a scene, the largest first; those beyond the page's budget get no pictures."""
    budget, cards = Budget(_BUDGET), []
    for found in sorted(clusters, key=lambda found: -found.share):
        encoded = [(sample, jpeg_uri(picture, 75)) for sample, picture in found.examples]
        color = "#{:02x}{:02x}{:02x}".format(*found.color)
        pictures = [(sample, uri) for sample, uri in encoded if budget.pay(uri)]
        cards.append(SceneCard(found.cluster, color, found.share, found.name, pictures))
    return cards
