"""Objectness in sequences: parts that move between neighbouring frames, other than by the camera's motion."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UsageError
from objdisc.imaging.flow import LEAST_SIDE, FrameMotion, frame_motion, places
from objdisc.imaging.superpixels import Borders, borders, superpixels
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.support.features import full_size_region, working_image
from objdisc.types import Region, Sample

_NUMBERED = re.compile(r"^(.*?)(\d+)$", re.DOTALL)
_NOISE = 5.0  # times the median remainder: from here on something moves
_TRIED = 20  # motions in an image, at most, that may differ
_GAP = 0.08  # of the shorter side, up to which parts of one motion are one region
_FITTED = 30  # superpixels from which on a layer may turn and grow
_WINDOW = 3  # pixels over which differences of frames are averaged
_SAME = 0.25  # grey levels by which a motion must explain a part better than those before it, or else it is theirs
_STILLNESS = 0.5  # grey levels by which a motion must explain a superpixel better than the camera
_BAND = 9  # pixels across the border of a region in which its outline is looked for
_PRIOR = 2.0  # grey levels that the middle of a region is worth
_SMOOTHNESS = 3.0  # grey levels that a superpixel may differ more for being like all around it
_ROUNDS = 10
_SMALLEST = 1 / 1000  # of the image

_Sequence = tuple[str, str]  # folder, and what names begin with
_Motion = tuple[float, FrameMotion]  # to a frame before (-1) or behind (1)


class Motion(ObjectnessSource):
    """Regions of an image that move relative to their surroundings, found from the previous and the next frame.

    Images are a sequence if they lie in one folder and their names differ only in the number at the end; the neighbours
    of a frame are those with the next smaller and the next larger number. Frames have no regions if they have no
    neighbour of the same size, or if the neighbour shows something else. Optical flow (DIS, Kroeger et al. 2016) to
    either neighbour is the camera's motion, fitted by a homography (MAGSAC++, Barath et al. 2020), plus a remainder;
    the smaller of both remainders counts, because a part that is hidden in one neighbour has no flow there. Superpixels
    whose remainder exceeds a threshold, and those around them that exceed half of it, are joined if they move alike.

    If the camera drives through a street with depth, near things seem to move, too; a region only means that something
    moves differently from most of the image.

    Args:
        least: Least motion between two frames, in pixels of an image of at most 1024 pixels a side.
        alike: Largest difference between the motions of neighbouring parts of an object, as a share of the motion, 0 to
            1.
        superpixels: Approximate number of superpixels in an image.
        most: Most regions of an image.
    """

    guesses: ClassVar[bool] = True

    def __init__(self, least: float = 0.8, alike: float = 0.4, superpixels: int = 2000, most: int = 24) -> None:
        if not least > 0 or not 0 <= alike <= 1 or superpixels < 2 or most < 1:
            raise UsageError(
                f"motion: least {least}, alike {alike}, superpixels {superpixels}, most {most}; least is above 0, "
                "alike a share from 0 to 1, superpixels start at 2, most at 1."
            )
        self.least, self.alike, self.superpixels, self.most = least, alike, superpixels, most
        self._known: tuple[tuple[Sample, ...], dict[_Sequence, tuple[Sample, ...]]] | None = None

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Segment moving parts, as ``ObjectnessSource`` describes; the fastest come first."""
        work = working_image(image)
        if work is None or min(work.shape[:2]) < LEAST_SIDE:
            return []
        motions = []
        for sign, neighbor in self._neighbors(dataset, sample):
            if dataset.image_size(neighbor) != image.shape[:2]:
                continue
            other = working_image(dataset.read_image(neighbor))
            found = None if other is None else frame_motion(work, other)
            if found is not None:
                motions.append((sign, found))
        return self._segmented(work, motions, (image.shape[0], image.shape[1])) if motions else []

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings; the neighbouring frames are in the key by name, size and time."""
        return {
            "source": "motion",
            "least": self.least,
            "alike": self.alike,
            "superpixels": self.superpixels,
            "most": self.most,
        }

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the neighbouring frames."""
        return tuple(neighbor.image_path for _, neighbor in self._neighbors(dataset, sample))

    def check(self, dataset: ImageDataset) -> None:
        """Check that any two images are frames of one sequence.

        Raises:
            UsageError: No two images are.
        """
        if not any(self._neighbors(dataset, sample) for sample in dataset.samples):
            raise UsageError(
                f"{dataset.root}: no two of {len(dataset.samples)} images are frames of a sequence; motion needs "
                "names that differ only in the number at their end, such as walk_0001.jpg and walk_0002.jpg. Use "
                "--objectness tree for single photos."
            )

    def _neighbors(self, dataset: ImageDataset, sample: Sample) -> list[tuple[float, Sample]]:
        """Return the previous frame, with -1, and the next, with 1, as far as they exist."""
        if self._known is None or self._known[0] is not dataset.samples:
            self._known = (dataset.samples, _sequences(dataset.samples))
        sequence = self._known[1].get(_place(sample)[0], ())
        if sample not in sequence:
            return []
        place = sequence.index(sample)
        signed = [(-1.0, sequence[place - 1])] if place else []
        return signed + [(1.0, other) for other in sequence[place + 1 : place + 2]]

    def _segmented(self, image: NDArray[np.uint8], motions: Sequence[_Motion], frame: tuple[int, int]) -> list[Region]:
        """Give each superpixel the motion that explains it best; connected ones with one motion are a region."""
        labels = superpixels(image, self.superpixels)
        touching = borders(labels, np.zeros(labels.shape, np.float32))
        moves = _moves(labels, motions)
        speed = np.linalg.norm(moves, axis=1)
        high = max(self.least, _NOISE * float(np.median(speed)))
        first = _joined(touching.pairs, _alike(touching.pairs, moves, speed, high, self.alike))
        sizes = np.bincount(labels.ravel())
        areas = np.bincount(first, weights=sizes)
        seeds = [part for part in np.unique(first[speed > high]).tolist() if areas[part] >= _SMALLEST * labels.size]
        seeds.sort(key=lambda part: -areas[part])
        still = _error(image, motions, np.zeros(6))
        start, errors = np.zeros(len(speed), np.int64), [still]
        for part in seeds[:_TRIED]:
            inside = first == part
            error = _error(image, motions, _affine(labels, inside, moves))
            here = inside[labels]
            own = float(error[here].mean())
            same = [number for number, known in enumerate(errors) if number and known[here].mean() <= own + _SAME]
            start[inside] = same[0] if same else len(errors)
            errors += [] if same else [error]
        costs = np.stack([np.bincount(labels.ravel(), error.ravel()) / sizes for error in errors], axis=1)
        costs[:, 1:] += _STILLNESS
        layer = _relaxed(costs, start, touching)
        found = []
        for number in range(1, len(errors)):
            for inside in _near(layer == number, labels):
                if sizes[inside].sum() >= _SMALLEST * labels.size:
                    mean = float(np.average(speed[inside], weights=sizes[inside]))
                    found.append((mean / (mean + high), _outlined(inside[labels], still - errors[number])))
        found.sort(key=lambda pair: -pair[0])
        regions = [full_size_region(mask, frame, score) for score, mask in found[: self.most]]
        return [region for region in regions if region is not None]


