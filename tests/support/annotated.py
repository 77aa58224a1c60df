"""Street scenes of the toy city as flat folders of photos, and what other programs would write about them."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import id2label
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

ID_BASE = 24  # label id of the first class of things


@dataclass(frozen=True)
class Scene:
    """One photo and the objects in it.

    Attributes:
        path: The photo.
        masks: ``(H, W)`` bool of each object, in an order that tells nothing.
        labels: Cityscapes label id of each object.
    """

    path: Path
    masks: list[NDArray[np.bool_]]
    labels: list[int]

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        height, width = read(self.path).shape[:2]
        return height, width


def read(path: Path) -> NDArray[Any]:
    """Decode an image file as it is."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return np.asarray(pixels)


def photos(city: Path, folder: Path, split: str = "train", suffix: str = ".png") -> list[Scene]:
    """Copy the images of a split into one folder, and read what is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _scene(city, image, folder, suffix)
        for image in sorted((city / "leftImg8bit" / split).rglob("*_leftImg8bit.png"))
    ]


def _scene(city: Path, image: Path, folder: Path, suffix: str) -> Scene:
    stem = image.name.removesuffix("_leftImg8bit.png")
    path = folder / f"{stem}{suffix}"
    if suffix == ".png":
        shutil.copy(image, path)
    else:
        assert cv2.imwrite(str(path), read(image))
    return Scene(path, *objects_of(city, image))


def objects_of(city: Path, image: Path) -> tuple[list[NDArray[np.bool_]], list[int]]:
    """Read masks and label ids of the objects of an image in Cityscapes layout, in an order that tells nothing."""
    stem = image.name.removesuffix("_leftImg8bit.png")
    truth = city / "gtFine" / image.parent.parent.name / image.parent.name / f"{stem}_gtFine_instanceIds.png"
    instances = read(truth)
    ids = [int(number) for number in np.unique(instances) if number >= 1000 * ID_BASE]
    np.random.default_rng(len(ids)).shuffle(ids)
    return [np.asarray(instances == number, np.bool_) for number in ids], [number // 1000 for number in ids]


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode a mask by pycocotools."""
    found = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": found["counts"].decode()}


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return ``(x, y, width, height)``."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return x, y, width, height


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
    """Return the outer outlines of a mask, ``(n, 2)`` each."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(outline[:, 0], np.int32) for outline in found if len(outline) >= 3]


def write_coco(path: Path, scenes: Sequence[Scene], *, polygons: bool = False, classes: bool = True) -> None:
    """Write instances JSON with fields that only some programs know."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for scene in scenes:
        height, width = scene.size
        images.append(
            {"id": 7 + len(images), "file_name": scene.path.name, "width": width, "height": height, "license": 3}
        )
        for mask, label in zip(scene.masks, scene.labels, strict=True):
            rings = [outline.ravel().tolist() for outline in outlines(mask)]
            if polygons and not rings:
                continue
            annotations.append(
                {
                    "id": 100 + len(annotations),
                    "image_id": images[-1]["id"],
                    "category_id": label if classes else 1,
                    "segmentation": rings if polygons else run_lengths(mask),
                    "bbox": list(box_of(mask)),
                    "area": float(mask.sum()),
                    "iscrowd": 0,
                    "attributes": {"occluded": False},
                }
            )
    named = [{"id": label, "name": id2label[label].name} for label in range(ID_BASE, 34)]
    listed = named if classes else [{"id": 1, "name": "object"}]
    licenses = [{"id": 3, "name": "free"}]
    whole = {"licenses": licenses, "images": images, "annotations": annotations, "categories": listed}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole), encoding="utf-8")


