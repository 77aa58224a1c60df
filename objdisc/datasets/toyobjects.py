"""Outlines of the toy city's objects: side views in metres, built of polygons, varied in pose and proportion.

The class lies in the shape alone: every colour is drawn at random, from the same palette for each class.
"""

from collections.abc import Callable, Mapping
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
        role: What it is made of; ``toystreet`` picks the colour: body, second, dark, metal, glass, light, skin.
    """

    points: Points
    role: str


def disc(center: Spot, radius: float, role: str, stretch: float = 1.0) -> Part:
    """Make a circle, or an ellipse whose height is ``stretch`` times its width."""
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return Part(np.stack([center[0] + radius * np.cos(turn), center[1] + stretch * radius * np.sin(turn)], axis=1), role)


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
    return [disc((x, radius), radius, "dark"), disc((x, radius), 0.55 * radius, "metal"), disc((x, radius), 0.15 * radius, "dark")]


def spoked_wheel(x: float, radius: float) -> list[Part]:
    """Make a bicycle's wheel: a tyre around a pale disc with spokes."""
    center = (x, radius)
    spokes = [
        bar(center, (x + 0.9 * radius * np.cos(a), radius + 0.9 * radius * np.sin(a)), 0.025, "dark")
        for a in np.linspace(0.3, 0.3 + 2 * np.pi, 7)[:-1]
    ]
    return [disc(center, radius, "dark"), disc(center, 0.82 * radius, "pale"), *spokes]


def person(rng: np.random.Generator) -> list[Part]:
    """Draw a walking or standing pedestrian: swinging limbs, perhaps a coat, a hat or a bag."""
    stride, swing = rng.uniform(-0.38, 0.38), rng.uniform(-0.35, 0.35)
    width, lean = rng.uniform(0.40, 0.52), rng.uniform(-0.04, 0.08)
    hip, neck = (0.0, 0.88), (lean, 1.46)
    knee = 0.5 * stride + 0.05
    parts = [
        bar((-0.04, 0.88), (-knee, 0.47), 0.21, "second"), bar((-knee, 0.47), (-stride, 0.08), 0.17, "second", 0.12),
        bar((neck[0], 1.38), (lean - swing, 0.98), 0.14, "body"),
        bar((0.04, 0.88), (knee, 0.47), 0.21, "second"), bar((knee, 0.47), (stride, 0.08), 0.17, "second", 0.12),
        bar((-stride - 0.03, 0.05), (-stride + 0.15, 0.05), 0.1, "dark"), bar((stride - 0.03, 0.05), (stride + 0.15, 0.05), 0.1, "dark"),
        bar(hip, (neck[0], 1.32), width * 0.8, "body", width),
    ]
    if rng.random() < 0.35:
        hem, flare = rng.uniform(0.5, 0.75), rng.uniform(0.24, 0.34)
        parts.append(shape("body", (-flare, hem), (flare, hem), (0.18, 1.0), (-0.18, 1.0)))
    if rng.random() < 0.3:
        parts.append(bar((lean - 0.26, 1.05), (lean - 0.24, 1.32), 0.24, "second"))
    elbow = (lean + 0.5 * swing + 0.04, 1.15)
    parts += [bar((lean, 1.38), elbow, 0.14, "body"), bar(elbow, (lean + swing + 0.1, 0.94), 0.11, "body", 0.09)]
    parts += [bar((lean, 1.42), (lean + 0.02, 1.56), 0.13, "skin"), disc((lean + 0.03, 1.64), 0.125, "skin", 1.2)]
    parts.append(shape("dark", (lean - 0.11, 1.6), (lean - 0.11, 1.74), (lean, 1.81), (lean + 0.12, 1.76), (lean + 0.1, 1.7), (lean - 0.03, 1.7)))
    if rng.random() < 0.25:
        parts.append(bar((lean - 0.08, 1.76), (lean + 0.22, 1.74), 0.09, "body"))
    return parts


