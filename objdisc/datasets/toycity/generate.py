"""The toy city: a generated street set in Cityscapes layout, for a first try without any download and for the tests.

Eight classes of moving objects differ in shape; pose, proportion, size, colour, light and texture vary within each,
and objects hide parts of others. Sky, building, vegetation, pole, sidewalk and road make up the rest.
"""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import LABEL_COLORS
from objdisc.datasets.toycity.canvas import DESIGN_HEIGHT, Canvas, Frame
from objdisc.datasets.toycity.placement import paint_object, place_objects
from objdisc.datasets.toycity.street import paint_street
from objdisc.errors import UsageError
from objdisc.io.files import atomic_write

# Cities of train and val differ, as in Cityscapes.
_CITIES = {"train": ("blockburg", "toyville"), "val": ("marblemouth",)}
_RECIPE = "toycity.json"  # marks a folder as a toy city, says which, and whether all of it is there
_RECIPE_VERSION = 1


def generate_toy_city(
    root: Path, seed: int = 0, num_train: int = 48, num_val: int = 16, size: tuple[int, int] = (512, 256)
) -> Path:
    """Write a toy city; the same arguments give the same bytes.

    A complete city of the same arguments is left as it is; one of other arguments, or an incomplete one, is replaced.

    Args:
        root: Folder to fill, made if it is missing; nothing but a toy city may be in it.
        seed: Random seed of the city. A frame depends only on the seed, its split and its number.
        num_train: Frames in train.
        num_val: Frames in val.
        size: ``(width, height)`` of a frame in pixels.

    Returns:
        ``root``, in Cityscapes layout: leftImg8bit, and gtFine with labelIds, instanceIds, color and polygons.

    Raises:
        UsageError: ``root`` holds images that are not a toy city.
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
    placed = place_objects(rng, canvas.width, zoom=float(np.clip(np.sqrt(DESIGN_HEIGHT / size[1]), 1.0, 1.4)))
    paint_street(canvas, rng, rails=any(item.name == "train" for item in placed))
    for item in placed:
        paint_object(canvas, rng, item)
    brightness, warmth = rng.uniform(0.72, 1.08), rng.uniform(-0.08, 0.08)
    return canvas.finish((brightness * (1 + warmth), brightness, brightness * (1 - warmth)), rng.uniform(1.0, 4.0))


def _write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    stored = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    _, data = cv2.imencode(".png", np.ascontiguousarray(stored))
    with atomic_write(path, "wb") as file:
        file.write(data.tobytes())


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text)


def _clear(root: Path, marker: Path) -> None:
    """Remove the files of an older or unfinished toy city; frames of two cities must not mix."""
    left = [root / name for name in ("leftImg8bit", "gtFine") if (root / name).exists()]
    if left and not marker.is_file():
        raise UsageError(f"{left[0]}: already exists and is not a toy city; give another folder for the toy city")
    for folder in left:
        shutil.rmtree(folder)
