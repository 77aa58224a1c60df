"""Colours for classes that come without any."""

import colorsys


def even_hues(count: int) -> dict[int, tuple[int, int, int]]:
    """Return ``count`` colours with hues evenly spread around the circle, as id to RGB, 0 to 255."""
    hues = [colorsys.hsv_to_rgb(index / count, 0.75, 0.9) for index in range(count)]
    return {index: (round(255 * r), round(255 * g), round(255 * b)) for index, (r, g, b) in enumerate(hues)}
