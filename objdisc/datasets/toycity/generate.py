"""The toy city: a generated street set in Cityscapes layout, for a first try without any download and for the tests.

Eight classes of moving objects differ in shape; pose, proportion, size, colour, light and texture vary within each,
and objects hide parts of others. Sky, building, vegetation, pole, sidewalk and road make up the rest.
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import LABEL_COLORS
from objdisc.datasets.toycity.canvas import DESIGN_HEIGHT, Canvas, Color, Frame
from objdisc.datasets.toycity.objects import OUTLINES
from objdisc.datasets.toycity.shapes import Part, disc
from objdisc.datasets.toycity.street import hsv, paint_street
from objdisc.errors import UsageError
from objdisc.io.files import atomic_write

# Cities of train and val differ, as in Cityscapes.
_CITIES = {"train": ("blockburg", "toyville"), "val": ("marblemouth",)}
_RECIPE = "toycity.json"  # marks a folder as a toy city, says which, and whether all of it is there
_RECIPE_VERSION = 1

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
class _Placed:
    name: str
    parts: tuple[Part, ...]  # design units, x right, y down
    box: tuple[float, float, float, float]  # left, top, right, bottom
    ground: float
    mount: tuple[Part, ...] = ()  # what a rider sits on
    mount_name: str = ""


def generate_toy_city(
    root: Path, seed: int = 0, num_train: int = 48, num_val: int = 16, size: tuple[int, int] = (512, 256)
) -> Path:
    """Write a toy city; the same arguments give the same bytes.

    A complete city of the same arguments is left as it is; one of other arguments, or half of one, is replaced.

    Args:
        root: Folder to fill, made if it is missing; nothing but a toy city may be in it.
        seed: Picks the city. A frame depends on the seed, its split and its number alone.
        num_train: Frames in train.
        num_val: Frames in val.
        size: ``(width, height)`` of a frame in pixels.

    Returns:
        ``root``, in Cityscapes layout: leftImg8bit, and gtFine with labelIds, instanceIds, color and polygons.

    Raises:
        UsageError: ``root`` holds images that are no toy city.
        ObjdiscError: The disk is full, or the folder does not allow the write.
    """
    recipe = {"version": _RECIPE_VERSION, "seed": seed, "train": num_train, "val": num_val, "size": list(size)}
    marker = root / _RECIPE
    complete = json.dumps({**recipe, "complete": True})
    if marker.is_file() and marker.read_text(encoding="utf-8") == complete:
        return root
    _clear(root, marker)
    _write_text(marker, json.dumps({**recipe, "complete": False}))
    for split_number, (split, count) in enumerate((("train", num_train), ("val", num_val))):
        for number in range(count):
            rng = np.random.default_rng([seed, split_number, number])
            city = _CITIES[split][number % len(_CITIES[split])]
            write_frame(root, split, city, number, render_frame(rng, size))
    _write_text(marker, complete)
    return root


def write_frame(root: Path, split: str, city: str, number: int, frame: Frame) -> None:
    """Write one frame in Cityscapes layout: the image, three maps and the polygons."""
    stem = f"{city}_000000_{number:06d}"
    images, truth = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
    palette = np.zeros((256, 3), np.uint8)
    for label_id, color in LABEL_COLORS.items():
        palette[label_id] = color
    _write_png(images / f"{stem}_leftImg8bit.png", frame.image)
    _write_png(truth / f"{stem}_gtFine_labelIds.png", frame.label_ids)
    _write_png(truth / f"{stem}_gtFine_instanceIds.png", frame.instance_ids)
    _write_png(truth / f"{stem}_gtFine_color.png", palette[frame.label_ids])
    height, width = frame.label_ids.shape
    objects = [{"label": label, "polygon": np.round(points).astype(int).tolist()} for label, points in frame.polygons]
    polygons = json.dumps({"imgHeight": height, "imgWidth": width, "objects": objects})
    _write_text(truth / f"{stem}_gtFine_polygons.json", polygons)


def render_frame(rng: np.random.Generator, size: tuple[int, int]) -> Frame:
    """Draw one street with its objects.

    Args:
        rng: Source of everything that varies.
        size: ``(width, height)`` in pixels.

    Returns:
        The picture and its ground truth.
    """
    canvas = Canvas(size, rng)
    placed = _place_objects(rng, canvas.width, zoom=float(np.clip(np.sqrt(DESIGN_HEIGHT / size[1]), 1.0, 1.4)))
    paint_street(canvas, rng, rails=any(item.name == "train" for item in placed))
    for item in placed:
        left, _, right, _ = item.box
        reach = 0.5 * (right - left)
        canvas.shade(disc((left + reach, item.ground), reach, "dark", min(0.1, 5 / reach)).points, 0.5, 1.2)
        if item.mount:
            canvas.thing(item.mount_name, item.mount, _pick_colors(rng), rng.uniform(0.02, 0.09))
        canvas.thing(item.name, item.parts, _pick_colors(rng), rng.uniform(0.02, 0.09))
    brightness, warmth = rng.uniform(0.72, 1.08), rng.uniform(-0.08, 0.08)
    return canvas.finish((brightness * (1 + warmth), brightness, brightness * (1 - warmth)), rng.uniform(1.0, 4.0))


def _place_objects(rng: np.random.Generator, width: float, zoom: float) -> list[_Placed]:
    """Choose what stands where: back to front, none hidden by more than ``_MAX_HIDDEN`` of its box by another."""
    count = max(2, round(rng.uniform(5, 9) * width / 512 / zoom))
    names = rng.choice(list(_SHARES), count, p=np.array(list(_SHARES.values())) / sum(_SHARES.values())).tolist()
    placed: list[_Placed] = []
    for name in sorted(names, key=_BULKY_FIRST.index):
        for _ in range(12):
            item = _place(rng, name, width, zoom)
            if _is_inside(item.box, width) and not any(_hides(item, other) for other in placed):
                placed.append(item)
                break
    return sorted(placed, key=lambda item: item.ground)


def _place(rng: np.random.Generator, name: str, width: float, zoom: float) -> _Placed:
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
    return _Placed(name, parts, (left, top, right, bottom), ground, mount, mount_name)


def _is_inside(box: tuple[float, float, float, float], width: float) -> bool:
    left, _, right, _ = box
    return min(right, width) - max(left, 0.0) >= _MIN_INSIDE * (right - left)


def _hides(one: _Placed, other: _Placed) -> bool:
    """Say whether the nearer of two objects hides too much of the farther, or both stand on the same spot."""
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


def _write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    stored = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    _, data = cv2.imencode(".png", np.ascontiguousarray(stored))
    with atomic_write(path, "wb") as file:
        file.write(data.tobytes())


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text)


def _clear(root: Path, marker: Path) -> None:
    """Remove what an older or unfinished toy city left; frames of two cities must not mix."""
    left = [root / name for name in ("leftImg8bit", "gtFine") if (root / name).exists()]
    if left and not marker.is_file():
        raise UsageError(f"{left[0]}: already there and no toy city; give another folder for the toy city")
    for folder in left:
        shutil.rmtree(folder)
