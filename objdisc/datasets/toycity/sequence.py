"""The moving toy city: frames of one street in which the camera and some of the objects move."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import LABEL_IDS
from objdisc.datasets.toycity.canvas import DESIGN_HEIGHT, Canvas, Frame
from objdisc.datasets.toycity.placement import Placed, paint_object, place_objects
from objdisc.datasets.toycity.shapes import Points
from objdisc.datasets.toycity.street import paint_street

_SPEEDS = (1.5, 5.0)  # of what moves, in hundredths of a frame's height between two frames
_SHARE_MOVING = 0.6
_ZOOM = 1.12  # of the camera at the start: room for it to turn and to come nearer
_SHADOW = 0.2  # of an overcast day: shadows move, too
_NOISE = 1.5  # of the sensor, in grey levels, another in each frame


@dataclass(frozen=True, slots=True)
class MovingFrame:
    """A frame of a sequence.

    Attributes:
        frame: The picture and its ground truth.
        moving: ``(H, W)`` int32: 0 where nothing moves, and 1, 2, ... for each moving object with what it sits on, the
            same number in all frames.
    """

    frame: Frame
    moving: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Camera:
    """Where the camera looks, and how that changes from frame to frame.

    Attributes:
        shift: Pixels of the drawn street to the right, a frame.
        turn: Degrees a frame.
        approach: Share by which the picture grows, a frame.
    """

    shift: float
    turn: float
    approach: float

    def view(self, number: int, street: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float64]:
        """Return the ``(2, 3)`` map from a street of ``(width, height)`` pixels to a frame of ``size``."""
        middle = (street[0] / 2 + number * self.shift, street[1] / 2)
        turned: NDArray[np.float64] = np.asarray(
            cv2.getRotationMatrix2D(middle, number * self.turn, _ZOOM * (1 + number * self.approach)), np.float64
        )
        turned[:, 2] += (size[0] / 2 - middle[0], size[1] / 2 - middle[1])
        return turned


def render_sequence(rng: np.random.Generator, size: tuple[int, int], count: int) -> list[MovingFrame]:
    """Draw a street with some objects that move uniformly to the left or right, seen by a uniformly moving camera.

    The street is flat: the camera's motion moves all of it by a single projection.

    Args:
        rng: Source of everything that varies.
        size: ``(width, height)`` of a frame in pixels.
        count: Frames, at least 1.

    Returns:
        The frames, in their order.
    """
    camera = _Camera(rng.uniform(-0.012, 0.012) * size[1], rng.uniform(-0.25, 0.25), rng.uniform(-0.002, 0.006))
    margin = int(abs(camera.shift) * count + 0.1 * size[0]) // 2 * 2
    street = (size[0] + 2 * margin, size[1])
    canvas = Canvas(street, rng)
    placed = place_objects(rng, canvas.width, zoom=float(np.clip(np.sqrt(DESIGN_HEIGHT / size[1]), 1.0, 1.4)))
    moves = [rng.random() < _SHARE_MOVING for _ in placed]
    even = rng.permutation(np.linspace(*_SPEEDS, len(placed)))  # so that no two move alike
    speeds = [
        _whole_steps(speed, item, canvas.step) if moving else 0.0
        for speed, item, moving in zip(even.tolist(), placed, moves, strict=True)
    ]
    seed = int(rng.integers(2**32))  # of all that looks the same in every frame
    frames = []
    for number in range(count):
        now = [_shifted(item, speed * (number - count // 2)) for item, speed in zip(placed, speeds, strict=True)]
        drawn, numbers = _draw(street, seed, now, moves)
        frames.append(_seen(drawn, numbers, camera.view(number - count // 2, street, size), size, rng))
    return frames


def _whole_steps(speed: float, item: Placed, step: float) -> float:
    """Return how far an object moves between frames, in design units; objects in the far lane face and move left."""
    ahead = -1 if item.ground < 190 else 1
    return float(ahead * max(round(speed / 100 * DESIGN_HEIGHT / step), 1) * step)


def _shifted(item: Placed, distance: float) -> Placed:
    def moved(points: Points) -> Points:
        return np.asarray(points + np.array([distance, 0.0]), np.float64)

    parts, mount = (
        tuple(replace(part, points=moved(part.points)) for part in group) for group in (item.parts, item.mount)
    )
    left, top, right, bottom = item.box
    return replace(item, parts=parts, mount=mount, box=(left + distance, top, right + distance, bottom))


def _draw(street: tuple[int, int], seed: int, placed: list[Placed], moves: list[bool]) -> tuple[Frame, dict[int, int]]:
    """Draw the whole street; return it and the number of each instance that moves, by its Cityscapes instance id."""
    canvas = Canvas(street, np.random.default_rng(seed))
    paint_street(canvas, np.random.default_rng([seed, 0]), rails=any(item.name == "train" for item in placed))
    numbers: dict[int, int] = {}
    for number, (item, moving) in enumerate(zip(placed, moves, strict=True), start=1):
        painter = np.random.default_rng([seed, number])
        canvas.rng = painter
        painted = paint_object(canvas, painter, item, _SHADOW)
        numbers |= dict.fromkeys(painted, number) if moving else {}
    return canvas.finish((1.0, 1.0, 1.0), 0.0), numbers


def _seen(
    drawn: Frame, numbers: dict[int, int], view: NDArray[np.float64], size: tuple[int, int], rng: np.random.Generator
) -> MovingFrame:
    """Render a street as the camera sees it."""
    image = cv2.warpAffine(drawn.image, view, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    noisy = np.asarray(image, np.float64) + rng.normal(0, _NOISE, image.shape)
    exact, beyond = cv2.INTER_NEAREST, cv2.BORDER_REPLICATE
    labels = np.asarray(cv2.warpAffine(drawn.label_ids, view, size, flags=exact, borderMode=beyond), np.uint8)
    instances = np.asarray(cv2.warpAffine(drawn.instance_ids, view, size, flags=exact, borderMode=beyond), np.uint16)
    table = np.zeros(max(LABEL_IDS.values()) * 1000 + 1000, np.int32)
    table[list(numbers)] = list(numbers.values())
    polygons = tuple(
        (label, np.clip(points @ view[:, :2].T + view[:, 2], 0, np.array(size) - 1)) for label, points in drawn.polygons
    )
    frame = Frame(np.clip(noisy + 0.5, 0, 255).astype(np.uint8), labels, instances, polygons)
    return MovingFrame(frame, table[instances])
