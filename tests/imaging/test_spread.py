"""Numbers spread evenly over many."""

import pytest

from objdisc.imaging.spread import spread_evenly


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(10, 4, [0, 3, 6, 9]), (3, 5, [0, 1, 2]), (5, 1, [0]), (5, 0, []), (0, 3, []), (0, 0, [])],
)
def test_both_ends_are_among_them(count: int, most: int, expected: list[int]) -> None:
    assert spread_evenly(count, most).tolist() == expected
