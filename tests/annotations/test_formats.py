"""Each format says where objects are and, apart from that, of what class; other classes change no region."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import id2label
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.boxes import Boxes
from objdisc.annotations.labelme import Labelme
from objdisc.annotations.megadetector import Megadetector
from objdisc.annotations.sam_json import SamJson
from objdisc.annotations.search import FORMATS, format_of
from objdisc.annotations.yolo import Yolo
from objdisc.datasets import open_dataset
from objdisc.imaging.masks import decode_mask
from objdisc.objectness.megadetector import Megadetector as Source
from objdisc.types import Region

from ..support import annotated
from ..support.annotated import Scene, box_of, outlines, photos

BOXES = {"megadetector", "boxes"}


def opened(folder: Path) -> Annotations:
    (found,) = open_dataset(folder, "").annotations
    return found


def drawn(mask: NDArray[np.bool_], ring: NDArray[np.int32] | None = None) -> NDArray[np.bool_]:
    """Fill outlines of a mask as COCO's own library does."""
    chosen = [ring] if ring is not None else outlines(mask)
    rings = [outline.ravel().astype(float).tolist() for outline in chosen]
    return np.asarray(coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects(rings, *mask.shape)))).astype(bool)


def agree(name: str, region: Region, mask: NDArray[np.bool_]) -> bool:
    if name in BOXES:
        return region.mask is None and region.box == box_of(mask)
    if region.mask is None:
        return False
    found = decode_mask(region.mask)
    if name == "yolo":  # six digits move an outline by less than a pixel
        expected = drawn(mask, max(outlines(mask), key=len))
        return bool((found & expected).sum() > 0.85 * (found | expected).sum())
    return bool((found == (mask if name == "coco" else drawn(mask))).all())


@pytest.mark.parametrize("name", annotated.FORMATS)
def test_objects_and_classes_come_back(toy_city: Path, tmp_path: Path, name: str) -> None:
    scenes = photos(toy_city, tmp_path)
    annotated.FORMATS[name](tmp_path, scenes)
    found = opened(tmp_path)
    assert found.format.name == name
    assert found.problems() == []
    for scene in scenes:
        regions, classes = found.regions(scene.path.stem, scene.size), found.classes(scene.path.stem)
        assert regions is not None
        drawable = name in {*BOXES, "coco"}
        pairs = zip(scene.masks, scene.labels, strict=True)
        kept = [(mask, label) for mask, label in pairs if drawable or outlines(mask)]
        assert len(regions) == len(kept)
        for mask, label in kept:
            (one,) = [region for region in regions if agree(name, region, mask)]
            assert one.source_id is not None
            assert classes[one.source_id] == id2label[label].name


@pytest.mark.parametrize("name", annotated.FORMATS)
def test_exchanged_classes_change_nothing_that_training_sees(toy_city: Path, tmp_path: Path, name: str) -> None:
    contents, found = [], []
    for place, shift in (("before", 0), ("after", 3)):
        scenes = photos(toy_city, tmp_path / place)
        exchanged = [
            replace(scene, labels=[24 + (label - 24 + shift) % 10 for label in scene.labels]) for scene in scenes
        ]
        annotated.FORMATS[name](tmp_path / place, exchanged)
        annotations = opened(tmp_path / place)
        contents.append(annotations.facts["content"])
        found.append([annotations.regions(scene.path.stem, scene.size) for scene in scenes])
    assert contents[0] == contents[1]
    assert found[0] == found[1]
    one, other = (opened(tmp_path / place).classes(scenes[0].path.stem) for place in ("before", "after"))
    assert one.keys() == other.keys()
    assert one != other


def test_every_format_has_a_name_of_its_own_and_a_source() -> None:
    names = [kind.name for kind in FORMATS]
    assert len(set(names)) == len(names)
    assert {*annotated.FORMATS, "sam_json"} == set(names)


def photo(folder: Path, name: str = "a.png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / name), np.zeros((20, 30, 3), np.uint8))
    return folder


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("image_path,xmin,ymin,xmax,ymax,label,score\na.png,2,3,12,9,x,0.5\n", [(2, 3, 10, 6)]),
        ("filename;x1;y1;x2;y2\na.png;2;3;12;9\n", [(2, 3, 10, 6)]),
        ("File\tX\tY\tW\tH\na.png\t2\t3\t10\t6\n", [(2, 3, 10, 6)]),
        ("ImageID,LabelName,XMin,XMax,YMin,YMax\na,x,0.1,0.5,0.25,0.75\n", [(3, 5, 12, 10)]),
        ("filename,width,height,class,xmin,ymin,xmax,ymax\na.png,30,20,x,2,3,12,9\n", [(2, 3, 10, 6)]),
        ('image,x,y,width,height\n"photos/a.png",2,3,10,6\nphotos/a.png,,,,\n', [(2, 3, 10, 6)]),
    ],
)
def test_tables_of_boxes_by_many_names(tmp_path: Path, text: str, boxes: list[tuple[int, ...]]) -> None:
    (photo(tmp_path) / "boxes.csv").write_text(text, encoding="utf-8")
    regions = opened(tmp_path).regions("a", (20, 30))
    assert regions is not None
    assert [region.box for region in regions] == boxes
    assert regions[0].source_id == "0"


