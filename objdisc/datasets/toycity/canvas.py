"""The toy city's canvas: polygons are painted into a picture and its Cityscapes label maps at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import LABEL_IDS
from objdisc.datasets.toycity.shapes import Part, Points

Color = tuple[float, float, float]

DESIGN_HEIGHT = 256.0  # the street is laid out in these units, whatever the frame's size in pixels
_SUPERSAMPLE = 2  # drawn twice as large, then averaged
_SHIFT = 4  # fixed-point bits of OpenCV's polygon coordinates
_GLAZE = 0.3  # opacity of "pale" parts: the discs between a bicycle's spokes


@dataclass(frozen=True, slots=True)
class Frame:
    """A finished picture and its ground truth.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB.
        label_ids: ``(H, W)`` uint8 Cityscapes label ids.
        instance_ids: ``(H, W)`` uint16 Cityscapes instance ids.
        polygons: Label and outline ``(N, 2)`` in pixels, back to front, as Cityscapes' polygon files list them.
    """

    image: NDArray[np.uint8]
    label_ids: NDArray[np.uint8]
    instance_ids: NDArray[np.uint16]
    polygons: tuple[tuple[str, Points], ...]


class Canvas:
    """A picture being drawn; coordinates are in design units, x right and y down, 256 units high.

    Args:
        size: ``(width, height)`` of the finished frame in pixels.
        rng: Source of the textures.

    Attributes:
        rng: The same source; it may be replaced before something is painted.
    """

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        self._size = size
        self.rng = rng
        self._scale = _SUPERSAMPLE * size[1] / DESIGN_HEIGHT
        shape = (_SUPERSAMPLE * size[1], _SUPERSAMPLE * size[0])
        self.width = DESIGN_HEIGHT * size[0] / size[1]
        self._image = np.zeros((*shape, 3), np.uint8)
        self._labels = np.zeros(shape, np.uint8)
        self._instances = np.zeros(shape, np.uint16)
        self._polygons: list[tuple[str, Points]] = []
        self._counts: dict[str, int] = {}

    @property
    def step(self) -> float:
        """Design units from one drawn pixel to the next; an object that moves by whole steps keeps its appearance."""
        return 1 / self._scale

    def paint(self, points: Points, color: Color) -> None:
        """Fill a polygon with a colour (RGB, 0 to 255) in the picture only."""
        cv2.fillPoly(self._image, [self._fixed(points)], _clipped(color), cv2.LINE_AA, _SHIFT)

    def stuff(self, label: str, points: Points, color: Color) -> None:
        """Fill a polygon with a colour, and with a class that has no instances."""
        self.paint(points, color)
        label_id = LABEL_IDS[label]
        for target in (self._labels, self._instances):
            cv2.fillPoly(target, [self._fixed(points)], label_id, cv2.LINE_8, _SHIFT)
        self._polygons.append((label, self._clip(points * self._scale / _SUPERSAMPLE)))

    def gradient(self, top: Color, bottom: Color, height: float) -> None:
        """Fill the picture's upper ``height`` units with a vertical gradient, labelled as sky."""
        rows = max(1, round(height * self._scale))
        ramp = np.linspace(0, 1, rows)[:, None] * (np.array(bottom) - np.array(top)) + np.array(top)
        self._image[:rows] = np.clip(ramp, 0, 255).astype(np.uint8)[:, None]
        self._labels[:rows] = self._instances[:rows] = LABEL_IDS["sky"]
        corners = np.array([(0, 0), (self.width, 0), (self.width, height), (0, height)], float)
        self._polygons.append(("sky", self._clip(corners * self._scale / _SUPERSAMPLE)))

    def shade(self, points: Points, strength: float, blur: float) -> None:
        """Darken the picture below a soft-edged polygon: a shadow."""
        mask = np.zeros(self._labels.shape, np.uint8)
        cv2.fillPoly(mask, [self._fixed(points)], 255, cv2.LINE_AA, _SHIFT)
        left, top, right, bottom = self._window(points, margin=3 * blur)
        soft = cv2.GaussianBlur(mask[top:bottom, left:right], (0, 0), max(blur * self._scale, 0.3))
        self._multiply((left, top, right, bottom), 1 - strength * soft[..., None] / 255.0)

    def grain(self, top: float, bottom: float, strength: float, coarse: float) -> None:
        """Give a horizontal band a mottled texture; ``coarse`` is the size of its spots in units."""
        window = (0, round(top * self._scale), self._labels.shape[1], round(bottom * self._scale))
        self._multiply(window, 1 + strength * self._noise(window, coarse)[..., None])

    def thing(self, label: str, parts: Sequence[Part], colors: Mapping[str, Color], texture: float) -> int:
        """Draw an object over the picture, as a new instance with light from above and a texture of its own.

        Returns:
            The Cityscapes instance id.
        """
        mask = np.zeros(self._labels.shape, np.uint8)
        everything = np.concatenate([part.points for part in parts])
        left, top, right, bottom = window = self._window(everything, margin=1.0)
        behind = self._image[top:bottom, left:right].copy()
        for part in parts:
            cv2.fillPoly(mask, [self._fixed(part.points)], 255, cv2.LINE_8, _SHIFT)
            if part.role == "pale":
                self._glaze(part.points, colors[part.role], behind, window)
            else:
                self.paint(part.points, colors[part.role])
        inside = mask[top:bottom, left:right] > 0
        falloff = np.linspace(1.12, 0.86, bottom - top)[:, None]
        light = np.where(inside, falloff * (1 + texture * self._noise(window, 2.0)), 1.0)
        self._multiply(window, light[..., None])
        number = self._counts[label] = self._counts.get(label, -1) + 1
        self._labels[top:bottom, left:right][inside] = LABEL_IDS[label]
        instance_id = LABEL_IDS[label] * 1000 + number
        self._instances[top:bottom, left:right][inside] = instance_id
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if contours:
            outline = max(contours, key=cv2.contourArea).reshape(-1, 2) / _SUPERSAMPLE
            self._polygons.append((label, self._clip(outline)))
        return instance_id

    def finish(self, gain: Color, noise: float) -> Frame:
        """Shrink to the frame's size, and apply light (a factor for each channel) and sensor noise (0 to 255)."""
        shrunk = cv2.resize(self._image, self._size, interpolation=cv2.INTER_AREA)
        image: NDArray[np.float64] = shrunk * np.array(gain) + self.rng.normal(0, noise, shrunk.shape)
        keep = (slice(None, None, _SUPERSAMPLE), slice(None, None, _SUPERSAMPLE))
        return Frame(
            np.clip(image + 0.5, 0, 255).astype(np.uint8),
            np.ascontiguousarray(self._labels[keep]),
            np.ascontiguousarray(self._instances[keep]),
            tuple(self._polygons),
        )

    def _glaze(
        self, points: Points, color: Color, behind: NDArray[np.uint8], window: tuple[int, int, int, int]
    ) -> None:
        """Fill a polygon with a transparent colour over the background of the object."""
        left, top, right, bottom = window
        spot = np.zeros(self._labels.shape, np.uint8)
        cv2.fillPoly(spot, [self._fixed(points)], 255, cv2.LINE_8, _SHIFT)
        inside = spot[top:bottom, left:right] > 0
        tinted = _GLAZE * np.array(color) + (1 - _GLAZE) * behind[inside]
        self._image[top:bottom, left:right][inside] = tinted.astype(np.uint8)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        fixed: NDArray[np.int32] = np.round(points * (self._scale * 2**_SHIFT)).astype(np.int32)
        return fixed

    def _clip(self, points: Points) -> Points:
        return np.clip(points, 0, np.array(self._size) - 1)

    def _window(self, points: Points, margin: float) -> tuple[int, int, int, int]:
        low = np.floor((points.min(axis=0) - margin) * self._scale).astype(int)
        high = np.ceil((points.max(axis=0) + margin) * self._scale).astype(int) + 1
        height, width = self._labels.shape
        left, right = np.clip([low[0], high[0]], 0, width).tolist()
        top, bottom = np.clip([low[1], high[1]], 0, height).tolist()
        return left, top, right, bottom

    def _noise(self, window: tuple[int, int, int, int], coarse: float) -> NDArray[np.float32]:
        left, top, right, bottom = window
        step = max(1.0, coarse * self._scale)
        small = self.rng.normal(size=(int((bottom - top) / step) + 2, int((right - left) / step) + 2))
        spots = cv2.resize(small.astype(np.float32), (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        return np.asarray(spots, np.float32)

    def _multiply(self, window: tuple[int, int, int, int], factor: NDArray[np.floating]) -> None:
        left, top, right, bottom = window
        view = self._image[top:bottom, left:right]
        view[:] = np.clip(view * factor, 0, 255).astype(np.uint8)


def _clipped(color: Color) -> tuple[float, float, float]:
    red, green, blue = (float(min(max(value, 0), 255)) for value in color)
    return red, green, blue
