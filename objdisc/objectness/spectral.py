"""Objectness in plain photos by normalised cuts of an encoder's features."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.clustering.normalized_cut import SimilarityGraph
from objdisc.datasets.base import ImageDataset
from objdisc.errors import UsageError
from objdisc.imaging.overlaps import distinct
from objdisc.imaging.superpixels import mean_of_map, superpixels
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
_SUPERPIXELS = 1200  # that outlines follow
_SMALLEST = 4  # cells of the grid
_LARGEST = 1 / 5  # of the image
_OVERLAP = 0.6  # of cells, above which the lower of two regions is left out

Solver = Callable[[SimilarityGraph], NDArray[np.float64]]


class Spectral(ObjectnessSource):
    """Parts of an image that normalised cuts of an encoder's features split off, without masks.

    The image is a grid of cells, each described by the encoder's last four blocks, standardised in the image; two cells
    are similar if their cosine exceeds a threshold, as in TokenCut (Wang et al. 2022). The second eigenvector splits
    the grid where the normalised cut is smallest; then the largest part is split, with all others masked out, and so on
    (Shi and Malik 2000). MaskCut (Wang et al. 2023) masks out foregrounds one by one, which finds one or two objects
    that fill the image; streets hold many small ones. Connected parts are regions, outlined along superpixels. Their
    score is how closed they are: the share of similar pairs of their cells that lie inside.

    In street scenes, ``tree`` finds more objects. Weights that were trained with labels, such as ImageNet's, are
    supervision.

    Args:
        encoder: Name of a network with blocks, as ``--encoder`` takes it.
        weights: ``imagenet``, a file, or ``none`` for random weights, which are always the same.
        cuts: Number of splits.
        most: Most regions of an image.
        tokens: Approximate number of cells of the grid.
        threshold: Least cosine of similar cells, -1 to 1.
        side: Shorter side, in pixels, of the image that the encoder sees; less for very long images.

    Attributes:
        network: The encoder, in evaluation mode, on the CPU.
    """

    guesses: ClassVar[bool] = True
    in_process = True

    def __init__(
        self,
        encoder: str = PACKAGED,
        weights: str = "imagenet",
        cuts: int = 64,
        most: int = 24,
        tokens: int = 3600,
        threshold: float = 0.3,
        side: int = 528,
    ) -> None:
        if min(cuts, most, side) < 1 or tokens < 4 or not -1 <= threshold <= 1:
            raise UsageError(
                f"spectral: cuts {cuts}, most {most}, tokens {tokens}, threshold {threshold}, side {side}; cuts, most "
                "and side start at 1, tokens at 4, threshold is a cosine from -1 to 1."
            )
        self.cuts, self.most, self.tokens, self.threshold, self.side = cuts, most, tokens, threshold, side
        self.network = fixed_encoder(encoder, weights)
        self.origin = self.network.origin

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Split the image and rank its parts, as ``ObjectnessSource`` describes; the most closed comes first."""
        del dataset, sample
        if (work := working_image(image)) is None:
            return []
        height, width = work.shape[:2]
        rows = min(max(round(math.sqrt(self.tokens * height / width)), 1), height)
        grid = (rows, min(max(round(self.tokens / rows), 1), width))
        graph = SimilarityGraph.of_features(
            cell_features(block_maps(self.network, work, self.side), grid), self.threshold
        )
        found = [part for part in cut_parts(graph, grid, self.cuts) if _SMALLEST <= part.sum() <= _LARGEST * part.size]
        scores = [graph.closedness(np.flatnonzero(part)) for part in found]
        labels = superpixels(work, _SUPERPIXELS)
        regions: list[Region] = []
        for number in _distinct(found, scores):
            mask = mean_of_map(labels, found[number][None].astype(np.float32))[:, 0][labels] > 0.5
            region = full_size_region(mask, (image.shape[0], image.shape[1]), scores[number])
            if region is not None:
                regions.append(region)
            if len(regions) == self.most:
                break
        return regions

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, and the encoder's weights by their origin and a hash of their values."""
        return {
            "source": "spectral",
            **encoder_fingerprint(self.network),
            "cuts": self.cuts,
            "most": self.most,
            "tokens": self.tokens,
            "threshold": self.threshold,
            "side": self.side,
        }


def cell_features(maps: list[NDArray[np.float32]], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Describe the cells of a grid by the last maps of an encoder.

    Args:
        maps: ``(F, h, w)`` each, of any size.
        grid: Rows and columns.

    Returns:
        ``(rows * columns, D)``: the channels of each map have mean 0, and together the same weight.
    """
    described = []
    for values in maps[-_BLOCKS:]:
        cells = cv2.resize(values.transpose(1, 2, 0), grid[::-1], interpolation=cv2.INTER_LINEAR)
        flat = np.asarray(cells, np.float32).reshape(grid[0] * grid[1], -1)
        flat = flat - flat.mean(axis=0)
        deviation = flat.std(axis=0)
        described.append(flat / np.where(deviation > 1e-6, deviation, np.inf) / math.sqrt(flat.shape[1]))
    return np.concatenate(described, axis=1)


def cut_parts(
    graph: SimilarityGraph, grid: tuple[int, int], cuts: int, solve: Solver = SimilarityGraph.second_eigenvector
) -> list[NDArray[np.bool_]]:
    """Split a grid again and again, always the largest connected part that is left.

    Parts that no similar pair connects fall apart by themselves; a connected part is split in two.

    Args:
        graph: Graph of the cells, row by row.
        grid: Rows and columns.
        cuts: Most splits.
        solve: Function that finds the second eigenvector of a part.

    Returns:
        All connected parts ``(rows, columns)`` of all stages, in the order of their splits.
    """
    found: list[NDArray[np.bool_]] = []
    waiting = [np.arange(grid[0] * grid[1])]
    for _ in range(cuts):
        members = max(waiting, key=len)
        if len(members) < max(2 * _SMALLEST, 2):
            break
        waiting = [part for part in waiting if part is not members]
        inner = graph.part(members)
        sides = inner.components()
        if len(sides) == 1:
            above = inner.split(solve(inner))
            sides = [np.flatnonzero(above), np.flatnonzero(~above)]
        for side in sorted(sides, key=lambda side: int(side[0])):  # which is above is the eigenvector's sign alone
            mask = np.zeros(grid, np.uint8)
            mask.flat[members[side]] = 1
            count, parts = cv2.connectedComponents(mask, connectivity=4)
            for number in range(1, count):
                part = np.asarray(parts == number)
                found.append(part)
                waiting.append(np.flatnonzero(part))
    return found


def _distinct(parts: list[NDArray[np.bool_]], scores: list[float]) -> list[int]:
    """Return the numbers of parts, the best first, without those that overlap a better one too much."""
    if not parts:
        return []
    flat = np.stack([part.ravel() for part in parts]).astype(np.float32)
    shared, sizes = flat @ flat.T, flat.sum(axis=1)
    overlaps = shared / (sizes[:, None] + sizes - shared)
    return distinct(overlaps, np.argsort(-np.array(scores), kind="stable").tolist(), _OVERLAP)
