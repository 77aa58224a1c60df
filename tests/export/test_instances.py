"""Cityscapes instance results: the official evaluator reads them, and is the judge."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as evaluator
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets import open_dataset
from objdisc.export.instances import LabelChoice, choose_labels, write_cityscapes
from objdisc.export.objects import NamedObjects
from objdisc.imaging.masks import decode_mask
from objdisc.io.files import write_image
from objdisc.naming.categories import Names
from objdisc.objectness.folder import Folder
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions

MakeObjects = Callable[..., NamedObjects]
CLASSES = {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}
BLACK = (0, 0, 0)


@pytest.fixture(scope="module")
def true_classes(make_objects: MakeObjects, toy_city: Path) -> NDArray[np.float32]:
    """Say which of the eight classes each patch shows, as probabilities that are sure of it; read with Pillow."""
    store = make_objects().store
    probabilities = np.full((len(store), len(CLASSES)), 0.02, np.float32)
    for row in np.flatnonzero(store.foreground):
        patch = store.patch(int(row))
        ids = np.array(Image.open(toy_city / f"gtFine/val/{patch.sample}_gtFine_instanceIds.png"))
        assert patch.region.mask is not None
        (instance,) = np.unique(ids[decode_mask(patch.region.mask)])
        probabilities[row, list(CLASSES).index(instance // 1000)] = 0.86
    return probabilities


def official_ap(folder: Path, root: Path, cache: Path) -> dict[str, float]:
    """Run the evaluator as its main function does, on copies of its settings; class name to AP."""
    settings = copy.copy(evaluator.args)
    settings.predictionPath, settings.predictionWalk = str(folder.resolve()), None
    settings.gtInstancesFile, settings.JSONOutput, settings.quiet = str(cache / "gtInstances.json"), False, True
    truths = [str(path) for path in sorted((root / "gtFine/val").rglob("*_gtFine_instanceIds.png"))]
    predictions = [evaluator.getPrediction(path, settings) for path in truths]
    evaluator.setInstanceLabels(settings)
    instances = evaluator.getGtInstances(truths, settings)
    matches = evaluator.matchGtWithPreds(predictions, truths, instances, settings)
    averages = evaluator.computeAverages(evaluator.evaluateMatches(matches, settings), settings)
    return {name: float(scores["ap"]) for name, scores in averages["classes"].items()}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Mean of empty slice")
def test_named_clusters_that_are_right_reach_an_ap_of_1(
    make_objects: MakeObjects, true_classes: NDArray[np.float32], toy_city: Path, tmp_path: Path
) -> None:
    named = make_objects(true_classes, Names.of([(name, BLACK) for name in CLASSES.values()]))
    folder = write_cityscapes(tmp_path / "a b", named, choose_labels(named, {}))
    scores = official_ap(folder / "instances", toy_city, tmp_path)
    found = {name: score for name, score in scores.items() if not np.isnan(score)}
    assert len(found) >= 4
    assert found == dict.fromkeys(found, pytest.approx(1))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Mean of empty slice")
def test_a_class_that_was_named_wrongly_scores_nothing(
    make_objects: MakeObjects, true_classes: NDArray[np.float32], toy_city: Path, tmp_path: Path
) -> None:
    swapped = CLASSES | {24: "car", 26: "person"}
    named = make_objects(true_classes, Names.of([(name, BLACK) for name in swapped.values()]))
    folder = write_cityscapes(tmp_path, named, choose_labels(named, {}))
    scores = official_ap(folder / "instances", toy_city, tmp_path)
    assert scores["car"] == scores["person"] == 0
    assert scores["bicycle"] == pytest.approx(1)


def test_label_maps_are_those_of_the_ground_truth(
    make_objects: MakeObjects, true_classes: NDArray[np.float32], toy_city: Path, tmp_path: Path
) -> None:
    named = make_objects(true_classes, Names.of([(name.upper(), BLACK) for name in CLASSES.values()]))
    write_cityscapes(tmp_path, named, choose_labels(named, {}))
    for frame in named.frames:
        labels = np.array(Image.open(tmp_path / f"labelIds/{frame.sample}_labelIds.png"))
        ids = np.array(Image.open(toy_city / f"gtFine/val/{frame.sample}_gtFine_instanceIds.png"))
        expected = np.where(ids >= 1000, ids // 1000, 0)
        np.testing.assert_array_equal(labels, np.where(np.isin(expected, list(CLASSES)), expected, 0))


def test_every_line_is_a_mask_a_label_and_a_confidence(
    make_objects: MakeObjects, true_classes: NDArray[np.float32], tmp_path: Path
) -> None:
    named = make_objects(true_classes, Names.of([(name, BLACK) for name in CLASSES.values()]))
    write_cityscapes(tmp_path, named, choose_labels(named, {}))
    for frame, objects in named.objects():
        path = tmp_path / f"instances/{frame.sample}.txt"
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) == len(objects)
        for line, (row, patch) in zip(lines, objects, strict=True):
            mask, label, confidence = line.split(" ")
            pixels = np.array(Image.open(path.parent / mask))
            assert patch.region.mask is not None
            np.testing.assert_array_equal(pixels > 0, decode_mask(patch.region.mask))
            assert int(label) == list(CLASSES)[named.categories[row] - 1]
            assert float(confidence) == pytest.approx(0.86)


def test_names_win_over_matches_and_matches_over_nothing(make_objects: MakeObjects) -> None:
    named = make_objects(names=Names.of([("Car", BLACK), ("thing", BLACK), ("other", BLACK), ("none", BLACK)]))
    assert choose_labels(named, {0: 24, 1: 25, 2: 33}) == {
        1: LabelChoice(26, by_name=True),
        2: LabelChoice(25, by_name=False),
        3: LabelChoice(33, by_name=False),
        4: LabelChoice(0, by_name=False),
    }


def test_merged_clusters_take_the_match_of_most_of_their_objects(make_objects: MakeObjects) -> None:
    rows = len(make_objects().store)
    probabilities = np.eye(3, dtype=np.float32)[[0, *[1] * (rows - 1)]]
    named = make_objects(probabilities, Names.of([("x", BLACK), ("x", BLACK), ("y", BLACK)]))
    assert choose_labels(named, {0: 24, 1: 26})[1] == LabelChoice(26, by_name=False)


def test_names_of_files_with_spaces_do_not_break_the_lines(make_objects: MakeObjects, tmp_path: Path) -> None:
    for name in ("a b", "a_b", "Straße #1"):
        write_image(tmp_path / f"images/{name}.png", np.zeros((40, 60, 3), np.uint8))
        write_image(tmp_path / f"masks/{name}.png", np.eye(40, 60, dtype=np.uint8))
    dataset = open_dataset(tmp_path / "images", "")
    options = PatchOptions(size=16, min_area=1)
    store = PatchStore.build(dataset, Folder(tmp_path / "masks"), options, tmp_path / "patches", workers=0)
    named = make_objects(np.ones((len(store), 1), np.float32), Names.of([("car", BLACK)]), store=store, dataset=dataset)
    folder = write_cityscapes(tmp_path / "out", named, choose_labels(named, {})) / "instances"
    masks = set()
    for name in ("a b", "a_b", "Straße #1"):
        for line in (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            mask, label, _ = line.split(" ")
            assert label == "26"
            masks.add(folder / mask)
    assert len(masks) == 3
    assert all(mask.is_file() for mask in masks)