def rider(rng: np.random.Generator) -> list[Part]:
    """Draw a person seated on a two-wheeler: bent forward, arms ahead, one leg up, a helmet."""
    pedal, lean = rng.uniform(0, 2 * np.pi), rng.uniform(0.18, 0.42)
    hip, shoulder = (-0.22, 1.0), (-0.22 + lean, 1.0 + np.sqrt(0.56**2 - lean**2))
    hand = (0.42, rng.uniform(1.0, 1.08))
    parts: list[Part] = []
    for phase in (np.pi, 0.0):
        foot = (0.02 + 0.17 * np.cos(pedal + phase), 0.3 + 0.17 * np.sin(pedal + phase))
        middle = (0.5 * (hip[0] + foot[0]) + 0.22, 0.5 * (hip[1] + foot[1]) + 0.08)
        parts += [bar(hip, middle, 0.2, "second", 0.16), bar(middle, foot, 0.15, "second", 0.11)]
        parts.append(bar(foot, (foot[0] + 0.17, foot[1] - 0.02), 0.09, "dark"))
    elbow = (0.5 * (shoulder[0] + hand[0]), 0.5 * (shoulder[1] + hand[1]) - 0.1)
    head = (shoulder[0] + 0.1, shoulder[1] + 0.24)
    parts += [bar(hip, shoulder, 0.3, "body", 0.34), bar(shoulder, (shoulder[0] + 0.07, shoulder[1] + 0.14), 0.13, "skin")]
    if rng.random() < 0.4:
        parts.append(bar((hip[0] - 0.08, hip[1] + 0.2), (shoulder[0] - 0.2, shoulder[1] - 0.05), 0.26, "second"))
    parts += [bar(shoulder, elbow, 0.14, "body"), bar(elbow, hand, 0.11, "body", 0.09), disc(head, 0.125, "skin", 1.15)]
    x, y = head
    parts.append(shape("light", (x - 0.17, y), (x - 0.15, y + 0.13), (x, y + 0.2), (x + 0.14, y + 0.13), (x + 0.17, y + 0.03)))
    return parts


def car(rng: np.random.Generator) -> list[Part]:
    """Draw a saloon, hatchback or estate car: a low body with a cabin on it."""
    half, deck = rng.uniform(1.9, 2.25), rng.uniform(0.82, 0.95)
    roof, front, rear = rng.uniform(1.38, 1.6), rng.uniform(0.45, 0.75), rng.uniform(0.55, 1.75)
    back = -rear
    radius, axle = rng.uniform(0.3, 0.36), half - rng.uniform(0.7, 0.85)
    cabin = [(-min(half - 0.08, rear + 0.45), deck), (back, roof - 0.03), (-0.1, roof), (front - 0.25, roof - 0.02), (front + 0.55, deck)]
    glass = [(0.92 * (x - 0.05) + 0.04, deck + (y - deck) * 0.82) for x, y in cabin]
    post = rng.uniform(-0.35, 0.0)
    return [
        shape("body", *cabin),
        shape("glass", *glass),
        bar((post, deck), (post - 0.03, roof - 0.06), 0.1, "body"),
        shape("body", (-half, 0.3), (half, 0.3), (half, 0.66), (half - 0.15, 0.78), (front + 0.5, deck + 0.03), (-half + 0.12, deck + 0.03), (-half, 0.8)),
        box(-half + 0.1, 0.25, half - 0.1, 0.36, "dark"),
        bar((post, 0.42), (post, deck), 0.025, "dark"),
        bar((post - 0.3, deck - 0.13), (post - 0.14, deck - 0.13), 0.05, "metal"),
        shape("light", (half - 0.3, 0.6), (half - 0.01, 0.56), (half - 0.03, 0.68), (half - 0.25, 0.72)),
        box(-half, 0.62, -half + 0.16, 0.76, "second"),
        *wheel(axle, radius), *wheel(-axle, radius),
    ]  # fmt: skip


