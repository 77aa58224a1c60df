"""Which objects stand where in the toy city's street, and how one is painted."""

from dataclasses import dataclass, replace

import numpy as np

from objdisc.datasets.toycity.canvas import Canvas, Color
from objdisc.datasets.toycity.objects import OUTLINES
from objdisc.datasets.toycity.shapes import Part, disc
from objdisc.datasets.toycity.street import hsv

_SHARES = {
    "person": 0.18,
    "rider": 0.13,
    "car": 0.20,
    "truck": 0.12,
    "bus": 0.11,
    "train": 0.05,
    "motorcycle": 0.11,
    "bicycle": 0.10,
}
_BULKY_FIRST = ("train", "bus", "truck", "car", "rider", "motorcycle", "bicycle", "person")
# Strips of ground, in design units, on which a class stands; a larger number is nearer and drawn larger.
_GROUND = {
    "train": ((161.0, 163.0),),
    "person": ((170.0, 185.0), (196.0, 226.0), (236.0, 251.0), (236.0, 251.0)),
    "bicycle": ((170.0, 184.0), (234.0, 247.0)),
}
_LANES = ((168.0, 182.0), (200.0, 225.0))
_MAX_HIDDEN = 0.25  # share of an object's box that one nearer object may cover
_MIN_INSIDE = 0.7  # share of its box that must lie inside the frame


@dataclass(frozen=True, slots=True)
class Placed:
    """An object at its place in the street.

    Attributes:
        name: Its class.
        parts: Its polygons, in design units, x right and y down.
        box: Left, top, right and bottom of all of it.
        ground: Where it stands; a larger number is nearer.
        mount: The two-wheeler that a rider sits on.
        mount_name: Class of the two-wheeler.
    """

    name: str
    parts: tuple[Part, ...]
    box: tuple[float, float, float, float]
    ground: float
    mount: tuple[Part, ...] = ()
    mount_name: str = ""


def place_objects(rng: np.random.Generator, width: float, zoom: float) -> list[Placed]:
    """Choose objects and places, back to front; none is hidden by another over more than ``_MAX_HIDDEN`` of its box."""
    count = max(2, round(rng.uniform(5, 9) * width / 512 / zoom))
    names = rng.choice(list(_SHARES), count, p=np.array(list(_SHARES.values())) / sum(_SHARES.values())).tolist()
    placed: list[Placed] = []
    for name in sorted(names, key=_BULKY_FIRST.index):
        for _ in range(12):
            item = _place(rng, name, width, zoom)
            if _is_inside(item.box, width) and not any(_hides(item, other) for other in placed):
                placed.append(item)
                break
    return sorted(placed, key=lambda item: item.ground)


def paint_object(canvas: Canvas, rng: np.random.Generator, item: Placed, shadow: float = 0.5) -> tuple[int, ...]:
    """Paint an object and what it sits on, with a shadow of some strength; return their Cityscapes instance ids."""
    left, _, right, _ = item.box
    reach = 0.5 * (right - left)
    canvas.shade(disc((left + reach, item.ground), reach, "dark", min(0.1, 5 / reach)).points, shadow, 1.2)
    painted = []
    if item.mount:
        painted.append(canvas.thing(item.mount_name, item.mount, _pick_colors(rng), rng.uniform(0.02, 0.09)))
    painted.append(canvas.thing(item.name, item.parts, _pick_colors(rng), rng.uniform(0.02, 0.09)))
    return tuple(painted)


def _place(rng: np.random.Generator, name: str, width: float, zoom: float) -> Placed:
    strips = _GROUND.get(name, _LANES)
    low, high = strips[int(rng.integers(len(strips)))]
    ground, middle = rng.uniform(low, high), rng.uniform(0, width)
    scale = zoom * (18 + 0.19 * (ground - 135)) * rng.uniform(0.92, 1.12)
    # Turned a little away from the side view, a thing looks shorter; traffic keeps to its side of the road.
    turned = rng.uniform(0.82, 1.0) if name != "train" else 1.0
    sideways = (
        scale * turned * (-1 if ground < 190 else 1) * (1 if name not in ("person", "bicycle") else rng.choice([-1, 1]))
    )
    tilt = rng.normal(0, 0.03) if name in ("person", "rider", "bicycle", "motorcycle") else 0.0

    def put(parts: list[Part]) -> tuple[Part, ...]:
        shear = np.array([[sideways, 0.0], [tilt * scale, -scale]])
        return tuple(replace(part, points=part.points @ shear + (middle, ground)) for part in parts)

    parts = put(OUTLINES[name](rng))
    mount_name = ("motorcycle" if rng.random() < 0.4 else "bicycle") if name == "rider" else ""
    mount = put(OUTLINES[mount_name](rng)) if mount_name else ()
    points = np.concatenate([part.points for part in (*parts, *mount)])
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Placed(name, parts, (left, top, right, bottom), ground, mount, mount_name)


def _is_inside(box: tuple[float, float, float, float], width: float) -> bool:
    left, _, right, _ = box
    return min(right, width) - max(left, 0.0) >= _MIN_INSIDE * (right - left)


def _hides(one: Placed, other: Placed) -> bool:
    """Say whether the nearer of two objects hides too much of the farther one, or both stand on the same spot."""
    far = one if one.ground < other.ground else other
    wide = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    tall = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    if wide <= 0 or tall <= 0:
        return False
    left, top, right, bottom = far.box
    return wide * tall > _MAX_HIDDEN * (right - left) * (bottom - top) or abs(one.ground - other.ground) < 4


def _pick_colors(rng: np.random.Generator) -> dict[str, Color]:
    """Draw an object's colours from one palette for all classes, so that colour tells no class."""
    shade = rng.uniform(0.75, 1.15)

    def any_color() -> Color:
        return hsv(rng.random(), rng.uniform(0.0, 0.85), shade * rng.uniform(0.25, 0.87))

    tone = rng.uniform(0.35, 0.95)
    grey, dark = rng.uniform(120, 205) * shade, rng.uniform(24, 58)
    return {
        "body": any_color(),
        "second": any_color(),
        "dark": (dark, dark, dark + 4),
        "metal": (grey, grey, grey),
        "pale": (205.0, 205.0, 200.0),
        "glass": hsv(rng.uniform(0.5, 0.62), rng.uniform(0.1, 0.4), shade * rng.uniform(0.2, 0.6)),
        "light": hsv(rng.choice([0.0, 0.13]), rng.uniform(0.2, 0.7), 0.95),
        "skin": (250 * tone, 200 * tone, 165 * tone),
    }