def test_other_tables_are_no_boxes(tmp_path: Path) -> None:
    for text in ("name,value\na,1\n", "", "image,x,y\na,1,2\n", "\0\1"):
        (tmp_path / "table.csv").write_text(text, encoding="utf-8")
        assert not Boxes.recognises(tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("line", "box", "score"),
    [
        ("3 0.5 0.5 0.2 0.5", (12, 5, 6, 10), 1.0),
        ("3 0.5 0.5 0.2 0.5 0.75", (12, 5, 6, 10), 0.75),
        ("0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5", (3, 2, 12, 8), 1.0),
        ("0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5 0.25", (3, 2, 12, 8), 0.25),
    ],
)
def test_lines_of_yolo_are_boxes_or_polygons_with_or_without_confidence(
    tmp_path: Path, line: str, box: tuple[int, ...], score: float
) -> None:
    photo(tmp_path / "images" / "train")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "a.txt").write_text(f"{line}\n\nnonsense\n", encoding="utf-8")
    (tmp_path / "classes.txt").write_text("zero\none\ntwo\nthree\n", encoding="utf-8")
    (found,) = open_dataset(tmp_path, "train").annotations
    regions = found.regions("a", (20, 30))
    assert regions is not None
    assert [(region.box, region.score, region.source_id) for region in regions] == [(box, score, "0")]
    assert found.classes("a") == {"0": "three" if line.startswith("3") else "zero"}
    assert [reason for reason, _, _ in found.problems()] == ["a line that is no box or polygon (left out)"]


def test_an_empty_text_file_is_an_image_without_objects(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        photo(tmp_path, f"{name}.png")
    (tmp_path / "a.txt").write_text("", encoding="utf-8")
    (tmp_path / "b.txt").write_text("0 0.5 0.5 0.5 0.5", encoding="utf-8")
    found = opened(tmp_path)
    assert found.regions("a", (20, 30)) == []
    assert found.regions("c", (20, 30)) is None


def test_other_texts_are_no_yolo(tmp_path: Path) -> None:
    for text in ("1 2 3", "0.5 0.5 0.5 0.5 0.5", "0 100 200 300 400", "name of a class", ""):
        (tmp_path / "a.txt").write_text(text, encoding="utf-8")
        assert not Yolo.recognises(tmp_path / "a.txt")


def labelme(folder: Path, *shapes: dict[str, Any]) -> Annotations:
    listed = [{"label": "thing", "group_id": None, **shape} for shape in shapes]
    whole = {"version": "5", "shapes": listed, "imagePath": "..\\pictures\\a.png", "imageHeight": 20, "imageWidth": 30}
    (photo(folder) / "a.json").write_text(json.dumps(whole), encoding="utf-8")
    return opened(folder)


def test_shapes_of_labelme(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6), np.uint8)
    pixels[1:, 2:] = 1
    mask = base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode()
    found = labelme(
        tmp_path,
        {"shape_type": "rectangle", "points": [[12, 9], [2, 3]]},
        {"shape_type": "circle", "points": [[15, 10], [20, 10]]},
        {"shape_type": "mask", "points": [[20, 5], [25, 8]], "mask": mask},
        {"shape_type": "point", "points": [[4, 4]]},
        {"shape_type": "polygon", "points": [[1, 1], [4, 1], [4, 4]], "group_id": 7},
        {"shape_type": "polygon", "points": [[21, 14], [28, 14], [28, 19], [21, 19]], "group_id": 7},
    )
    regions = {region.source_id: region for region in found.regions("a", (20, 30)) or []}
    assert regions.keys() == {"0", "1", "2", "4"}
    assert (regions["0"].box, regions["0"].mask) == ((2, 3, 10, 6), None)
    assert abs(regions["1"].area - np.pi * 25) < 8
    assert (regions["2"].box, regions["2"].area) == ((22, 6, 4, 3), 12)
    assert (regions["4"].box[0] <= 2, regions["4"].box[1], regions["4"].box[2] > 20) == (True, 1, True)
    assert [reason.partition(",")[0] for reason, _, _ in found.problems()] == ["a shape without area"]


def test_cityscapes_polygons_are_no_labelme(tmp_path: Path) -> None:
    path = tmp_path / "a_gtFine_polygons.json"
    objects = [{"label": "car", "polygon": [[1, 2]]}]
    path.write_text(json.dumps({"imgHeight": 2, "imgWidth": 2, "objects": objects}), encoding="utf-8")
    assert format_of(path) is None
    assert not Labelme.recognises(path)


def test_detections_of_no_confidence_are_left_out_by_the_source(tmp_path: Path) -> None:
    boxes = [{"category": "1", "conf": conf, "bbox": [0.1, 0.1, 0.2, 0.2 + conf]} for conf in (0.05, 0.9)]
    images = [{"file": "x\\a.png", "detections": boxes}, {"file": "b.png", "failure": "no image", "detections": None}]
    whole = {"images": images, "detection_categories": {"1": "animal"}}
    (photo(tmp_path) / "out.json").write_text(json.dumps(whole), encoding="utf-8")
    dataset = open_dataset(tmp_path, "")
    assert Megadetector.recognises(tmp_path / "out.json")
    image = dataset.read_image(dataset.samples[0])
    assert [region.source_id for region in Source().regions(dataset, dataset.samples[0], image)] == ["1"]
    assert len(Source(min_score=0).regions(dataset, dataset.samples[0], image)) == 2
    assert [reason for reason, _, _ in opened(tmp_path).problems()] == [
        "an image that the detector could not read (left out)"
    ]


def test_the_list_of_the_automatic_generator_is_of_the_picture_of_its_name(toy_city: Path, tmp_path: Path) -> None:
    scenes: list[Scene] = photos(toy_city, tmp_path)
    annotated.write_sam(tmp_path, scenes, listed=True)
    assert SamJson.recognises(scenes[0].path.with_suffix(".json"))
    assert opened(tmp_path).count() == sum(len(scene.masks) for scene in scenes)
