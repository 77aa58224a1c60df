"""Scores of labelIds maps: ours must equal the official Cityscapes evaluator's, on any split and any prediction."""

import json
import math
import shutil
import sys
from pathlib import Path

import cityscapesscripts.evaluation
import cv2
import numpy as np
import pytest

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.cityscapes import MOVING_CLASSES, Cityscapes
from objdisc.errors import ObjdiscError, UnreadableImageError, UsageError
from objdisc.evaluation.segmentation import OfficialScore, official_score, prediction_path, segmentation_score
from objdisc.export.cityscapes import write_color, write_label_ids
from objdisc.imaging.decode import read_index_map


def write_perturbed_truth(folder: Path, dataset: ImageDataset, seed: int = 0, wrong: float = 0.3) -> Path:
    """Write predictions that agree with the truth but for random pixels, and hold nothing for other classes."""
    rng = np.random.default_rng(seed)
    objects = [label for label, name in dataset.class_names.items() if name in MOVING_CLASSES]
    for sample in dataset.samples:
        truth = dataset.read_labels(sample)
        if truth is not None:
            prediction = np.where(np.isin(truth, objects), truth, 0)
            noise = rng.random(truth.shape) < wrong
            prediction[noise] = rng.choice([0, 7, 29, *objects], int(noise.sum()))
            write_label_ids(folder, sample.name, prediction.astype(np.uint8))
    return folder


def assert_equal_scores(maps: Path, dataset: ImageDataset) -> OfficialScore:
    """Hold our score against the official one, number by number."""
    ours, official = segmentation_score(maps, dataset), official_score(maps, dataset)
    assert ours.num_images == official.num_images
    assert ours.iou.keys() == official.iou.keys()
    assert ours.iou == pytest.approx(official.iou, abs=1e-9)
    assert ours.mean_iou == pytest.approx(official.mean_iou, abs=1e-9)
    matrix = np.array(official.confusion)
    evaluated = [label for label in dataset.class_names if label not in dataset.ignore_ids]
    hits, total = matrix.diagonal()[evaluated].sum(), matrix[evaluated].sum()
    assert ours.pixel_accuracy == pytest.approx(hits / total, abs=1e-9)
    return official


@pytest.mark.parametrize("wrong", [0.0, 0.3, 1.0])
def test_ours_equals_the_official_score_on_every_label_id(label_city: Path, tmp_path: Path, wrong: float) -> None:
    dataset = Cityscapes(label_city, "val")
    official = assert_equal_scores(write_perturbed_truth(tmp_path, dataset, wrong=wrong), dataset)
    assert official.num_images == 3, "the frame without ground truth is left out"
    assert 0 <= official.mean_instance_iou <= 1
    assert 0 <= official.mean_category_iou <= 1


@pytest.mark.parametrize("split", ["train", "val"])
def test_ours_equals_the_official_score_on_the_toy_city(toy_city: Path, tmp_path: Path, split: str) -> None:
    dataset = Cityscapes(toy_city, split)
    official = assert_equal_scores(write_perturbed_truth(tmp_path, dataset), dataset)
    assert 0 < official.mean_iou < 1


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "split"), [("camvid", "val"), ("idd_lite", "train")])
def test_ours_equals_the_official_score_on_real_streets(tmp_path: Path, name: str, split: str) -> None:
    root = Path(__file__).parents[2] / "data" / name
    if not root.is_dir():
        pytest.skip(f"{root} is absent; data/README.md says how to unpack it")
    dataset = Cityscapes(root, split)
    dataset.samples = dataset.samples[:40]
    assert_equal_scores(write_perturbed_truth(tmp_path, dataset), dataset)


