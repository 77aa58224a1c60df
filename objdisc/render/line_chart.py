"""A line chart as SVG: a few series over an axis, logarithmic or not."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 480, 320  # user units
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 120, 20, 50
_COLORS = ("#1b6ca8", "#c8553d", "#3b8b5a", "#8a5fb0", "#b08900", "#4a4a4a")


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], x_title: str, y_title: str, *, logarithmic: bool = True
) -> str:
    """Draw points joined by lines.

    Args:
        series: Name to ``(x, y)`` points, at least one in all; x > 0 where it is drawn by its logarithm.
        x_title: Under the axis.
        y_title: Beside the axis.
        logarithmic: Whether x is drawn by its logarithm.

    Returns:
        An ``<svg>`` document.
    """
    points = [point for line in series.values() for point in line]
    xs = sorted({x for x, _ in points})
    ticks = _round_ticks(min(y for _, y in points), max(y for _, y in points))
    low, high = ticks[0], ticks[-1]
    scale = math.log if logarithmic else float
    span = scale(xs[-1]) - scale(xs[0]) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = (scale(x) - scale(xs[0])) / span if len(xs) > 1 else 0.5
        up = (y - low) / (high - low)
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for value in ticks:
        _, y = place(xs[0], value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for x in xs:
        across, _ = place(x, low)
        parts.append(f'<text x="{across:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{x:g}</text>')
    for number, (name, line) in enumerate(series.items()):
        color = _COLORS[number % len(_COLORS)]
        places = [place(x, y) for x, y in sorted(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        width = 1 + len(series) - number  # lines that lie on each other are all seen
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]
        height = _TOP + 16 * number + 8
        parts.append(f'<text x="{_WIDTH - _RIGHT + 10}" y="{height}" fill="{color}">{escape(name)}</text>')
    middle = (_HEIGHT - _BOTTOM + _TOP) / 2
    parts += [
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x_title)}</text>',
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _round_ticks(low: float, high: float) -> list[float]:
    """Return two to seven round numbers, evenly spaced, the first at most ``low``, the last at least ``high``.

    Their steps divide 1, so that an axis of shares ends there.
    """
    wanted = max((high - low) / 5, 0.001)
    power = 10 ** math.floor(math.log10(wanted))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    if first == last:
        first, last = (first - 1, last) if first > 0 else (first, last + 1)
    return [round(number * step, 10) for number in range(first, last + 1)]
