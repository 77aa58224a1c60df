"""Objectness in plain photos: nodes of merge trees of superpixels that stand out from their surroundings."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from objdisc.clustering.adjacent import MergeTree, merge_adjacent
from objdisc.datasets.base import ImageDataset
from objdisc.errors import UsageError
from objdisc.imaging.superpixels import Borders, borders, mean_of_map, superpixels
from objdisc.models.weights import PACKAGED
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.support.features import (
    block_maps,
    encoder_fingerprint,
    fixed_encoder,
    full_size_region,
    working_image,
)
from objdisc.types import Region, Sample

_BLOCKS = 4  # the encoder's last ones
_TREES = (
    ((1.0, 1.0, 1.0, 1.0), 1.0, 0.0),
    ((0.0, 0.0, 1.0, 1.0), 0.3, 0.0),
    ((0.0, 1.0, 1.0, 0.0), 0.5, 0.0),
    ((1.0, 1.0, 1.0, 1.0), 1.0, 1.0),
)
"""For each tree the weights of the last blocks, of colour, and of image edges along borders."""
_DEEP = 2  # blocks, the last ones, that say how a node stands out
_SHARES = (1 / 500, 1 / 5)  # of the image: the smallest and the largest node
_AT_BORDER = 0.5  # of a node's outline, at most, that is the image's own border
_NOISE = 1e-4  # of a channel's largest value: a smaller deviation is rounding


class Tree(ObjectnessSource):
    """Merge trees of superpixels by an encoder's features; the nodes that stand out most are regions, without masks.

    Touching superpixels (SLIC) are merged by Ward's criterion on the maps of the encoder's last four blocks, each
    standardised in the image, and on colour. Four trees use different blocks and edges, since a single tree splits many
    objects. A node's score is ``sqrt(r sqrt(b p))``, where each factor is the share of the image's nodes that it
    exceeds: r in the distance of its mean feature in the last two blocks from that of the superpixels around it, b in
    how much features change across its outline, and p in how long it persists, from the level of the tree at which it
    is formed to that at which it is merged. So scores compare regions within one image, not between images. Each region
    overlaps every better one by no more than ``max_overlap``.

    Terms and constants were chosen by the labels of 60 frames of two drives of CamVid's training split; 30 frames of
    its third drive decided which blocks ``r`` and ``b`` look at, where rules were within the noise of each other. The
    best 64 regions find 0.54 of the objects of at least 400 pixels in 480×360 at IoU 0.5 (82 frames of the two drives)
    and 0.49 (51 frames of the third), large objects far more often than small ones, which are only as large as the last
    block's cells. Weights that were trained with labels, such as ImageNet's, are supervision.

    Args:
        encoder: Name of a network with at least two blocks, as ``--encoder`` takes it.
        weights: ``imagenet``, a file, or ``none`` for random weights, which are always the same.
        most: Most regions of an image. Each becomes a patch to train on, so more regions find more objects (of those
            above, 8 find 0.25, 16 find 0.35, 32 find 0.46) and take proportionally longer.
        superpixels: Approximate number of superpixels in an image.
        side: Shorter side, in pixels, of the image that the encoder sees; less for very long images.
        max_overlap: Intersection over union above which the lower-scoring of two regions is left out, 0 to 1.

    Attributes:
        network: The encoder, in evaluation mode, on the CPU.
    """

    guesses: ClassVar[bool] = True
    in_process = True

    def __init__(
        self,
        encoder: str = PACKAGED,
        weights: str = "imagenet",
        most: int = 24,
        superpixels: int = 1200,
        side: int = 528,
        max_overlap: float = 0.6,
    ) -> None:
        if min(most, side) < 1 or superpixels < 2 or not 0 <= max_overlap <= 1:
            raise UsageError(
                f"tree: most {most}, superpixels {superpixels}, side {side}, max_overlap {max_overlap}; most and side "
                "start at 1, superpixels at 2, max_overlap is a share from 0 to 1."
            )
        self.encoder, self.weights = encoder, weights
        self.most, self.superpixels, self.side, self.max_overlap = most, superpixels, side, max_overlap
        self.network = fixed_encoder(encoder, weights)
        self.origin = self.network.origin

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Build the trees and rank their nodes, as ``ObjectnessSource`` describes; the best comes first."""
        del dataset, sample
        if (work := working_image(image)) is None:
            return []
        parts = self._parts(work)
        if len(parts.sizes) < 2:
            return []
        nodes, persistence = _nodes(parts)
        scores = _scores(parts, nodes, persistence)
        found = []
        for node in _distinct(nodes, parts.sizes, scores, self.max_overlap, self.most):
            mask = nodes[node][parts.labels]
            region = full_size_region(mask, (image.shape[0], image.shape[1]), float(scores[node]))
            if region is not None:
                found.append(region)
        return found

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, and the encoder's weights by their origin and a hash of their values."""
        return {
            "source": "tree",
            **encoder_fingerprint(self.network),
            "most": self.most,
            "superpixels": self.superpixels,
            "side": self.side,
            "max_overlap": self.max_overlap,
        }

    def _parts(self, image: NDArray[np.uint8]) -> "_Parts":
        """Cut an image ``(H, W, 3)`` into superpixels and describe each."""
        labels = superpixels(image, self.superpixels)
        color = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32).transpose(2, 0, 1)
        blocks = [_described(labels, values) for values in self._block_maps(image)]
        sizes = np.bincount(labels.ravel()).astype(np.float32)
        return _Parts(labels, sizes, borders(labels, _edges(image)), blocks, _described(labels, color))

    def _block_maps(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Return the maps ``(F, h, w)`` of the encoder's last blocks, the deepest last."""
        maps = block_maps(self.network, image, self.side)
        if len(maps) < _DEEP:
            raise UsageError(f"tree: the encoder {self.encoder} has a single block; take one with at least {_DEEP}.")
        return maps[-_BLOCKS:]


@dataclass(frozen=True, slots=True)
class _Parts:
    """The n superpixels of an image.

    Attributes:
        labels: ``(H, W)`` superpixel of each pixel.
        sizes: ``(n,)`` float32 number of pixels of each.
        borders: Which of them touch, with the edges of the image along their borders.
        blocks: ``(n, F)`` standardised features of each, block by block.
        color: ``(n, 3)`` standardised CIELAB.
    """

    labels: NDArray[np.int64]
    sizes: NDArray[np.float32]
    borders: Borders
    blocks: list[NDArray[np.float32]]
    color: NDArray[np.float32]


def _edges(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the strength ``(H, W)`` of an image's edges over all colours, with a mean of 1."""
    smooth = cv2.GaussianBlur(image, (0, 0), 1).astype(np.float32)
    slopes = [cv2.Sobel(smooth, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    strength = np.hypot(*slopes).sum(axis=2)
    return np.asarray(strength / max(float(strength.mean()), np.finfo(np.float32).tiny), np.float32)


def _described(labels: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean ``(n, C)`` of a map over each superpixel; if standardised, all channels together weigh one."""
    flat = values.reshape(len(values), -1)
    deviation, noise = flat.std(axis=1), _NOISE * np.abs(flat).max(axis=1)
    scale = np.where(deviation > noise, 1 / np.maximum(deviation * math.sqrt(len(flat)), 1e-12), 0)
    return np.asarray((mean_of_map(labels, values) - flat.mean(axis=1)) * scale, np.float32)


def _trees(parts: _Parts) -> list[MergeTree]:
    grown = []
    edges = parts.borders
    for weights, color, edge in _TREES:
        weighted = zip(weights[-len(parts.blocks) :], parts.blocks[-len(weights) :], strict=True)
        features = [math.sqrt(weight) * block for weight, block in weighted if weight]
        features.append(math.sqrt(color) * parts.color)
        joined = np.concatenate(features, axis=1)
        grown.append(merge_adjacent(joined, parts.sizes, edges.pairs, edges.lengths, edge * edges.strengths))
    return grown


def _nodes(parts: _Parts) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return the distinct nodes ``(m, n)`` of all trees that may be objects, and how long each persists, 0 to 1."""
    border = np.zeros(len(parts.sizes))
    for line in (parts.labels[0], parts.labels[-1], parts.labels[:, 0], parts.labels[:, -1]):
        border += np.bincount(line, minlength=len(border))
    smallest, largest = (share * parts.labels.size for share in _SHARES)
    nodes, persistence = [], []
    for tree in _trees(parts):
        held = tree.members()
        areas = held @ parts.sizes
        held = held[(areas >= smallest) & (areas <= largest)]
        lasting = (tree.joined - tree.formed) / max(tree.formed.max(), np.finfo(np.float64).tiny)
        lasting = lasting[(areas >= smallest) & (areas <= largest)]
        at_border = held @ border
        outline = at_border + _across(held, parts.borders.pairs) @ parts.borders.lengths
        kept = at_border <= _AT_BORDER * outline
        nodes.append(held[kept])
        persistence.append(lasting[kept])
    every, lasting = np.concatenate(nodes), np.concatenate(persistence)
    _, first, inverse = np.unique(np.packbits(every, axis=1), axis=0, return_index=True, return_inverse=True)
    longest = np.zeros(len(first))
    np.maximum.at(longest, inverse.ravel(), lasting)
    return every[first], longest


def _across(nodes: NDArray[np.bool_], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return which borders ``(m, E)`` of superpixels lie on each node's outline, as 0 and 1."""
    return (nodes[:, pairs[:, 0]] ^ nodes[:, pairs[:, 1]]).astype(np.float32)


def _scores(parts: _Parts, nodes: NDArray[np.bool_], persistence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score ``(m,)`` of each node, above 0 and at most 1, as ``Tree`` describes it."""
    pairs, lengths = parts.borders.pairs, parts.borders.lengths.astype(np.float32)
    count, sizes, blocks = len(parts.sizes), parts.sizes, parts.blocks[-_DEEP:]
    features = np.concatenate(blocks, axis=1)
    ones = np.ones(len(pairs), np.float32)
    touching = sparse.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), (count, count)).tocsr()
    inside = nodes.astype(np.float32)
    around = ((touching + touching.T) @ inside.T).T * ~nodes > 0
    total = features * sizes[:, None]
    middle = (inside @ total) / (inside @ sizes)[:, None]
    outside = around.astype(np.float32)
    surroundings = (outside @ total) / np.maximum(outside @ sizes, 1)[:, None]
    standing_out = np.square(middle - surroundings).sum(axis=1)
    steps = np.sum([np.linalg.norm(block[pairs[:, 0]] - block[pairs[:, 1]], axis=1) for block in blocks], axis=0)
    across = _across(nodes, pairs)
    change = (across @ (steps * lengths)) / np.maximum(across @ lengths, 1)
    ranks = [rankdata(term) / max(len(nodes), 1) for term in (standing_out, change, persistence)]
    return np.asarray(np.sqrt(ranks[0] * np.sqrt(ranks[1] * ranks[2])), np.float64)


def _distinct(
    nodes: NDArray[np.bool_], sizes: NDArray[np.float32], scores: NDArray[np.float64], max_overlap: float, most: int
) -> list[int]:
    """Return up to ``most`` nodes, the best first; none overlaps a better one by more than ``max_overlap``."""
    areas = nodes @ sizes
    alive = np.ones(len(nodes), np.bool_)
    kept: list[int] = []
    for node in np.argsort(-scores, kind="stable").tolist():
        if not alive[node]:
            continue
        kept.append(node)
        if len(kept) == most:
            break
        shared = nodes @ (sizes * nodes[node])
        alive &= shared <= max_overlap * (areas + areas[node] - shared)
    return kept
