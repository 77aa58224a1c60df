"""Charts: bars as long as their numbers, points where they belong, agreement on the diagonal."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from objdisc.render.charts import Bar, BarColumn, as_pixels, as_svg, bar_chart, confusion_matrix, line_chart


def bar(value: float, spread: float = 0.0) -> Bar:
    return Bar(value, value - spread, value + spread, f"{value:.2f}")


def lengths(*bars: Bar | None, full: float | None = 1.0) -> list[float]:
    """Return the lengths of the bars of one column as shares of its axis."""
    (axes,) = bar_chart("title", "abcd"[: len(bars)], [BarColumn("s", bars, full)]).axes
    return [patch.get_width() / axes.get_xlim()[1] for patch in axes.patches]  # type: ignore[attr-defined]


def test_bars_are_as_long_as_their_share_of_the_scale() -> None:
    quarter, whole, half = lengths(bar(0.25), bar(1.0), None, bar(0.5))
    assert [quarter / whole, half / whole] == pytest.approx([0.25, 0.5])


def test_a_column_without_a_scale_fits_its_largest_number() -> None:
    assert lengths(bar(1.0), bar(2.0), full=None) == pytest.approx(lengths(bar(500.0), bar(1000.0), full=None))


def test_numbers_beyond_the_scale_end_there() -> None:
    assert lengths(bar(-1.0), bar(5.0)) == pytest.approx(lengths(bar(0.0), bar(1.0)))


def test_spread_is_drawn_and_a_missing_number_is_a_dash() -> None:
    (axes,) = bar_chart("t", ["a", "b"], [BarColumn("s", [bar(0.5, 0.2), None], 1.0)]).axes
    assert [line.get_xdata() for line in axes.lines] == [pytest.approx([0.3, 0.7])]
    assert {text.get_text() for text in axes.texts} == {"0.50", "–"}


def test_each_column_takes_its_room_and_long_names_stay_inside() -> None:
    columns = [BarColumn("y" * 100, [bar(0.3), bar(0.9)], full=1.0)] * 3
    picture = as_pixels(bar_chart("x" * 500, ["name " * 100, "größe"], columns))
    border = np.concatenate([picture[:, :2].ravel(), picture[:, -2:].ravel(), picture[:2].ravel()])
    assert (border == 255).all()
    assert picture.shape[1] > as_pixels(bar_chart("x", ["a", "b"], columns[:1])).shape[1] + 400


@pytest.mark.parametrize("logarithmic", [True, False])
def test_points_are_joined_in_order_and_every_x_is_marked(logarithmic: bool) -> None:
    (axes,) = line_chart({"a": [(20, 0.7), (10, 0.5), (40, 0.6)]}, "x", "y", logarithmic=logarithmic).axes
    assert np.asarray(axes.lines[0].get_xydata()).tolist() == [[10, 0.5], [20, 0.7], [40, 0.6]]
    assert axes.get_xscale() == ("log" if logarithmic else "linear")
    assert axes.get_xticks().tolist() == [10, 20, 40]


def test_lines_that_lie_on_each_other_are_all_seen() -> None:
    (axes,) = line_chart({name: [(1, 0.1), (2, 0.2)] for name in "abc"}, "x", "y").axes
    widths = [line.get_linewidth() for line in axes.lines]
    assert widths == sorted(set(widths), reverse=True)


def test_words_are_text_and_names_are_escaped() -> None:
    drawn = as_svg(line_chart({"<b> & co": [(1, 1), (2, 1)]}, "costs $5 and $6", "y"))
    texts = ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    assert {"<b> & co", "costs $5 and $6", "y", "1", "2"} <= {text.text for text in texts}


def test_the_same_chart_is_the_same_file() -> None:
    series = {"one point": [(10.0, 0.5)]}
    assert as_svg(line_chart(series, "x", "y")) == as_svg(line_chart(series, "x", "y"))


def test_clusters_stand_in_the_order_of_their_classes() -> None:
    counts = {"cat": [1, 9, 0], "dog": [0, 1, 9], "eel": [10, 0, 0]}
    axes, _ = confusion_matrix(counts, ["eel", "cat", "dog"]).axes
    assert np.asarray(axes.images[0].get_array()).tolist() == [[0.9, 0, 0.1], [0.1, 0.9, 0], [0, 0, 1]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "eel"]
    assert sorted(text.get_text() for text in axes.texts) == ["10", "10", "100", "90", "90"]


def test_a_picture_takes_any_number_of_clusters_and_names_of_any_length_and_script() -> None:
    picture = as_pixels(confusion_matrix({"x" * 90: [3] * 30, "空": [0] * 30}, ["空", *[None] * 29]))
    assert picture.shape[1] > 30 * 40
    assert (picture[:, :2] == 255).all()
