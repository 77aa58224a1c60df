"""Class-agnostic recall and AP, against hand-made scenes whose scores can be told, and against COCO's own summary."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from objdisc.datasets import open_dataset
from objdisc.evaluation.instances import ClassAgnosticScore, class_agnostic_score, ground_truth

SIZE = (40, 200)  # height, width


def encoded(mask: NDArray[np.bool_]) -> dict[str, Any]:
    found = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(found["size"]), "counts": found["counts"].decode("ascii")}


def result(image: int, mask: NDArray[np.bool_], score: float = 1.0, category: int = 7) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "segmentation": encoded(mask), "score": score}


def box(x: int, width: int, height: int = SIZE[0]) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, np.bool_)
    mask[:height, x : x + width] = True
    return mask


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """One frame: a car, a person, and a group of cars that nobody separated; and a frame without ground truth."""
    labels = np.full(SIZE, 7, np.uint16)
    instances = labels.copy()
    for x, width, label, instance in ((0, 40, 26, 26001), (60, 20, 24, 24001), (120, 50, 26, 26)):
        labels[:, x : x + width], instances[:, x : x + width] = label, instance
    for name in ("ulm/ulm_000000_000001", "ulm/ulm_000000_000002"):
        image = tmp_path / f"leftImg8bit/val/{name}_leftImg8bit.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(image)
    truth = tmp_path / "gtFine/val/ulm/ulm_000000_000001_gtFine"
    truth.parent.mkdir(parents=True)
    Image.fromarray(labels.astype(np.uint8)).save(f"{truth}_labelIds.png")
    Image.fromarray(instances).save(f"{truth}_instanceIds.png")
    return tmp_path


IDS = {"ulm/ulm_000000_000001": 5, "ulm/ulm_000000_000002": 9}


def score_of(root: Path, *results: dict[str, Any]) -> ClassAgnosticScore:
    found = class_agnostic_score(open_dataset(root, "val"), IDS, results)
    assert found is not None
    return found


def test_perfect_masks_of_any_category_score_1(scene: Path) -> None:
    score = score_of(scene, result(5, box(0, 40), category=1), result(5, box(60, 20), category=2))
    assert (score.num_images, score.num_objects, score.num_detections) == (1, 2, 2)
    assert [score.ap, score.ap_50, score.ap_75, score.ar_10, score.ar_100, score.ar_1000, score.recall_50] == [
        pytest.approx(1)
    ] * 7
    assert (score.ar_small, score.ar_medium) == (1, 1)
    assert np.isnan(score.ar_large)


def test_a_mask_counts_up_to_the_thresholds_that_its_iou_reaches(scene: Path) -> None:
    # 32 of 40 columns: IoU 0.8 passes 0.50, 0.55, ..., 0.75, and 0.80 itself; the person is not found at all
    score = score_of(scene, result(5, box(0, 32)))
    assert score.recall_50 == pytest.approx(1 / 2)
    assert score.ar_100 == pytest.approx(7 / 10 / 2)


def test_masks_on_groups_are_neither_right_nor_wrong(scene: Path) -> None:
    right = [result(5, box(0, 40), 0.5), result(5, box(60, 20), 0.5)]
    assert score_of(scene, *right, result(5, box(125, 30), 0.9)).ap == pytest.approx(1)
    assert score_of(scene, *right, result(5, box(180, 15), 0.9)).ap < 0.7


def test_images_without_ground_truth_are_left_out(scene: Path) -> None:
    score = score_of(scene, result(5, box(0, 40)), result(9, box(0, 40)))
    assert (score.num_images, score.num_detections) == (1, 1)


def test_no_mask_at_all_recalls_nothing(scene: Path) -> None:
    score = score_of(scene)
    assert (score.ap, score.recall_50, score.num_detections) == (0, 0, 0)


def test_data_without_instances_has_no_score(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "a.png")
    assert class_agnostic_score(open_dataset(tmp_path, ""), {"a": 1}, [result(1, box(0, 40))]) is None


def test_the_truth_tells_no_class(scene: Path) -> None:
    truth = ground_truth(open_dataset(scene, "val"), IDS)
    assert [category["name"] for category in truth["categories"]] == ["object"]
    assert [annotation["iscrowd"] for annotation in truth["annotations"]] == [0, 0, 1]
    assert [annotation["area"] for annotation in truth["annotations"]] == [1600, 800, 2000]


def test_it_agrees_with_cocos_own_summary(toy_city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = open_dataset(toy_city, "val")
    ids = {sample.name: number for number, sample in enumerate(dataset.samples, start=1)}
    rng = np.random.default_rng(0)
    truth = ground_truth(dataset, ids)
    found = []
    for annotation in truth["annotations"]:
        mask = np.roll(rle.decode(annotation["segmentation"]), rng.integers(0, 6), axis=1).astype(np.bool_)
        found.append(result(annotation["image_id"], mask, float(rng.random())))
    score = class_agnostic_score(dataset, ids, found)
    assert score is not None
    assert capsys.readouterr().out == "", "what pycocotools prints is no result"
    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes([{**item, "category_id": 1} for item in found]), "segm")
    evaluation.params.useCats = 0
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    ours = [score.ap, score.ap_50, score.ap_75, score.ar_10, score.ar_100]
    assert ours == pytest.approx([*evaluation.stats[:3], *evaluation.stats[7:9]])
    areas = [score.ar_small, score.ar_medium, score.ar_large]
    assert areas == pytest.approx([value if value > -1 else np.nan for value in evaluation.stats[9:12]], nan_ok=True)
    assert 0.1 < score.ap < 0.95
    assert replace(score).to_json()["ap"] == score.ap
