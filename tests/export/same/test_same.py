"""Categories go into the files that came in, and nothing else in them changes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from objdisc.annotations import index
from objdisc.annotations.annotations import Annotations
from objdisc.datasets import open_dataset
from objdisc.export.same import boxes, coco, labelme, megadetector, yolo
from objdisc.export.same.assigned import UNASSIGNED, Assigned

from ...support import annotated
from ...support.annotated import Scene, photos

NAMES = {1: "wheels", 2: "legs"}


@pytest.fixture
def scenes(toy_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Scene]:
    monkeypatch.setattr(index, "CACHE", tmp_path / "cache")
    return photos(toy_city, tmp_path / "data")[:3]


def opened(scenes: list[Scene]) -> Annotations:
    (found,) = open_dataset(scenes[0].path.parent, "").annotations
    return found


def assigned(annotations: Annotations, scenes: list[Scene]) -> Assigned:
    """Give every object whose id ends evenly a category."""
    found = {}
    for scene in scenes:
        for region in annotations.regions(scene.path.stem, scene.size) or []:
            assert region.source_id is not None
            if int(region.source_id) % 2 == 0:
                found[scene.path.stem, region.source_id] = (1 + int(region.source_id) // 2 % 2, 0.9)
    return Assigned(NAMES, found)


def expected(found: Assigned, sample: str, source_id: str) -> str:
    category = found.objects.get((sample, source_id))
    return UNASSIGNED if category is None else NAMES[category[0]]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_coco(scenes: list[Scene], tmp_path: Path) -> None:
    source = tmp_path / "data" / "deep" / "notes.json"
    annotated.write_coco(source, scenes)
    annotations = opened(scenes)
    found = assigned(annotations, scenes)
    coco.write_same(tmp_path / "out", annotations, found)
    before, after = read(source), read(tmp_path / "out" / "deep" / "notes.json")
    names = {category["id"]: category["name"] for category in after["categories"]}
    samples = {image["id"]: Path(image["file_name"]).stem for image in before["images"]}
    for old, new in zip(before["annotations"], after["annotations"], strict=True):
        assert {**new, "category_id": old["category_id"]} == old
        assert names[new["category_id"]] == expected(found, samples[old["image_id"]], str(old["id"]))
    assert {**before, "annotations": 0, "categories": 0} == {**after, "annotations": 0, "categories": 0}
    assert list(found.all_names().values()) == ["wheels", "legs", UNASSIGNED]


def test_results(scenes: list[Scene], tmp_path: Path) -> None:
    image = {"image_id": scenes[0].path.name, "category_id": 9, "score": 0.5}
    results = [{**image, "bbox": [1, 1, 5, 5 + number]} for number in range(3)]
    (tmp_path / "data" / "results.json").write_text(json.dumps(results), encoding="utf-8")
    annotations = opened(scenes)
    coco.write_same(tmp_path / "out", annotations, assigned(annotations, scenes[:1]))
    assert read(tmp_path / "out" / "results.json") == [
        {**result, "category_id": category} for result, category in zip(results, (1, 3, 2), strict=True)
    ]
    assert [each["name"] for each in read(tmp_path / "out" / "categories.json")] == ["wheels", "legs", UNASSIGNED]


def test_boxes(scenes: list[Scene], tmp_path: Path) -> None:
    source = tmp_path / "data" / "boxes.csv"
    annotated.write_boxes(source, scenes, annotated.HEADER)
    annotations = opened(scenes)
    found = assigned(annotations, scenes)
    boxes.write_same(tmp_path / "out", annotations, found)
    with source.open(newline="") as old, (tmp_path / "out" / "boxes.csv").open(newline="") as new:
        before, after = list(csv.DictReader(old)), list(csv.DictReader(new))
    assert [{key: value for key, value in row.items() if key != "category"} for row in after] == before
    for number, row in enumerate(after):
        name = expected(found, Path(row["image_path"]).stem, str(number))
        assert row["category"] == ("" if name == UNASSIGNED else name)
    assert any(row["category"] for row in after)


def test_megadetector(scenes: list[Scene], tmp_path: Path) -> None:
    source = tmp_path / "data" / "detections.json"
    annotated.write_megadetector(source, scenes)
    annotations = opened(scenes)
    found = assigned(annotations, scenes)
    megadetector.write_same(tmp_path / "out", annotations, found)
    before, after = read(source), read(tmp_path / "out" / "detections.json")
    assert after["info"] == before["info"]
    for old, new in zip(before["images"], after["images"], strict=True):
        for place, (one, other) in enumerate(zip(old["detections"], new["detections"], strict=True)):
            assert {**other, "category": one["category"]} == one
            name = after["detection_categories"][other["category"]]
            assert name == expected(found, Path(old["file"]).stem, str(place))


def test_yolo(scenes: list[Scene], tmp_path: Path) -> None:
    annotated.write_yolo(tmp_path / "data" / "labels", scenes, annotated.class_names())
    (tmp_path / "data" / "data.yaml").write_text("path: ../data\nnames: [a, b]\n", encoding="utf-8")
    annotations = opened(scenes)
    found = assigned(annotations, scenes)
    yolo.write_same(tmp_path / "out", annotations, found)
    settings = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text(encoding="utf-8"))
    assert settings == {"path": "../data", "names": {0: "wheels", 1: "legs", 2: UNASSIGNED}, "nc": 3}
    for scene in scenes:
        name = f"labels/{scene.path.stem}.txt"
        old, new = ((tmp_path / top / name).read_text(encoding="utf-8").splitlines() for top in ("data", "out"))
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            assert one.split()[1:] == other.split()[1:]
            assert settings["names"][int(other.split()[0])] == expected(found, scene.path.stem, str(number))


def test_labelme(scenes: list[Scene], tmp_path: Path) -> None:
    annotated.write_labelme(tmp_path / "data", scenes)
    annotations = opened(scenes)
    found = assigned(annotations, scenes)
    labelme.write_same(tmp_path / "out", annotations, found)
    for scene in scenes:
        before, after = (read(tmp_path / top / f"{scene.path.stem}.json") for top in ("data", "out"))
        firsts: dict[int, str] = {}
        for place, (old, new) in enumerate(zip(before["shapes"], after["shapes"], strict=True)):
            first = firsts.setdefault(old["group_id"], str(place))
            assert {**new, "label": old["label"]} == old
            assert new["label"] == expected(found, scene.path.stem, first)
        assert {**before, "shapes": 0} == {**after, "shapes": 0}
