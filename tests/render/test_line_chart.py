"""A line chart: points where they belong, names escaped, one point or one value no failure."""

import xml.etree.ElementTree as ElementTree

import pytest

from objdisc.render.line_chart import line_chart

NAMESPACE = "{http://www.w3.org/2000/svg}"


def test_equal_ratios_are_equal_distances_and_larger_values_are_higher() -> None:
    chart = ElementTree.fromstring(line_chart({"a": [(10, 0.5), (20, 0.7), (40, 0.6)]}, "x", "y"))
    dots = [(float(dot.get("cx", 0)), float(dot.get("cy", 0))) for dot in chart.iter(f"{NAMESPACE}circle")]
    assert dots[1][0] - dots[0][0] == pytest.approx(dots[2][0] - dots[1][0], abs=0.2)
    assert dots[1][1] < dots[2][1] < dots[0][1]


def test_names_are_escaped() -> None:
    chart = ElementTree.fromstring(line_chart({"<b> & co": [(1, 1), (2, 1)]}, "x < y", "y"))
    texts = [text.text for text in chart.iter(f"{NAMESPACE}text")]
    assert {"<b> & co", "x < y"} <= set(texts)


def test_one_point_is_drawn() -> None:
    assert line_chart({"a": [(10, 0.5)]}, "x", "y").count("<circle") == 1


def test_without_the_logarithm_equal_steps_are_equally_wide() -> None:
    drawn = line_chart({"a": [(1, 0.1), (2, 0.2), (3, 0.3)]}, "block", "accuracy", logarithmic=False)
    dots = ElementTree.fromstring(drawn).iter(f"{NAMESPACE}circle")
    first, second, third = (float(dot.get("cx", 0)) for dot in dots)
    assert second - first == pytest.approx(third - second, abs=0.11)


def labels_beside_the_axis(drawn: str) -> list[float]:
    texts = ElementTree.fromstring(drawn).iter(f"{NAMESPACE}text")
    return [float(text.text or "") for text in texts if text.get("text-anchor") == "end"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.9776, 0.9924), [0.975, 0.98, 0.985, 0.99, 0.995]),
        ((0.13, 0.97), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ((0.9, 1.0), [0.9, 0.92, 0.94, 0.96, 0.98, 1]),
        ((1.0, 1.0), [0.999, 1]),
        ((0.0, 0.0), [0, 0.001]),
    ],
)
def test_ticks_are_round_hold_all_values_and_end_where_shares_do(
    values: tuple[float, float], expected: list[float]
) -> None:
    drawn = line_chart({"a": [(10, values[0]), (20, values[1])]}, "x", "y")
    assert labels_beside_the_axis(drawn) == pytest.approx(expected)


def test_lines_that_lie_on_each_other_are_all_seen() -> None:
    drawn = line_chart({name: [(1, 0.1), (2, 0.2)] for name in "abc"}, "x", "y")
    widths = [float(line.get("stroke-width", 0)) for line in ElementTree.fromstring(drawn).iter(f"{NAMESPACE}polyline")]
    assert widths == sorted(set(widths), reverse=True)
