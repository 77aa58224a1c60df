"""Normalised cuts by Lanczos' method against a dense solver on the same parts of the same graph: time and masks."""

import time

import numpy as np
from numpy.typing import NDArray

from objdisc.clustering.normalized_cut import SimilarityGraph, dense_second_eigenvector
from objdisc.commands.benchmark.building import in_fresh_process
from objdisc.objectness.spectral import cut_parts

SIDE = 60  # cells of a grid: 3,600 tokens
CUTS = 16

_DIMENSIONS = 64
_THINGS = 24
_THRESHOLD = 0.3
_CHANGE = 7.0  # of the ground, in radians a side: a twentieth to a tenth of all pairs are similar


def spectral() -> dict[str, float]:
    """Cut a generated grid by both solvers, in a fresh process; times are CPU times.

    The dense solver is ``scipy.linalg.eigh(subset_by_index=[0, 1])``. It gets the same input as Lanczos' method: the
    part that is to be split, not the whole grid with the rest masked out, which would take longer.

    Returns:
        Tokens, cuts, seconds of both, the speed-up by Lanczos' method, and the share of equal masks.
    """
    lanczos, dense, equal = in_fresh_process(_measure, SIDE, CUTS)
    return {
        "spectral_tokens": float(SIDE * SIDE),
        "spectral_cuts": float(CUTS),
        "spectral_dense_seconds": dense,
        "spectral_seconds": lanczos,
        "spectral_times_faster": dense / lanczos,
        "spectral_equal_masks": equal,
    }


def generated_features(side: int) -> NDArray[np.float32]:
    """Draw features like those of an encoder, ``(side * side, 64)``: soft spots on a slowly changing background."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = rng.normal(0, _CHANGE, (2, _DIMENSIONS))
    cells = 1.4 * np.cos(x[..., None] * waves[0] + y[..., None] * waves[1] + rng.uniform(0, 2 * np.pi, _DIMENSIONS))
    for _ in range(_THINGS):
        middle, radius = rng.random(2), rng.uniform(0.03, 0.1)
        share = 1 / (1 + np.exp((np.hypot(y - middle[0], x - middle[1]) - radius) / 0.02))[..., None]
        cells = (1 - share) * cells + share * rng.normal(size=_DIMENSIONS)
    return np.asarray(cells + rng.normal(0, 0.3, cells.shape), np.float32).reshape(side * side, _DIMENSIONS)


def _measure(side: int, cuts: int) -> list[float]:
    graph = SimilarityGraph.of_features(generated_features(side), _THRESHOLD)
    started = time.process_time()
    quick = cut_parts(graph, (side, side), cuts)
    between = time.process_time()
    exact = cut_parts(graph, (side, side), cuts, dense_second_eigenvector)
    ended = time.process_time()
    known = {part.tobytes() for part in exact}
    equal = sum(part.tobytes() in known for part in quick) / max(len(quick), len(exact))
    return [between - started, ended - between, equal]