def _moves(labels: NDArray[np.int64], motions: Sequence[_Motion]) -> NDArray[np.float64]:
    """Return each superpixel's motion ``(n, 2)`` in pixels to the next frame, without the camera's motion."""
    rests = np.stack([sign * motion.rest for sign, motion in motions])
    smaller = np.linalg.norm(rests, axis=3).argmin(axis=0)
    rest = np.take_along_axis(rests, smaller[None, ..., None], axis=0)[0]
    numbers = np.arange(int(labels.max()) + 1)
    return np.stack([ndimage.median(rest[..., axis], labels, numbers) for axis in range(2)], axis=1)


def _alike(
    pairs: NDArray[np.int64], moves: NDArray[np.float64], speed: NDArray[np.float64], high: float, alike: float
) -> NDArray[np.bool_]:
    """Say for which pairs of neighbours both move, and move alike."""
    differ = np.linalg.norm(moves[pairs[:, 0]] - moves[pairs[:, 1]], axis=1)
    both = speed[pairs]
    return np.asarray((both.min(axis=1) > high / 2) & (differ <= np.maximum(alike * both.max(axis=1), high / 2)))


def _joined(pairs: NDArray[np.int64], together: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the connected part ``(n,)`` that each superpixel is in if these pairs belong together."""
    count = int(pairs.max()) + 1
    chosen = pairs[together]
    graph = sparse.coo_matrix((np.ones(len(chosen), np.bool_), (chosen[:, 0], chosen[:, 1])), (count, count))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1], np.int64)


def _affine(labels: NDArray[np.int64], inside: NDArray[np.bool_], moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a motion ``(6,)``, linear in x and y, to some superpixels: three numbers for x, three for y."""
    sizes = np.bincount(labels.ravel())
    where = places(*labels.shape)
    x, y = (np.bincount(labels.ravel(), where[..., axis].ravel())[inside] / sizes[inside] for axis in range(2))
    terms = np.stack([np.ones_like(x), x, y], axis=1)
    if len(x) < _FITTED:
        middle = np.average(moves[inside], axis=0, weights=sizes[inside])
        return np.array([middle[0], 0, 0, middle[1], 0, 0])
    weights = np.sqrt(sizes[inside])[:, None]
    return np.asarray(np.linalg.lstsq(terms * weights, moves[inside] * weights, rcond=None)[0].T.ravel())


def _error(image: NDArray[np.uint8], motions: Sequence[_Motion], layer: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the grey levels ``(h, w)`` by which a frame differs from its neighbour moved by a layer.

    The better of two neighbour frames counts: in the other one, the place may be hidden.
    """
    where = places(image.shape[0], image.shape[1])
    rest = np.stack([layer[at] + layer[at + 1] * where[..., 0] + layer[at + 2] * where[..., 1] for at in (0, 3)], 2)
    errors = []
    for sign, motion in motions:
        differ = cv2.absdiff(image, motion.moved((sign * rest).astype(np.float32))).mean(axis=2, dtype=np.float32)
        errors.append(cv2.blur(differ, (_WINDOW, _WINDOW)))
    return np.asarray(np.min(errors, axis=0), np.float32)


def _near(inside: NDArray[np.bool_], labels: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Divide superpixels ``(n,)`` into groups that lie apart; a thin object in front does not divide a group."""
    mask = inside[labels].astype(np.uint8)
    reach = 2 * round(_GAP * min(labels.shape) / 2) + 1
    wide = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    count, groups = cv2.connectedComponents(wide)
    group = np.zeros(len(inside), np.int64)
    group[labels[mask > 0]] = groups[mask > 0]
    return [inside & (group == number) for number in range(1, count)]


def _outlined(mask: NDArray[np.bool_], gain: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Adapt a region to the pixels that its motion explains better than the camera's, and fill its holes.

    Args:
        mask: ``(h, w)`` whole superpixels.
        gain: ``(h, w)`` by how many grey levels the region's motion explains a pixel better.
    """
    near = cv2.blur(mask.astype(np.float32), (_BAND, _BAND))
    sure = cv2.blur(gain, (_WINDOW, _WINDOW)) + _PRIOR * (2 * near - 1) > 0
    inside = ndimage.binary_opening(sure & (near > 0), iterations=1)
    return np.asarray(ndimage.binary_fill_holes(inside if inside.any() else mask), np.bool_)


def _relaxed(costs: NDArray[np.float64], start: NDArray[np.int64], touching: Borders) -> NDArray[np.int64]:
    """Choose a layer for each superpixel iteratively, so that its cost and the borders to other layers are small."""
    count, layers = costs.shape
    one, other = touching.pairs.T
    graph = sparse.coo_matrix((touching.lengths, (one, other)), (count, count)).tocsr()
    graph = graph + graph.T
    share = sparse.diags(1 / np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)) @ graph
    found = start
    for _ in range(_ROUNDS):
        around = share @ np.eye(layers)[found]
        found = np.argmin(costs - _SMOOTHNESS * around, axis=1)
    return found


def _place(sample: Sample) -> tuple[_Sequence, int]:
    """Return the sequence of an image, by folder and name, and its number in it."""
    folder, _, stem = sample.name.rpartition("/")
    numbered = _NUMBERED.match(stem)
    return ((folder, stem), 0) if numbered is None else ((folder, numbered[1]), int(numbered[2]))


def _sequences(samples: tuple[Sample, ...]) -> dict[_Sequence, tuple[Sample, ...]]:
    gathered: dict[_Sequence, list[tuple[int, str, Sample]]] = defaultdict(list)
    for sample in samples:
        sequence, number = _place(sample)
        gathered[sequence].append((number, sample.name, sample))
    return {
        name: tuple(sample for *_, sample in sorted(found, key=lambda x: x[:2])) for name, found in gathered.items()
    }
