"""The toy city's scenery: sky, houses, trees, pavements and a road, seen from across the street."""

import colorsys

import numpy as np

from objdisc.datasets.toycity.canvas import Canvas, Color
from objdisc.datasets.toycity.shapes import Points, bar, disc

# Where the ground lies, in design units from the top.
HOUSES, KERB, LANE_MARK, NEAR_KERB, BOTTOM = 136.0, 150.0, 188.0, 231.0, 256.0
RAILS = (158.0, 164.0)


def paint_street(canvas: Canvas, rng: np.random.Generator, rails: bool) -> None:
    """Paint an empty street.

    Args:
        canvas: An empty canvas.
        rng: Source of everything that varies.
        rails: Whether tram rails lie in the far lane.
    """
    _paint_sky(canvas, rng)
    left = -rng.uniform(0, 40)
    while left < canvas.width:
        width = rng.uniform(42, 88)
        _paint_house(canvas, rng, left, left + width, rng.uniform(8, 70))
        left += width
        if rng.random() < 0.15:
            left += rng.uniform(6, 22)
    _paint_ground(canvas, rng, rails)
    for _ in range(int(rng.integers(1, 5))):
        _paint_tree(canvas, rng, rng.uniform(0, canvas.width))
    for x in np.arange(rng.uniform(10, 120), canvas.width, rng.uniform(130, 200)):
        _paint_lamp(canvas, float(x))


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners of an upright rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def hsv(hue: float, saturation: float, value: float) -> Color:
    """Turn hue, saturation and value in [0, 1] into RGB, 0 to 255."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return 255 * red, 255 * green, 255 * blue


def _times(color: Color, factor: float) -> Color:
    red, green, blue = color
    return red * factor, green * factor, blue * factor


def _paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    hue, cloudy = rng.uniform(0.54, 0.62), rng.random()
    top, bottom = hsv(hue, 0.55 * (1 - cloudy) + 0.05, 0.85), hsv(hue - 0.03, 0.18 * (1 - cloudy) + 0.03, 0.97)
    canvas.gradient(top, bottom, KERB)
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(0, canvas.width), rng.uniform(5, 60)
        for _ in range(6):
            puff = disc((x + rng.uniform(-22, 22), y + rng.uniform(-3, 3)), rng.uniform(6, 14), "light", 0.45)
            canvas.paint(puff.points, _times(bottom, rng.uniform(0.97, 1.03)))
    # A hazy row of far trees closes the gaps between the houses.
    ridge = np.linspace(-5, canvas.width + 5, 40)
    tops = 108 + 8 * np.sin(ridge / 17 + rng.uniform(0, 6)) + rng.uniform(-3, 3, 40)
    outline = np.concatenate([np.stack([ridge, tops], axis=1), [(canvas.width + 5, KERB), (-5, KERB)]])
    canvas.stuff("vegetation", outline, hsv(0.33, 0.22, 0.55))


def _paint_house(canvas: Canvas, rng: np.random.Generator, left: float, right: float, top: float) -> None:
    wall = hsv(
        rng.choice([0.02, 0.06, 0.1, 0.13, 0.58]) + rng.normal(0, 0.015), rng.uniform(0.08, 0.5), rng.uniform(0.5, 0.9)
    )
    roof = hsv(rng.choice([0.02, 0.6]), rng.uniform(0.1, 0.5), rng.uniform(0.25, 0.5))
    if rng.random() < 0.6:
        rise = rng.uniform(6, 16)
        ridge = np.array([(left - 2, top), (left + 8, top - rise), (right - 8, top - rise), (right + 2, top)], float)
        canvas.stuff("building", ridge, roof)
    canvas.stuff("building", rectangle(left, top, right, HOUSES + 1), wall)
    canvas.paint(rectangle(left, top, right, top + 2.5), _times(roof, 1.2))
    canvas.paint(rectangle(right - 1.2, top, right, HOUSES), _times(wall, 0.75))
    shop = HOUSES - 27
    columns, floor = max(2, round((right - left) / rng.uniform(13, 19))), rng.uniform(21, 26)
    pitch = (right - left) / columns
    tall, wide = rng.uniform(10, 14), pitch * rng.uniform(0.4, 0.6)
    for y in np.arange(top + 7, shop - tall - 2, floor):
        for column in range(columns):
            x = left + (column + 0.5) * pitch - wide / 2
            _paint_window(canvas, rng, x, float(y), wide, tall, wall)
    canvas.paint(rectangle(left, shop - 3, right, shop), _times(wall, 1.15))
    if rng.random() < 0.5:
        canvas.paint(rectangle(left + 3, shop + 5, right - 14, HOUSES - 4), hsv(0.58, 0.25, rng.uniform(0.25, 0.5)))
        awning = hsv(rng.random(), rng.uniform(0.3, 0.75), rng.uniform(0.5, 0.85))
        canvas.paint(
            np.array([(left + 3, shop + 2), (right - 14, shop + 2), (right - 12, shop + 8), (left + 1, shop + 8)]),
            awning,
        )
    else:
        for column in range(columns - 1):
            _paint_window(canvas, rng, left + (column + 0.5) * pitch - wide / 2, shop + 6, wide, 12, wall)
    canvas.paint(rectangle(right - 11, shop + 5, right - 4, HOUSES), _times(roof, rng.uniform(0.8, 1.3)))


def _paint_window(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, wide: float, tall: float, wall: Color
) -> None:
    lit = rng.random() < 0.12
    pane = hsv(0.12, 0.4, 0.9) if lit else hsv(0.58, rng.uniform(0.1, 0.35), rng.uniform(0.25, 0.6))
    canvas.paint(rectangle(x - 0.9, y - 0.9, x + wide + 0.9, y + tall + 0.9), _times(wall, 1.25))
    canvas.paint(rectangle(x, y, x + wide, y + tall), pane)
    canvas.paint(rectangle(x, y, x + wide, y + tall * rng.uniform(0.1, 0.4)), _times(pane, 0.75))
    canvas.paint(rectangle(x + wide / 2 - 0.35, y, x + wide / 2 + 0.35, y + tall), _times(wall, 1.1))
    canvas.paint(rectangle(x - 1.5, y + tall + 0.6, x + wide + 1.5, y + tall + 1.9), _times(wall, 0.7))


def _paint_ground(canvas: Canvas, rng: np.random.Generator, rails: bool) -> None:
    width = canvas.width
    stone, asphalt = rng.uniform(140, 185), rng.uniform(78, 112)
    warm = rng.uniform(-6, 8)
    for top, bottom in ((HOUSES, KERB), (NEAR_KERB, BOTTOM)):
        canvas.stuff("sidewalk", rectangle(-2, top, width + 2, bottom + 1), (stone + warm, stone, stone - warm))
        seams = np.arange(-60 + rng.uniform(0, 14), width + 60, 14 if top == HOUSES else 24)
        for x in seams.tolist():
            # Seams and lane marks lean away from the middle, as they would towards a vanishing point.
            lean = 0.25 * (x - width / 2) / width * (bottom - top)
            canvas.paint(
                np.array([(x, top), (x + 0.6, top), (x + lean + 0.6, bottom), (x + lean, bottom)]), (stone * 0.86,) * 3
            )
    canvas.grain(HOUSES, KERB, 0.03, 1.2)
    canvas.grain(NEAR_KERB, BOTTOM, 0.03, 1.5)
    canvas.stuff("road", rectangle(-2, KERB, width + 2, NEAR_KERB), (asphalt, asphalt, asphalt + 4))
    canvas.grain(KERB, NEAR_KERB, 0.05, 0.8)
    canvas.grain(KERB, NEAR_KERB, 0.05, 14.0)
    canvas.paint(rectangle(-2, KERB - 1.4, width + 2, KERB), (stone * 0.72,) * 3)
    canvas.paint(rectangle(-2, NEAR_KERB, width + 2, NEAR_KERB + 2.4), (stone * 1.12,) * 3)
    canvas.paint(rectangle(-2, NEAR_KERB - 1.6, width + 2, NEAR_KERB), (asphalt * 0.6,) * 3)
    for x in np.arange(-20 + rng.uniform(0, 44), width + 20, 44).tolist():
        lean = 3.5 * (x - width / 2) / width
        mark = [(x, LANE_MARK), (x + 20, LANE_MARK), (x + 20.5 + lean, LANE_MARK + 3), (x - 0.5 + lean, LANE_MARK + 3)]
        canvas.paint(np.array(mark), (222, 222, 214))
    for y in RAILS if rails else ():
        canvas.paint(rectangle(-2, y - 0.5, width + 2, y + 1.1), (asphalt * 0.55,) * 3)
        canvas.paint(rectangle(-2, y, width + 2, y + 0.6), (188, 188, 192))


def _paint_tree(canvas: Canvas, rng: np.random.Generator, x: float) -> None:
    ground, height = HOUSES + rng.uniform(3, 9), rng.uniform(40, 78)
    crown, hue = ground - height, rng.uniform(0.2, 0.36)
    canvas.shade(disc((x, ground), 15, "dark", 0.16).points, 0.35, 1.5)
    canvas.stuff("vegetation", bar((x, ground), (x + rng.uniform(-3, 3), crown), 4.2, "dark", 2.2).points, (92, 72, 54))
    spread = rng.uniform(11, 18)
    for _ in range(46):
        turn, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
        y = crown + 1.1 * spread * reach * np.sin(turn)
        lighter = 0.48 - 0.22 * (y - crown) / spread + rng.normal(0, 0.05)
        leaf = disc((x + spread * reach * np.cos(turn), y), rng.uniform(3.5, 7), "body", rng.uniform(0.7, 1.0))
        canvas.stuff(
            "vegetation", leaf.points, hsv(hue + rng.normal(0, 0.012), 0.55, float(np.clip(lighter, 0.15, 0.8)))
        )


def _paint_lamp(canvas: Canvas, x: float) -> None:
    ground = HOUSES + 11
    for tube in (
        bar((x, ground), (x, ground - 78), 1.9, "dark", 1.3),
        bar((x, ground - 78), (x + 13, ground - 81), 1.3, "dark"),
    ):
        canvas.stuff("pole", tube.points, (62, 66, 70))
    canvas.stuff("pole", disc((x + 14, ground - 80.5), 3.4, "light", 0.4).points, (235, 230, 205))
