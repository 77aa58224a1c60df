"""Outlines of the toy city's objects by class: people and two-wheelers here, larger vehicles in ``vehicles``.

Side views in metres, varied in pose and proportion. The class lies in the shape alone: every colour is drawn
at random, from the same palette for each class.
"""

from collections.abc import Callable, Mapping

import numpy as np

from objdisc.datasets.toycity.shapes import Part, bar, disc, shape, spoked_wheel, wheel
from objdisc.datasets.toycity.vehicles import bus, car, train, truck


def person(rng: np.random.Generator) -> list[Part]:
    """Draw a walking or standing pedestrian: swinging limbs, perhaps a coat, a hat or a bag."""
    stride, swing = rng.uniform(-0.38, 0.38), rng.uniform(-0.35, 0.35)
    width, lean = rng.uniform(0.40, 0.52), rng.uniform(-0.04, 0.08)
    hip, neck = (0.0, 0.88), (lean, 1.46)
    knee = 0.5 * stride + 0.05
    parts = [
        bar((-0.04, 0.88), (-knee, 0.47), 0.21, "second"),
        bar((-knee, 0.47), (-stride, 0.08), 0.17, "second", 0.12),
        bar((neck[0], 1.38), (lean - swing, 0.98), 0.14, "body"),
        bar((0.04, 0.88), (knee, 0.47), 0.21, "second"),
        bar((knee, 0.47), (stride, 0.08), 0.17, "second", 0.12),
        bar((-stride - 0.03, 0.05), (-stride + 0.15, 0.05), 0.1, "dark"),
        bar((stride - 0.03, 0.05), (stride + 0.15, 0.05), 0.1, "dark"),
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
    parts.append(
        shape(
            "dark",
            (lean - 0.11, 1.6),
            (lean - 0.11, 1.74),
            (lean, 1.81),
            (lean + 0.12, 1.76),
            (lean + 0.1, 1.7),
            (lean - 0.03, 1.7),
        )
    )
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
    parts += [
        bar(hip, shoulder, 0.3, "body", 0.34),
        bar(shoulder, (shoulder[0] + 0.07, shoulder[1] + 0.14), 0.13, "skin"),
    ]
    if rng.random() < 0.4:
        parts.append(bar((hip[0] - 0.08, hip[1] + 0.2), (shoulder[0] - 0.2, shoulder[1] - 0.05), 0.26, "second"))
    parts += [bar(shoulder, elbow, 0.14, "body"), bar(elbow, hand, 0.11, "body", 0.09), disc(head, 0.125, "skin", 1.15)]
    x, y = head
    parts.append(
        shape("light", (x - 0.17, y), (x - 0.15, y + 0.13), (x, y + 0.2), (x + 0.14, y + 0.13), (x + 0.17, y + 0.03))
    )
    return parts


def motorcycle(rng: np.random.Generator) -> list[Part]:
    """Draw a motorcycle or a scooter: fat wheels, an engine block, tank, seat and a raked fork."""
    reach, radius = rng.uniform(0.66, 0.76), rng.uniform(0.29, 0.34)
    tank, tail = rng.uniform(0.82, 0.92), rng.uniform(0.72, 0.86)
    scooter = rng.random() < 0.3
    parts = [*wheel(-reach, radius), *wheel(reach, radius), bar((reach, radius), (reach - 0.3, 1.0), 0.1, "metal")]
    if scooter:
        parts += [
            shape(
                "body",
                (-reach - 0.2, 0.72),
                (-reach - 0.05, 0.4),
                (-0.1, 0.26),
                (0.3, 0.26),
                (0.42, 0.95),
                (0.3, 0.98),
                (0.15, 0.42),
                (-0.12, 0.42),
                (-0.1, 0.74),
            )
        ]
    else:
        parts += [
            shape("dark", (-0.4, 0.28), (0.3, 0.28), (0.38, 0.6), (-0.35, 0.65)),
            disc((0.0, 0.42), 0.16, "metal"),
        ]
        parts += [shape("body", (-0.12, 0.66), (0.42, 0.62), (0.45, tank), (0.25, tank + 0.06), (-0.05, tank - 0.08))]
        parts += [bar((-0.15, 0.32), (-reach - 0.3, 0.42), 0.12, "metal")]
    parts += [shape("second", (-reach - 0.28, tail), (-reach - 0.05, tail - 0.16), (0.0, 0.66), (-0.02, 0.8))]
    parts += [
        bar((reach - 0.3, 1.0), (reach - 0.52, rng.uniform(1.04, 1.14)), 0.06, "dark"),
        disc((reach - 0.16, 0.88), 0.11, "light"),
    ]
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
    parts += [
        bar(seat, (seat[0] - 0.03, seat[1] + 0.1), 0.05, "metal"),
        bar((seat[0] - 0.15, seat[1] + 0.12), (seat[0] + 0.12, seat[1] + 0.11), 0.08, "dark"),
    ]
    grip = (head[0] + rng.uniform(-0.04, 0.12), head[1] + 0.2)
    parts += [
        bar(head, (head[0] - 0.02, head[1] + 0.18), 0.06, "metal"),
        bar((head[0] - 0.02, head[1] + 0.18), grip, 0.06, "dark"),
    ]
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