def test_perfect_objects_score_one_on_objects_and_less_on_all_pixels(label_city: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    score = segmentation_score(write_perturbed_truth(tmp_path, dataset, wrong=0), dataset, MOVING_CLASSES)
    assert score.pixel_accuracy_objects == score.mean_iou_objects == 1
    assert score.pixel_accuracy < 1
    assert score.iou["road"] == 0
    assert "caravan" not in score.iou, "the evaluator ignores it"
    assert json.loads(json.dumps(score.to_json()))["num_images"] == 3


def test_the_evaluator_prints_nothing_and_leaves_no_file_and_no_setting(
    label_city: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluator

    dataset = Cityscapes(label_city, "val")
    maps = write_perturbed_truth(tmp_path / "labelIds", dataset)
    before = dict(vars(evaluator.args))
    first, second = official_score(maps, dataset), official_score(maps, dataset)
    assert first == second
    assert vars(evaluator.args) == before
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labelIds"]


def test_color_maps_beside_label_ids_do_not_disturb_the_evaluator(label_city: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    maps = write_perturbed_truth(tmp_path / "labelIds", dataset)
    for sample in dataset.samples:
        write_color(tmp_path / "color", sample.name, np.zeros((4, 4), np.uint8), dataset.class_colors)
    assert official_score(maps, dataset).num_images == 3
    with pytest.raises(ObjdiscError, match="multiple predictions"):
        official_score(tmp_path, dataset)


def test_without_instance_ids_the_class_score_stays_and_the_instance_score_is_missing(
    label_city: Path, tmp_path: Path
) -> None:
    city = shutil.copytree(label_city, tmp_path / "city")
    for path in city.rglob("*_instanceIds.png"):
        path.unlink()
    dataset = Cityscapes(city, "val")
    maps = write_perturbed_truth(tmp_path / "labelIds", dataset)
    official = assert_equal_scores(maps, dataset)
    assert math.isnan(official.mean_instance_iou)
    assert math.isnan(official.mean_instance_category_iou)


def test_frames_that_the_run_could_not_read_are_left_out_by_name(label_city: Path, tmp_path: Path) -> None:
    city = shutil.copytree(label_city, tmp_path / "city")
    dataset = Cityscapes(city, "val")
    maps = write_perturbed_truth(tmp_path / "labelIds", dataset)
    skipped = dataset.samples[1]
    whole = segmentation_score(maps, dataset)
    skipped.image_path.write_bytes(b"truncated")
    prediction_path(maps, skipped.name).unlink()
    names = {sample.name for sample in dataset.samples} - {skipped.name}
    ours, official = segmentation_score(maps, dataset, names=names), official_score(maps, dataset, names=names)
    assert ours.num_images == official.num_images == whole.num_images - 1
    assert ours.iou == pytest.approx(official.iou, abs=1e-9)


def test_a_missing_map_is_named(label_city: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    maps = write_perturbed_truth(tmp_path, dataset)
    missing = prediction_path(maps, dataset.samples[1].name)
    missing.unlink()
    with pytest.raises(UnreadableImageError, match=missing.name):
        segmentation_score(maps, dataset)
    with pytest.raises(ObjdiscError, match=r"Found no prediction for ground truth .*aachen_000001_000019"):
        official_score(maps, dataset)


def test_a_map_of_another_size_or_depth_or_with_unknown_ids_is_named(label_city: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    maps = write_perturbed_truth(tmp_path, dataset)
    path = prediction_path(maps, dataset.samples[0].name)
    good = read_index_map(path)
    for bad, reason in (
        (good[:-1], "ground truth"),
        (good.astype(np.uint16), "8 bits"),
        (np.full_like(good, 200), "label id 200"),
    ):
        cv2.imwrite(str(path), bad)
        with pytest.raises(UnreadableImageError, match=reason) as caught:
            segmentation_score(maps, dataset)
        assert caught.value.path == path


def test_an_unknown_id_stops_the_evaluator_with_a_message(label_city: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    maps = write_perturbed_truth(tmp_path, dataset)
    write_label_ids(maps, dataset.samples[0].name, np.full((48, 96), 200, np.uint8))
    with pytest.raises(ObjdiscError, match="an id that Cityscapes lacks"):
        official_score(maps, dataset)


def test_the_official_score_goes_into_json_without_its_matrix(label_city: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    official = official_score(write_perturbed_truth(tmp_path, dataset), dataset)
    document = json.loads(json.dumps(official.to_json()))
    assert document["mean_iou"] == official.mean_iou
    assert document["iou"] == official.iou
    assert "confusion" not in document


def test_a_numpy_that_the_evaluator_cannot_use_is_a_usage_error(
    label_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(np, "in1d")
    with pytest.raises(UsageError, match=r"numpy below 2\.4"):
        official_score(tmp_path, Cityscapes(label_city, "val"))


def test_an_export_folder_that_the_evaluator_refuses_is_a_usage_error(
    label_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr(cityscapesscripts.evaluation, name.rpartition(".")[2], raising=False)
    monkeypatch.setenv("CITYSCAPES_EXPORT_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="unset CITYSCAPES_EXPORT_DIR"):
        official_score(tmp_path, Cityscapes(label_city, "val"))


def test_a_split_without_labels_is_a_usage_error(label_city: Path, tmp_path: Path) -> None:
    city = shutil.copytree(label_city / "leftImg8bit", tmp_path / "leftImg8bit").parent
    dataset = Cityscapes(city, "val")
    for scorer in (segmentation_score, official_score):
        with pytest.raises(UsageError, match="no frame of split 'val' has class labels"):
            scorer(tmp_path, dataset)


def test_an_unknown_object_class_and_a_missing_folder_are_usage_errors(label_city: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(label_city, "val")
    with pytest.raises(UsageError, match="unknown object classes unicorn"):
        segmentation_score(tmp_path, dataset, ["car", "unicorn"])
    with pytest.raises(UsageError, match="no such folder"):
        official_score(tmp_path / "nowhere", dataset)
