"""Building blocks of the toy city: filled polygons, and the circles, bars, boxes and wheels made of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Spot = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Part:
    """One filled polygon of an object.

    Attributes:
        points: ``(N, 2)`` x and y in metres: x forward, y up, the origin on the ground below the object's middle.
        role: Its part of the object, by which ``placement`` picks a colour: body, second, dark, metal, pale, glass,
            light, skin.
    """

    points: Points
    role: str


def disc(center: Spot, radius: float, role: str, stretch: float = 1.0) -> Part:
    """Make a circle, or an ellipse whose height is ``stretch`` times its width."""
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return Part(
        np.stack([center[0] + radius * np.cos(turn), center[1] + stretch * radius * np.sin(turn)], axis=1), role
    )


def bar(start: Spot, end: Spot, width: float, role: str, end_width: float | None = None) -> Part:
    """Make a limb or a tube with round ends; ``end_width`` lets it taper."""
    a, b = np.array(start), np.array(end)
    heading = np.arctan2(b[1] - a[1], b[0] - a[0])
    arc = np.linspace(np.pi / 2, 3 * np.pi / 2, 7) + heading
    cap = np.stack([np.cos(arc), np.sin(arc)], axis=1)
    return Part(np.concatenate([a + cap * width / 2, b - cap * (end_width or width) / 2]), role)


def box(left: float, bottom: float, right: float, top: float, role: str) -> Part:
    """Make an upright rectangle."""
    return Part(np.array([(left, bottom), (right, bottom), (right, top), (left, top)], float), role)


def shape(role: str, *spots: Spot) -> Part:
    """Make a polygon from its corners."""
    return Part(np.array(spots, float), role)


def wheel(x: float, radius: float) -> list[Part]:
    """Make a car's wheel that stands on the ground."""
    return [
        disc((x, radius), radius, "dark"),
        disc((x, radius), 0.55 * radius, "metal"),
        disc((x, radius), 0.15 * radius, "dark"),
    ]


def spoked_wheel(x: float, radius: float) -> list[Part]:
    """Make a bicycle's wheel: a tyre around a pale disc with spokes."""
    center = (x, radius)
    spokes = [
        bar(center, (x + 0.9 * radius * np.cos(a), radius + 0.9 * radius * np.sin(a)), 0.025, "dark")
        for a in np.linspace(0.3, 0.3 + 2 * np.pi, 7)[:-1]
    ]
    return [disc(center, radius, "dark"), disc(center, 0.82 * radius, "pale"), *spokes]