def truck(rng: np.random.Generator) -> list[Part]:
    """Draw a lorry: a cab in front, a taller box or an open bed behind, a gap between them."""
    length, cab, top = rng.uniform(3.4, 4.6), rng.uniform(1.5, 1.9), rng.uniform(2.1, 2.5)
    half, bed = (length + cab + 0.25) / 2, 0.85
    nose, split = half, half - cab
    parts = [box(-half, 0.5, half - 0.1, 0.78, "dark")]
    if rng.random() < 0.7:
        height = rng.uniform(2.7, 3.3)
        parts += [box(-half, bed, split - 0.25, height, "second"), box(-half, height - 0.1, split - 0.25, height, "metal")]
        parts += [bar((x, bed + 0.1), (x, height - 0.2), 0.04, "metal") for x in np.linspace(-half + 0.4, split - 0.6, 5)]
        parts.append(box(-half + 0.5, bed + 0.7, split - 0.8, bed + rng.uniform(0.9, 1.3), "body"))
    else:
        parts += [box(-half, bed, split - 0.25, bed + 0.6, "second"), box(split - 0.4, bed, split - 0.25, top, "second")]
        load = np.linspace(-half + 0.15, split - 0.5, 9)
        crest = bed + 0.6 + rng.uniform(0.1, 0.7, 9) * np.sin(np.linspace(0, np.pi, 9))
        parts.append(shape("metal", *zip(load.tolist(), crest.tolist(), strict=True)))
    slope = rng.uniform(0.05, 0.35)
    parts += [
        shape("body", (split, 0.45), (nose, 0.45), (nose, 1.25), (nose - slope, top), (split, top)),
        shape("glass", (nose - 0.85, 1.35), (nose - 0.08, 1.35), (nose - slope - 0.06, top - 0.2), (nose - 0.85, top - 0.2)),
        bar((nose - 0.95, 0.6), (nose - 0.95, top - 0.2), 0.04, "dark"),
        box(nose - 0.2, 0.6, nose, 0.8, "light"),
    ]
    radius = rng.uniform(0.45, 0.52)
    for x in (nose - 0.7, -half + 0.7, *([-half + 1.75] if rng.random() < 0.6 else [])):
        parts += wheel(x, radius)
    return parts


def bus(rng: np.random.Generator) -> list[Part]:
    """Draw a city bus: one long block with a band of windows, doors, two axles; sometimes a double-decker."""
    half, top = rng.uniform(3.6, 4.6), rng.uniform(2.8, 3.1)
    double = rng.random() < 0.3
    roof = top + (1.15 if double else 0.0)
    r = 0.25
    parts = [
        shape("body", (-half, 0.3), (half, 0.3), (half, roof - r), (half - r, roof), (-half + r, roof), (-half, roof - r)),
        box(-half, 0.75, half, rng.uniform(0.95, 1.2), "second"),
        box(-half + 0.2, 1.35, half - 0.05, top - 0.45, "glass"),
    ]
    if double:
        parts.append(box(-half + 0.2, top - 0.1, half - 0.05, roof - 0.35, "glass"))
    ribs = np.linspace(-half + 0.2, half - 0.9, int(rng.integers(5, 8)))
    parts += [box(x - 0.05, 1.35, x + 0.05, roof - 0.35 if double else top - 0.45, "body") for x in ribs]
    for x in (half - 0.55, rng.uniform(-0.9, 0.4)):
        parts += [box(x - 0.4, 0.42, x + 0.4, 2.35, "glass"), bar((x, 0.45), (x, 2.3), 0.06, "body")]
    parts.append(box(half - 1.9, top - 0.4, half - 0.2, top - 0.14, "dark"))
    parts.append(box(half - 0.15, 0.55, half, 0.75, "light"))
    return [*parts, *wheel(half - 1.75, 0.46), *wheel(-half + 1.7, 0.46)]


def train(rng: np.random.Generator) -> list[Part]:
    """Draw a tram: two or three cars with sloped ends joined by bellows, low skirts, a pantograph on the roof."""
    cars, length = int(rng.integers(2, 4)), rng.uniform(4.2, 5.2)
    half, top, nose = cars * length / 2, rng.uniform(3.0, 3.3), rng.uniform(0.5, 1.1)
    parts = [box(-half + 0.9, 0.05, half - 0.9, 0.4, "dark")]
    parts.append(
        shape("body", (-half, 0.3), (half, 0.3), (half, 1.2), (half - nose, top), (-half + nose, top), (-half, 1.2))
    )
    parts += [box(-half, 0.3, half, rng.uniform(0.6, 0.95), "second"), box(-half + nose, top - 0.25, half - nose, top - 0.12, "second")]
    for end in (-1, 1):
        parts.append(shape("glass", (end * (half - 0.08), 1.35), (end * (half - nose - 0.05), top - 0.4), (end * (half - nose - 0.5), top - 0.4), (end * (half - nose - 0.5), 1.35)))
        parts.append(disc((end * (half - 0.15), 0.75), 0.11, "light"))
    for index in range(cars):
        left = -half + index * length
        inner = (left + (nose + 0.7 if index == 0 else 0.3), left + length - (nose + 0.7 if index == cars - 1 else 0.3))
        count = 4
        step = (inner[1] - inner[0]) / count
        for pane in range(count):
            low = 0.5 if pane == count // 2 else 1.35
            parts.append(box(inner[0] + pane * step + 0.06, low, inner[0] + (pane + 1) * step - 0.06, top - 0.5, "glass"))
        if index:
            parts.append(box(left - 0.16, 0.35, left + 0.16, top, "dark"))
    x = rng.uniform(-0.3, 0.3) * half
    parts += [bar((x - 0.5, top), (x + 0.1, top + 0.45), 0.07, "dark"), bar((x + 0.1, top + 0.45), (x - 0.4, top + 0.85), 0.07, "dark")]
    parts += [bar((x - 0.8, top + 0.87), (x, top + 0.87), 0.08, "dark"), box(x + 0.6, top, x + 1.9, top + 0.22, "metal")]
    return parts