def write_sam(folder: Path, scenes: Sequence[Scene], *, listed: bool = False) -> None:
    """Write Segment Anything's JSON a picture: as in SA-1B, or the bare list of its automatic generator."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(scenes, 1):
        height, width = scene.size
        masks = [
            {
                "id": 500 + index,
                "segmentation": run_lengths(mask),
                "bbox": list(box_of(mask)),
                "area": int(mask.sum()),
                "predicted_iou": 0.95,
                "stability_score": 0.97,
                "point_coords": [[1.5, 2.5]],
                "crop_box": [0, 0, width, height],
            }
            for index, mask in enumerate(scene.masks)
        ]
        image = {"image_id": number, "file_name": scene.path.name, "width": width, "height": height}
        whole: Any = masks if listed else {"image": image, "annotations": masks}
        (folder / f"{scene.path.stem}.json").write_text(json.dumps(whole), encoding="utf-8")


def write_boxes(path: Path, scenes: Sequence[Scene], header: Sequence[str], *, classes: bool = True) -> None:
    """Write a CSV of boxes: image, corners, label, score; ``header`` names the columns."""
    with path.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(header)
        for scene in scenes:
            for mask, label in zip(scene.masks, scene.labels, strict=True):
                x, y, width, height = box_of(mask)
                name = id2label[label].name if classes else "Object"
                row = [scene.path.name, float(x), float(y), float(x + width), float(y + height), name, 0.9]
                writer.writerow(row[: len(header)])


def write_yolo(folder: Path, scenes: Sequence[Scene], names: Mapping[int, str] | None, *, boxes: bool = False) -> None:
    """Write a text file an image of normalised polygons or boxes, and the names of the classes if there are any."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        height, width = scene.size
        lines = []
        for mask, label in zip(scene.masks, scene.labels, strict=True):
            if boxes:
                x, y, w, h = box_of(mask)
                values = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
            elif outlines(mask):
                values = (max(outlines(mask), key=len) / (width, height)).ravel().tolist()
            else:
                continue
            lines.append(" ".join([str(label - ID_BASE), *(f"{value:.6f}" for value in values)]))
        (folder / f"{scene.path.stem}.txt").write_text("\n".join(lines), encoding="utf-8")
    if names is not None:
        text = "names:\n" + "".join(f"  {number}: {name}\n" for number, name in names.items())
        (folder.parent / "data.yaml").write_text(text, encoding="utf-8")


def class_names() -> dict[int, str]:
    """Return the names of the classes of things by their numbers from 0."""
    return {label - ID_BASE: id2label[label].name for label in range(ID_BASE, 34)}


def write_labelme(folder: Path, scenes: Sequence[Scene]) -> None:
    """Write LabelMe's JSON an image: parts of one object are polygons of one group."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        height, width = scene.size
        shapes = [
            {"label": id2label[label].name, "points": outline.tolist(), "group_id": group, "shape_type": "polygon"}
            for group, (mask, label) in enumerate(zip(scene.masks, scene.labels, strict=True))
            for outline in outlines(mask)
        ]
        about = {"imagePath": scene.path.name, "imageData": None, "imageHeight": height, "imageWidth": width}
        whole: dict[str, Any] = {"version": "5.4.1", "flags": {}, "shapes": shapes, **about}
        (folder / f"{scene.path.stem}.json").write_text(json.dumps(whole), encoding="utf-8")


def write_megadetector(path: Path, scenes: Sequence[Scene]) -> None:
    """Write MegaDetector's JSON: boxes in shares of the sides."""
    images = []
    for scene in scenes:
        height, width = scene.size
        detections = []
        for mask, label in zip(scene.masks, scene.labels, strict=True):
            x, y, w, h = box_of(mask)
            box = [x / width, y / height, w / width, h / height]
            detections.append({"category": str(label), "conf": 0.9, "bbox": box})
        images.append({"file": scene.path.name, "detections": detections})
    names = {str(label): id2label[label].name for label in range(ID_BASE, 34)}
    whole = {"images": images, "detection_categories": names, "info": {"format_version": "1.4"}}
    path.write_text(json.dumps(whole), encoding="utf-8")


HEADER = ("image_path", "xmin", "ymin", "xmax", "ymax", "label", "score")

FORMATS: dict[str, Any] = {
    "coco": lambda folder, scenes: write_coco(folder / "instances.json", scenes),
    "labelme": write_labelme,
    "megadetector": lambda folder, scenes: write_megadetector(folder / "detections.json", scenes),
    "yolo": lambda folder, scenes: write_yolo(folder, scenes, class_names()),
    "boxes": lambda folder, scenes: write_boxes(folder / "boxes.csv", scenes, HEADER),
}
"""Formats that hold classes, to what writes them into the folder of the photos."""
