"""Colours for clusters and classes: distinct for any K, for colour-blind people too, and the same in every run."""

import colorsys
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
"""RGB, 0 to 255."""

# Seven colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), ordered so that the first few differ most and stand
# out from asphalt, sky and vegetation, which street images are full of.
_CHOSEN = (
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
    (204, 121, 167),
    (0, 158, 115),
    (0, 114, 178),
    (230, 159, 0),
)
_MAX_COLORS = 256

# Linear RGB as seen with red (protanopia) and green (deuteranopia) blindness: Machado et al. 2009, severity 1.
_PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
_DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))

# OKLab, Ottosson 2020 (https://bottosson.github.io/posts/oklab/): linear RGB -> cone responses -> L, a, b.
_RGB_TO_LMS = np.array(
    (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
)
_LMS_TO_LAB = np.array(
    (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
)


def cluster_colors(num_clusters: int) -> NDArray[np.uint8]:
    """Return a colour for every cluster; a cluster keeps its colour when K grows.

    The first seven are chosen by hand; each later one is the grid colour that lies farthest from all before it in
    OKLab, as seen with normal, protanope and deuteranope vision. Colours repeat after 256 clusters, where nobody can
    tell them apart.

    Args:
        num_clusters: K, at least 0.

    Returns:
        ``(K, 3)`` uint8 RGB.
    """
    colors = _all_colors()
    return np.asarray(colors[np.arange(num_clusters) % len(colors)])


@lru_cache(maxsize=1)
def _all_colors() -> NDArray[np.uint8]:
    chosen, grid = np.array(_CHOSEN, np.uint8), _grid()
    seen = _as_seen(grid)  # (3, G, 3)
    nearest = np.min([_distance(seen, color) for color in np.moveaxis(_as_seen(chosen), 1, 0)], axis=0)  # (G,)
    picked = []
    for _ in range(_MAX_COLORS - len(chosen)):
        picked.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _distance(seen, seen[:, picked[-1]]))
    return np.concatenate([chosen, grid[picked]])


def _distance(seen: NDArray[np.float64], color: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances ``(G,)`` of ``(3, G, 3)`` colours to one ``(3, 3)``, the smallest over kinds of vision."""
    return np.asarray(np.linalg.norm(seen - color[:, None], axis=-1).min(axis=0))


def _grid() -> NDArray[np.uint8]:
    """Return candidates ``(G, 3)``: even steps of RGB without dark, pale and grey ones, which a street image hides."""
    steps = np.linspace(0, 255, 11)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3).round().astype(np.uint8)
    lightness, a, b = _oklab(_linear(cube)).T
    return np.asarray(cube[(lightness > 0.4) & (lightness < 0.93) & (np.hypot(a, b) > 0.09)])


def _as_seen(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return OKLab of ``(N, 3)`` colours for normal, protanope and deuteranope vision, ``(3, N, 3)``."""
    linear = _linear(colors)
    blind = [np.clip(linear @ np.array(matrix).T, 0, 1) for matrix in (_PROTANOPIA, _DEUTERANOPIA)]
    return np.stack([_oklab(linear), *map(_oklab, blind)])


def _linear(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Undo the sRGB transfer curve."""
    values = colors / 255.0
    return np.asarray(np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4))


def _oklab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.cbrt(linear @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T)


def even_hues(count: int) -> dict[int, Color]:
    """Return ``count`` colours with hues evenly spread around the circle, as id to RGB, 0 to 255."""
    hues = [colorsys.hsv_to_rgb(index / count, 0.75, 0.9) for index in range(count)]
    return {index: (round(255 * r), round(255 * g), round(255 * b)) for index, (r, g, b) in enumerate(hues)}
