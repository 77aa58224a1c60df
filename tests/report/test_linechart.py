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
