"""Runs of instances, painted and measured with plain numpy."""

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.imaging.runs import find_runs


def random_ids(rng: np.random.Generator, dtype: type[np.integer]) -> NDArray[np.integer]:
    coarse = rng.choice(np.array([0, 1, 7, 8, 90, 250], dtype), size=rng.integers(1, 9, size=2))
    return np.kron(coarse, np.ones(rng.integers(1, 6, size=2), dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("wanted_ids", [None, (7, 90), (250,), (3,)])
def test_runs_paint_the_instances_that_are_wanted(dtype: type[np.integer], wanted_ids: tuple[int, ...] | None) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        ids = random_ids(rng, dtype)
        wanted = None if wanted_ids is None else np.isin(np.arange(1 << 16), wanted_ids)
        runs = find_runs(ids, wanted)
        expected = [number for number in np.unique(ids) if (number if wanted is None else wanted[number])]
        assert runs.frame == ids.shape
        assert len(runs.boxes) == len(runs.areas) == len(runs.crops) == len(runs.ends) - 1 == len(expected)
        for place, number in enumerate(expected):
            mask = ids == number
            painted = np.zeros(ids.size, np.bool_)
            span = slice(runs.ends[place], runs.ends[place + 1])
            for start, stop in zip(runs.starts[span], runs.stops[span], strict=True):
                assert start // ids.shape[0] == (stop - 1) // ids.shape[0], "a run stays in its column"
                painted[start:stop] = True
            np.testing.assert_array_equal(painted.reshape(ids.shape, order="F"), mask)
            rows, columns = np.nonzero(mask)
            x, y, width, height = runs.boxes[place]
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
            assert runs.areas[place] == mask.sum()
            np.testing.assert_array_equal(runs.crops[place], mask[y : y + height, x : x + width])
        firsts = [int(np.flatnonzero(ids.ravel() == number)[0]) for number in expected]
        assert runs.order == np.argsort(firsts).tolist()


def test_a_map_without_instances_has_no_runs() -> None:
    for ids in (np.zeros((4, 6), np.uint16), np.full((4, 6), 7, np.uint8)):
        runs = find_runs(ids, np.arange(1 << 16) >= 26000)
        assert (runs.boxes, runs.areas, runs.crops, runs.order) == ([], [], [], [])
        assert runs.starts.size == runs.stops.size == 0
        assert runs.ends.tolist() == [0]
