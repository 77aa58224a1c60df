"""Training curves: the drawing says what the log says."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from objdisc.clustering.number import RecommendedNumber
from objdisc.report.curves import HEIGHT, WIDTH, curves, number_curve, occupancy_bands


def _points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def test_larger_values_are_higher_and_later_ones_further_right() -> None:
    (curve,) = curves([{"epoch": 2, "loss": 1.0}, {"epoch": 3, "loss": 5.0}, {"epoch": 6, "loss": 3.0}])
    assert _points(curve.points) == [(0, HEIGHT), (WIDTH / 4, 0), (WIDTH, HEIGHT / 2)]
    assert (curve.first, curve.last, curve.low, curve.high) == (1.0, 3.0, 1.0, 5.0)


def test_the_loss_comes_first_and_positions_are_no_curves() -> None:
    records: list[dict[str, Any]] = [
        {"step": n, "epoch": n, "lr": 0.1, "loss": n, "note": "text", "flag": True} for n in range(3)
    ]
    assert [curve.name for curve in curves(records)] == ["loss", "lr"]
    assert [curve.name for curve in curves(records, at_most=1)] == ["loss"]


def test_constant_and_unfinite_values() -> None:
    records: list[dict[str, Any]] = [
        {"loss": 2.0},
        {"loss": math.nan},
        {"loss": None},
        {"loss": math.inf},
        {"loss": 2.0},
    ]
    (curve,) = curves(records)
    assert _points(curve.points) == [(0, HEIGHT / 2), (WIDTH, HEIGHT / 2)]


def test_a_single_value_is_no_curve() -> None:
    assert len(curves([])) == 0
    assert len(curves([{"loss": 1.0}])) == 0


def test_long_logs_are_thinned_but_end_where_they_end() -> None:
    (curve,) = curves([{"step": n, "loss": float(n)} for n in range(100_001)])
    points = _points(curve.points)
    assert len(points) <= 242
    assert points[0] == (0.0, float(HEIGHT))
    assert max(abs(points[-1][0] - WIDTH), abs(points[-1][1])) < 0.1


def test_occupancy_is_stacked_to_the_full_height() -> None:
    shares = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    bottom, top = (_points(band) for band in occupancy_bands(shares))
    assert bottom[:3] == [(0, HEIGHT), (WIDTH / 2, HEIGHT), (WIDTH, HEIGHT)]
    assert bottom[3:] == [(WIDTH, 0), (WIDTH / 2, HEIGHT / 2), (0, HEIGHT * 0.75)]
    assert top[:3] == bottom[:2:-1]
    assert top[3:] == [(WIDTH, 0), (WIDTH / 2, 0), (0, 0)]


def test_nothing_is_stacked_where_nothing_would_be_seen() -> None:
    assert occupancy_bands(np.zeros((0, 0))) == []
    assert occupancy_bands(np.ones((1, 1))) == []
    assert occupancy_bands(np.full((9, 500), 1 / 500)) == []
    assert len(occupancy_bands(np.full((3000, 2), 0.5))[0]) < 10_000


def test_the_curve_of_numbers_stands_as_high_as_its_strengths() -> None:
    found = RecommendedNumber(4, 2, 2, {2: 0.75, 4: 0.5, 8: 0.0}, {2: 0.3, 4: 0.2, 8: 0.1}, 64, 0.5)
    curve = number_curve(found)
    assert _points(curve.points) == [(0, round(HEIGHT / 4, 1)), (WIDTH / 2, HEIGHT / 2), (WIDTH, HEIGHT)]
    assert (curve.chosen, curve.runner_up) == ((WIDTH / 2, HEIGHT / 2), (0, round(HEIGHT / 4, 1)))
    assert curve.ticks == [(2, 0), (4, WIDTH / 2), (8, WIDTH)]
    assert curve.threshold == HEIGHT / 2
    assert number_curve(replace(found, runner_up=None)).runner_up is None


def test_what_is_found_again_less_than_noise_lies_at_the_bottom() -> None:
    found = RecommendedNumber(4, 2, 2, {2: -1.3, 4: 0.75}, {2: 0.3, 4: 0.2}, 64, 0.675, {2: 0.8, 4: 0.4})
    assert _points(number_curve(found).points) == [(0, HEIGHT), (WIDTH, round(HEIGHT / 4, 1))]
