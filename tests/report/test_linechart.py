"""A line chart: points where they belong, names escaped, one point or one value no failure."""

import xml.etree.ElementTree as ElementTree

import pytest

from objdisc.report.linechart import line_chart

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
