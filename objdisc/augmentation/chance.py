"""Random numbers for many samples at once, each sample's from its own seed: SplitMix64 on arrays.

A generator for each sample would have to be made anew for each, which takes longer than all that it decides on. Here a
number is a hash of a sample's seed and of the number's place (Steele, Lea and Flood 2014, "Fast splittable pseudorandom
number generators"), so that a batch's are one expression, and those of a sample do not depend on the batch around it.
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
        parts: Integers, or arrays ``(N,)`` of integers; what is alike for all samples need not be an array.

    Returns:
        ``(N,)`` seeds; N is 1 where no part is an array.
    """
    found: Seeds = np.zeros(1, np.uint64)
    for place, part in enumerate(parts, start=1):
        here = np.uint64(place * _GOLDEN & _WORD)
        found = _hashed(found ^ _hashed(np.atleast_1d(np.asarray(part)).astype(np.uint64) + here))
    return found


def uniforms(seeds: Seeds, count: int, stream: int = 0) -> NDArray[np.float64]:
    """Draw numbers that are evenly distributed in [0, 1).

    Args:
        seeds: ``(N,)``.
        count: Numbers for each sample; the first ones do not depend on how many there are.
        stream: Which of the seed's streams, which do not depend on each other.

    Returns:
        ``(N, count)``.
    """
    start = _hashed(seeds + np.uint64((2 * stream + 1) * _GOLDEN & _WORD))
    places = np.array([(number + 1) * _GOLDEN & _WORD for number in range(count)], np.uint64)
    values: Any = (_hashed(start[:, None] + places) >> np.uint64(11)) * _UNIT
    return np.asarray(values)


def between(low: float, high: float, draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread numbers of [0, 1) evenly over ``low`` to ``high``."""
    return low + (high - low) * draws


def _hashed(values: Seeds) -> Seeds:
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return np.asarray(values ^ (values >> np.uint64(31)))
