"""Training curves: the drawing says what the log says."""

import math
from typing import Any

from objdisc.report.curves import HEIGHT, WIDTH, curves


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