def motorcycle(rng: np.random.Generator) -> list[Part]:
    """Draw a motorcycle or a scooter: fat wheels, an engine block, tank, seat and a raked fork."""
    reach, radius = rng.uniform(0.66, 0.76), rng.uniform(0.29, 0.34)
    tank, tail = rng.uniform(0.82, 0.92), rng.uniform(0.72, 0.86)
    scooter = rng.random() < 0.3
    parts = [*wheel(-reach, radius), *wheel(reach, radius), bar((reach, radius), (reach - 0.3, 1.0), 0.1, "metal")]
    if scooter:
        parts += [shape("body", (-reach - 0.2, 0.72), (-reach - 0.05, 0.4), (-0.1, 0.26), (0.3, 0.26), (0.42, 0.95), (0.3, 0.98), (0.15, 0.42), (-0.12, 0.42), (-0.1, 0.74))]
    else:
        parts += [shape("dark", (-0.4, 0.28), (0.3, 0.28), (0.38, 0.6), (-0.35, 0.65)), disc((0.0, 0.42), 0.16, "metal")]
        parts += [shape("body", (-0.12, 0.66), (0.42, 0.62), (0.45, tank), (0.25, tank + 0.06), (-0.05, tank - 0.08))]
        parts += [bar((-0.15, 0.32), (-reach - 0.3, 0.42), 0.12, "metal")]
    parts += [shape("second", (-reach - 0.28, tail), (-reach - 0.05, tail - 0.16), (0.0, 0.66), (-0.02, 0.8))]
    parts += [bar((reach - 0.3, 1.0), (reach - 0.52, rng.uniform(1.04, 1.14)), 0.06, "dark"), disc((reach - 0.16, 0.88), 0.11, "light")]
    parts += [bar((reach - 0.24, radius + 0.42), (reach + 0.16, radius + 0.38), 0.09, "body")]
    return parts


def bicycle(rng: np.random.Generator) -> list[Part]:
    """Draw a bicycle: two large thin wheels, a tube frame, saddle and handlebar."""
    reach, radius = rng.uniform(0.5, 0.56), rng.uniform(0.32, 0.36)
    rear, front, crank = (-reach, radius), (reach, radius), (-0.05, 0.3)
    seat, head = (-0.2, rng.uniform(0.78, 0.86)), (0.36, rng.uniform(0.74, 0.84))
    low = rng.uniform(0.0, 0.35)
    top_tube = (seat[0] + low * (crank[0] - seat[0]), seat[1] + low * (crank[1] - seat[1]))
    tubes = [(rear, crank), (rear, seat), (crank, seat), (crank, head), (top_tube, head), (front, head)]
    parts = [*spoked_wheel(-reach, radius), *spoked_wheel(reach, radius)]
    parts += [bar(a, b, 0.075, "body") for a, b in tubes]
    parts += [bar(seat, (seat[0] - 0.03, seat[1] + 0.1), 0.05, "metal"), bar((seat[0] - 0.15, seat[1] + 0.12), (seat[0] + 0.12, seat[1] + 0.11), 0.08, "dark")]
    grip = (head[0] + rng.uniform(-0.04, 0.12), head[1] + 0.2)
    parts += [bar(head, (head[0] - 0.02, head[1] + 0.18), 0.06, "metal"), bar((head[0] - 0.02, head[1] + 0.18), grip, 0.06, "dark")]
    parts.append(disc(crank, 0.1, "metal"))
    if rng.random() < 0.35:
        parts += [shape("second", (0.42, 0.72), (0.72, 0.72), (0.78, 1.0), (0.4, 1.0))]
    return parts


OUTLINES: Mapping[str, Callable[[np.random.Generator], list[Part]]] = {
    "person": person,
    "rider": rider,
    "car": car,
    "truck": truck,
    "bus": bus,
    "train": train,
    "motorcycle": motorcycle,
    "bicycle": bicycle,
}
