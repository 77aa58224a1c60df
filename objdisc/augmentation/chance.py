"""Random numbers for many samples at once, each sample's from its own seed: SplitMix64 on arrays.

Making a generator for each sample would take longer than everything that it decides on. Here a number is a hash of a
sample's seed and of the number's position (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
generators"), so that one expression draws a whole batch, and a sample's numbers do not depend on the batch around it.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Seeds = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53
_WORD = 2**64 - 1


def mixed_seeds(*parts: ArrayLike) -> Seeds:
    """Mix non-negative integers into one seed for each sample.

    Args:
        parts: Integers, or arrays ``(N,)`` of integers; a value that is the same for all samples need not be an array.

    Returns:
        ``(N,)`` seeds; N is 1 if no part is an array.
    """
    found: Seeds = np.zeros(1, np.uint64)
    for place, part in enumerate(parts, start=1):
        here = np.uint64(place * _GOLDEN & _WORD)
        found = _hashed(found ^ _hashed(np.atleast_1d(np.asarray(part)).astype(np.uint64) + here))
    return found


def uniforms(seeds: Seeds, count: int, stream: int = 0) -> NDArray[np.float64]:
    """Draw uniformly distributed numbers in [0, 1).

    Args:
        seeds: ``(N,)``.
        count: Number of draws for each sample; the first ones do not depend on it.
        stream: Which of the seed's independent streams to draw from.

    Returns:
        ``(N, count)``.
    """
    start = _hashed(seeds + np.uint64((2 * stream + 1) * _GOLDEN & _WORD))
    places = np.array([(number + 1) * _GOLDEN & _WORD for number in range(count)], np.uint64)
    values: Any = (_hashed(start[:, None] + places) >> np.uint64(11)) * _UNIT
    return np.asarray(values)


def between(low: float, high: float, draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale numbers from [0, 1) linearly to ``low`` to ``high``."""
    return low + (high - low) * draws


def _hashed(values: Seeds) -> Seeds:
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return np.asarray(values ^ (values >> np.uint64(31)))
