"""Outlines of the toy city's cars, lorries, buses and trams: side views in metres, varied in proportion."""

import numpy as np

from objdisc.datasets.toycity.shapes import Part, bar, box, disc, shape, wheel


def car(rng: np.random.Generator) -> list[Part]:
    """Draw a saloon, hatchback or estate car: a low body with a cabin on it."""
    half, deck = rng.uniform(1.9, 2.25), rng.uniform(0.82, 0.95)
    roof, front, rear = rng.uniform(1.38, 1.6), rng.uniform(0.45, 0.75), rng.uniform(0.55, 1.75)
    back = -rear
    radius, axle = rng.uniform(0.3, 0.36), half - rng.uniform(0.7, 0.85)
    cabin = [
        (-min(half - 0.08, rear + 0.45), deck),
        (back, roof - 0.03),
        (-0.1, roof),
        (front - 0.25, roof - 0.02),
        (front + 0.55, deck),
    ]
    glass = [(0.92 * (x - 0.05) + 0.04, deck + (y - deck) * 0.82) for x, y in cabin]
    post = rng.uniform(-0.35, 0.0)
    return [
        shape("body", *cabin),
        shape("glass", *glass),
        bar((post, deck), (post - 0.03, roof - 0.06), 0.1, "body"),
        shape(
            "body",
            (-half, 0.3),
            (half, 0.3),
            (half, 0.66),
            (half - 0.15, 0.78),
            (front + 0.5, deck + 0.03),
            (-half + 0.12, deck + 0.03),
            (-half, 0.8),
        ),
        box(-half + 0.1, 0.25, half - 0.1, 0.36, "dark"),
        bar((post, 0.42), (post, deck), 0.025, "dark"),
        bar((post - 0.3, deck - 0.13), (post - 0.14, deck - 0.13), 0.05, "metal"),
        shape("light", (half - 0.3, 0.6), (half - 0.01, 0.56), (half - 0.03, 0.68), (half - 0.25, 0.72)),
        box(-half, 0.62, -half + 0.16, 0.76, "second"),
        *wheel(axle, radius),
        *wheel(-axle, radius),
    ]


def truck(rng: np.random.Generator) -> list[Part]:
    """Draw a lorry: a cab in front, a taller box or an open bed behind, a gap between them."""
    length, cab, top = rng.uniform(3.4, 4.6), rng.uniform(1.5, 1.9), rng.uniform(2.1, 2.5)
    half, bed = (length + cab + 0.25) / 2, 0.85
    nose, split = half, half - cab
    parts = [box(-half, 0.5, half - 0.1, 0.78, "dark")]
    if rng.random() < 0.7:
        height = rng.uniform(2.7, 3.3)
        parts += [
            box(-half, bed, split - 0.25, height, "second"),
            box(-half, height - 0.1, split - 0.25, height, "metal"),
        ]
        parts += [
            bar((x, bed + 0.1), (x, height - 0.2), 0.04, "metal") for x in np.linspace(-half + 0.4, split - 0.6, 5)
        ]
        parts.append(box(-half + 0.5, bed + 0.7, split - 0.8, bed + rng.uniform(0.9, 1.3), "body"))
    else:
        parts += [
            box(-half, bed, split - 0.25, bed + 0.6, "second"),
            box(split - 0.4, bed, split - 0.25, top, "second"),
        ]
        load = np.linspace(-half + 0.15, split - 0.5, 9)
        crest = bed + 0.6 + rng.uniform(0.1, 0.7, 9) * np.sin(np.linspace(0, np.pi, 9))
        parts.append(shape("metal", *zip(load.tolist(), crest.tolist(), strict=True)))
    slope = rng.uniform(0.05, 0.35)
    parts += [
        shape("body", (split, 0.45), (nose, 0.45), (nose, 1.25), (nose - slope, top), (split, top)),
        shape(
            "glass",
            (nose - 0.85, 1.35),
            (nose - 0.08, 1.35),
            (nose - slope - 0.06, top - 0.2),
            (nose - 0.85, top - 0.2),
        ),
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
        shape(
            "body", (-half, 0.3), (half, 0.3), (half, roof - r), (half - r, roof), (-half + r, roof), (-half, roof - r)
        ),
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
    parts += [
        box(-half, 0.3, half, rng.uniform(0.6, 0.95), "second"),
        box(-half + nose, top - 0.25, half - nose, top - 0.12, "second"),
    ]
    for end in (-1, 1):
        parts.append(
            shape(
                "glass",
                (end * (half - 0.08), 1.35),
                (end * (half - nose - 0.05), top - 0.4),
                (end * (half - nose - 0.5), top - 0.4),
                (end * (half - nose - 0.5), 1.35),
            )
        )
        parts.append(disc((end * (half - 0.15), 0.75), 0.11, "light"))
    for index in range(cars):
        left = -half + index * length
        inner = (left + (nose + 0.7 if index == 0 else 0.3), left + length - (nose + 0.7 if index == cars - 1 else 0.3))
        count = 4
        step = (inner[1] - inner[0]) / count
        for pane in range(count):
            low = 0.5 if pane == count // 2 else 1.35
            parts.append(
                box(inner[0] + pane * step + 0.06, low, inner[0] + (pane + 1) * step - 0.06, top - 0.5, "glass")
            )
        if index:
            parts.append(box(left - 0.16, 0.35, left + 0.16, top, "dark"))
    x = rng.uniform(-0.3, 0.3) * half
    parts += [
        bar((x - 0.5, top), (x + 0.1, top + 0.45), 0.07, "dark"),
        bar((x + 0.1, top + 0.45), (x - 0.4, top + 0.85), 0.07, "dark"),
    ]
    parts += [
        bar((x - 0.8, top + 0.87), (x, top + 0.87), 0.08, "dark"),
        box(x + 0.6, top, x + 1.9, top + 0.22, "metal"),
    ]
    return parts
