"""Classes of annotations as labels: by source id, and painted small over large."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.annotations import index
from objdisc.datasets import open_dataset
from objdisc.evaluation.annotated import UNANNOTATED, AnnotatedClasses, label_source, labelled, labelled_pixels
from objdisc.evaluation.counts import patch_labels
from objdisc.types import Patch, Region

LARGE, SMALL, PLAIN = [0, 0, 20, 20], [5, 5, 4, 4], [22, 2, 5, 5]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "CACHE", tmp_path / "cache")


def written(folder: Path, *, classes: int = 2, score: float | None = None) -> Path:
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.png"), np.zeros((20, 30, 3), np.uint8))
    boxes = [(SMALL, 2), (LARGE, 1), *((PLAIN, number) for number in range(3, classes + 1))]
    annotations = [
        {"id": number, "image_id": 0, "category_id": category, "bbox": [box[0], box[1], box[2], box[3] + number // 9]}
        for number, (box, category) in enumerate(boxes)
    ]
    annotations += [{"id": 9999, "image_id": 0, "bbox": PLAIN}]
    if score is not None:
        annotations = [{**annotation, "score": score} for annotation in annotations]
    whole = {
        "images": [{"id": 0, "file_name": "a.png", "width": 30, "height": 20}],
        "annotations": annotations,
        "categories": [{"id": number, "name": f"class {number}"} for number in range(1, classes + 1)],
    }
    (folder / "notes.json").write_text(json.dumps(whole), encoding="utf-8")
    return folder


def test_small_objects_are_painted_over_large_ones(tmp_path: Path) -> None:
    dataset = labelled(open_dataset(written(tmp_path / "data"), ""))
    assert isinstance(dataset, AnnotatedClasses)
    assert dataset.class_names == {1: "class 1", 2: "class 2"}
    expected = np.full((20, 30), UNANNOTATED)
    expected[:20, :20] = 1
    expected[5:9, 5:9] = 2
    np.testing.assert_array_equal(dataset.read_labels(dataset.samples[0]), expected)
    assert label_source(dataset) == "annotations"


def test_a_region_of_the_annotations_has_the_class_that_they_say_others_that_of_their_pixels(tmp_path: Path) -> None:
    dataset = labelled(open_dataset(written(tmp_path / "data"), ""))
    small, large = (5, 5, 4, 4), (0, 0, 20, 20)
    regions = [
        Region(large, 400, source_id="0"),
        Region(small, 16, source_id="1"),
        Region(small, 16, source_id="9999"),
        Region(small, 16),
        Region((22, 10, 5, 5), 25),
        Region(small, 16, foreground=False),
    ]
    patches = [Patch("a", (0, 0, 4), (20, 30), region) for region in regions]
    assert patch_labels(dataset, patches).tolist() == [2, 1, -1, 2, -1, -1]


def test_scores_make_them_a_detector_s(tmp_path: Path) -> None:
    assert label_source(labelled(open_dataset(written(tmp_path / "data", score=0.5), ""))) == "detector"


def test_one_class_alone_scores_nothing(tmp_path: Path) -> None:
    dataset = open_dataset(written(tmp_path / "data", classes=1), "")
    (annotations,) = dataset.annotations
    assert annotations.class_names() == ["class 1", "2"]
    path = tmp_path / "data" / "notes.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"category_id": 2', '"category_id": 1'), encoding="utf-8")
    dataset = open_dataset(tmp_path / "data", "")
    assert labelled(dataset) is dataset
    assert label_source(dataset) == "ground truth"


def test_more_classes_than_a_map_can_hold_label_patches_alone(tmp_path: Path) -> None:
    dataset = open_dataset(written(tmp_path / "data", classes=300), "")
    assert len(labelled(dataset).class_names) == 300
    assert labelled_pixels(dataset) is dataset
    patch = Patch("a", (0, 0, 4), (20, 30), Region((22, 2, 5, 5), 25, source_id="299"))
    assert patch_labels(labelled(dataset), [patch]).tolist() == [300]
