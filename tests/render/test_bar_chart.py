"""Bars whose lengths are their numbers."""

import numpy as np
from numpy.typing import NDArray

from objdisc.render.bar_chart import Bar, BarColumn, bar_chart

FILL = (86, 150, 200)


def lengths(chart: NDArray[np.uint8], rows: int) -> list[int]:
    """Measure the bars of a chart of one column, from the top, in pixels; 0 where there is none."""
    filled = (chart == FILL).all(axis=2)
    height = (chart.shape[0] - 2 * 52 - 28) // (rows + 1)
    parts = [filled[132 + row * height : 132 + (row + 1) * height] for row in range(rows)]
    return [int(part.any(axis=0).sum()) for part in parts]


def bar(value: float, spread: float = 0.0) -> Bar:
    return Bar(value, value - spread, value + spread, f"{value:.2f}")


def test_bars_are_as_long_as_their_share_of_the_scale() -> None:
    names = ["a", "b", "c", "d"]
    chart = bar_chart("title", names, [BarColumn("score", [bar(0.25), bar(1.0), None, bar(0.5)], full=1.0)])
    quarter, whole, nothing, half = lengths(chart, 4)
    assert nothing == 0
    np.testing.assert_allclose([quarter / whole, half / whole], [0.25, 0.5], atol=0.02)


def test_a_column_without_a_scale_fits_its_largest_number() -> None:
    small = bar_chart("t", ["a", "b"], [BarColumn("s", [bar(10.0), bar(20.0)])])
    large = bar_chart("t", ["a", "b"], [BarColumn("s", [bar(1000.0), bar(2000.0)])])
    assert lengths(small, 2) == lengths(large, 2)


def test_spread_is_drawn_over_the_bar_and_each_column_takes_its_room() -> None:
    def chart(spread: float, columns: int = 1) -> NDArray[np.uint8]:
        return bar_chart("t", ["a"], [BarColumn("s", [bar(0.5, spread)], full=1.0)] * columns)

    assert (chart(0.2) != chart(0.0)).any()
    assert chart(0.0, 3).shape[1] > 2 * chart(0.0, 1).shape[1]


def test_long_names_and_numbers_beyond_the_scale_stay_inside() -> None:
    chart = bar_chart("x" * 500, ["name " * 100, "größe"], [BarColumn("y" * 100, [bar(-1.0), bar(5.0)], full=1.0)])
    assert chart.shape[1] < 1100
    border = np.concatenate([chart[:, :4].ravel(), chart[:, -4:].ravel()])
    assert (border == 255).all()
