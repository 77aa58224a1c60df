"""A random sample of many patches to train on, drawn evenly; every patch still gets a prediction."""

import numpy as np
from numpy.typing import NDArray

from objdisc.patches.memory import Patches, Pixels

_STREAM = 5  # of the random numbers that draw the sample; others of the same seed are drawn elsewhere


def sampled_rows(foreground: NDArray[np.bool_], most: int, seed: int) -> NDArray[np.int64] | None:
    """Draw the rows to train on: one from each of equally long stretches, so that all images are represented.

    Args:
        foreground: ``(N,)`` bool, in the order of the images.
        most: Number of objects to draw; 0 for all.
        seed: Random seed, 0 or more.

    Returns:
        ``(n,)`` rows in ascending order, ``most`` objects and the same share of the background; None if there are no
            more objects than that.
    """
    objects = np.flatnonzero(foreground)
    if not most or len(objects) <= most:
        return None
    background = np.flatnonzero(~foreground)
    generator = np.random.default_rng([seed, _STREAM])
    kept = round(len(background) * most / len(objects))
    drawn = [_one_of_each_stretch(rows, count, generator) for rows, count in ((objects, most), (background, kept))]
    return np.sort(np.concatenate(drawn))


def _one_of_each_stretch(rows: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    bounds = np.arange(count + 1) * len(rows) // max(count, 1)
    return rows[generator.integers(bounds[:-1], bounds[1:])]


class SampledPatches:
    """Some rows of a set of patches, renumbered from 0; no pixel is copied.

    Args:
        whole: All patches.
        rows: ``(n,)`` rows to keep, at least one.
    """

    def __init__(self, whole: Patches, rows: NDArray[np.int64]) -> None:
        self.images: Pixels = _SampledPixels(whole.images, rows)
        self.foreground: NDArray[np.bool_] = whole.foreground[rows]
        self.size = whole.size

    def __len__(self) -> int:
        return len(self.foreground)


class _SampledPixels:
    def __init__(self, whole: Pixels, rows: NDArray[np.int64]) -> None:
        self._whole, self._rows = whole, rows
        self.shape = (len(rows), *whole.shape[1:])

    def __getitem__(self, row: int, /) -> NDArray[np.uint8]:
        return self._whole[int(self._rows[row])]


def training_patches(store: Patches, most: int, seed: int) -> Patches:
    """Return the patches that a training sees.

    Args:
        store: All patches.
        most: Most objects to train on; 0 for all.
        seed: Random seed, 0 or more.
    """
    rows = sampled_rows(store.foreground, most, seed)
    return store if rows is None else SampledPatches(store, rows)
