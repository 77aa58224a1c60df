"""Training curves and the clusters' shares during training, as points of SVG lines and areas."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.clustering.number import RecommendedNumber
from objdisc.imaging.spread import spread_evenly

WIDTH, HEIGHT = 300, 90  # user units of the drawing
_MAX_POINTS = 240
_MAX_BANDS = 60  # more are thinner than a pixel
_POSITIONS = ("step", "epoch")
_NOT_CURVES = {*_POSITIONS, "seconds", "time"}
_MEANINGS = {
    "nmi_previous": "normalised mutual information of an epoch's clusters with those of the epoch before; no labels",
    "nmi_labels": "normalised mutual information of an epoch's clusters with the classes of the training images; "
    "computed after the training, by the evaluation",
    "accuracy_pseudo": "share of images that the network puts into the cluster they were given; no labels",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """The course of one logged number.

    Attributes:
        name: As it was logged.
        meaning: Its meaning, if the name does not say it.
        points: ``x,y x,y ...`` for ``<polyline>``, inside ``WIDTH`` x ``HEIGHT``, larger values higher.
        first: The first value.
        last: The last value.
        low: The smallest value.
        high: The largest value.
    """

    name: str
    meaning: str
    points: str
    first: float
    last: float
    low: float
    high: float


def curves(records: Sequence[Mapping[str, Any]], *, at_most: int = 12) -> list[Curve]:
    """Turn a metrics log into curves, the loss first, then in the order of their first appearance.

    Args:
        records: Lines of ``metrics.jsonl``, as ``read_metrics_log`` gives them. The number under ``step``, else
            ``epoch``, else the line's number is the position of a value; values that are not finite are left out.
        at_most: Most curves.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for line, record in enumerate(records):
        position = next((float(record[key]) for key in _POSITIONS if _is_number(record.get(key))), float(line))
        for name, value in record.items():
            if name not in _NOT_CURVES and _is_number(value):
                series.setdefault(name, []).append((position, float(value)))
    drawn = [(name, points) for name, points in series.items() if len(points) > 1]
    drawn.sort(key=lambda item: item[0] != "loss")
    return [_curve(name, points) for name, points in drawn[:at_most]]


@dataclass(frozen=True, slots=True)
class NumberCurve:
    """How well clusters are found again, by their number.

    Attributes:
        points: ``x,y x,y ...`` for ``<polyline>``, inside ``WIDTH`` x ``HEIGHT``; 0 and what is less lies at the
            bottom, 1 at the top, and numbers are spaced by their logarithms.
        chosen: Position of the chosen number, as ``(x, y)``.
        runner_up: Position of the runner-up; None if there is none.
        threshold: Height of the line that clusters must reach.
        ticks: Numbers to write below, with their x.
    """

    points: str
    chosen: tuple[float, float]
    runner_up: tuple[float, float] | None
    threshold: float
    ticks: Sequence[tuple[int, float]]


def number_curve(found: RecommendedNumber) -> NumberCurve:
    """Draw the evidence for a number of clusters."""
    numbers = sorted(found.strengths)
    low, high = math.log(numbers[0]), math.log(numbers[-1])

    def place(number: int) -> tuple[float, float]:
        x = _scaled(math.log(number), low, high) * WIDTH
        return round(x, 1), round(HEIGHT * (1 - max(found.strengths[number], 0)), 1)

    ticks = {numbers[0], found.chosen, numbers[-1]}
    ticks |= set() if found.runner_up is None else {found.runner_up}
    return NumberCurve(
        " ".join("{:.1f},{:.1f}".format(*place(number)) for number in numbers),
        place(found.chosen),
        None if found.runner_up is None else place(found.runner_up),
        round(HEIGHT * (1 - found.threshold), 1),
        [(number, place(number)[0]) for number in sorted(ticks)],
    )


def occupancy_bands(shares: NDArray[np.float64]) -> list[str]:
    """Stack the clusters' shares epoch by epoch, cluster 0 at the bottom.

    Args:
        shares: ``(E, K)``, as ``warnings.logged_occupancy`` gives them.

    Returns:
        K areas, each ``x,y x,y ...`` for ``<polygon>`` inside ``WIDTH`` x ``HEIGHT``; empty for fewer than two epochs,
            or for more clusters than the eye can tell apart.
    """
    epochs, num_clusters = shares.shape
    if epochs < 2 or num_clusters > _MAX_BANDS:
        return []
    kept = np.unique(spread_evenly(epochs, _MAX_POINTS))
    xs = kept / (epochs - 1) * WIDTH
    edges = np.concatenate([np.zeros((len(kept), 1)), np.cumsum(shares[kept], axis=1)], axis=1)
    ys = HEIGHT * (1 - edges)  # (E', K + 1)
    return [
        " ".join(
            f"{x:.1f},{y:.1f}"
            for x, y in [*zip(xs, ys[:, cluster], strict=True), *zip(xs[::-1], ys[::-1, cluster + 1], strict=True)]
        )
        for cluster in range(num_clusters)
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _curve(name: str, points: Sequence[tuple[float, float]]) -> Curve:
    values = [value for _, value in points]
    low, high = min(values), max(values)
    start, end = points[0][0], max(position for position, _ in points)
    step = -(-len(points) // _MAX_POINTS)
    kept = [*points[:-1:step], points[-1]]
    text = " ".join(
        f"{_scaled(x, start, end) * WIDTH:.1f},{HEIGHT - _scaled(y, low, high) * HEIGHT:.1f}" for x, y in kept
    )
    return Curve(name, _MEANINGS.get(name, ""), text, values[0], values[-1], low, high)


def _scaled(value: float, low: float, high: float) -> float:
    """Scale a value to 0 to 1; a constant is placed in the middle."""
    return (value - low) / (high - low) if high > low else 0.5
