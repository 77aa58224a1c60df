"""Annotation files on the command line: found by content, cut as instance masks are, scored, and written back."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from objdisc.cli import main
from objdisc.export.same.assigned import UNASSIGNED
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore
from objdisc.pipeline.loading import open_results

from ..support.annotated import (
    HEADER,
    Scene,
    class_names,
    objects_of,
    photos,
    write_boxes,
    write_coco,
    write_sam,
    write_yolo,
)
from ..support.discoveries import SETTINGS, numbers_of, objdisc, weights_of

Writer = Callable[[Path, Sequence[Scene]], None]


def coco_layout(folder: Path, scenes: Sequence[Scene]) -> None:
    write_coco(folder / "annotations" / "instances.json", scenes, polygons=True)


def sam_layout(folder: Path, scenes: Sequence[Scene]) -> None:
    write_sam(folder / "images", scenes)


def boxes_layout(folder: Path, scenes: Sequence[Scene]) -> None:
    write_boxes(folder / "images" / "predictions.csv", scenes, HEADER, classes=False)


def yolo_layout(folder: Path, scenes: Sequence[Scene]) -> None:
    write_yolo(folder / "labels", scenes, class_names())


LAYOUTS: dict[str, Writer] = {"coco": coco_layout, "sam_json": sam_layout, "boxes": boxes_layout, "yolo": yolo_layout}
LABELLED = ("coco", "yolo")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and caches lie in the folder of the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest, toy_city: Path, tmp_path: Path) -> tuple[str, Path]:
    """Give the name of a format and a folder of photos with annotations of it."""
    name, folder = str(request.param), tmp_path / "data"
    LAYOUTS[name](folder, photos(toy_city, folder / "images"))
    return name, folder


@pytest.mark.slow
def test_a_folder_with_annotations_is_recognised_discovered_scored_and_written_back(
    layout: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    name, folder = layout
    assert objdisc("discover", folder, *SETTINGS, "--overlays", "1", "--output-dir", "run") == 0
    said = capsys.readouterr()
    assert f"objectness: {name}" in said.err
    assert "objects in 12 of 12 images" in said.err
    run = Run(Path("run"))
    store = PatchStore.open(run.patches / "all")
    assert all(patch.region.source_id is not None for patch in store.patches if patch.region.foreground)
    assert all(patch.region.source_id is None for patch in store.patches if not patch.region.foreground)
    numbers = numbers_of(run)
    assert ("accuracy_majority" in numbers) == (name in LABELLED)
    assert numbers.get("labels_from") == ("annotations" if name in LABELLED else None)
    assert ("bicycle" in said.out) == (name in LABELLED)
    assert objdisc("export", "run", "--format", "same,coco,csv") == 0
    assert f"{int(store.foreground.sum())} objects have a category" in capsys.readouterr().out
    written = json.loads(Path("run/export/coco/instances.json").read_text(encoding="utf-8"))["annotations"]
    assert all(annotation["source_id"] for annotation in written)
    assert objdisc("evaluate", "run", folder) == (0 if name in LABELLED else 2)


def beside(city: Path, folder: Path, kind: str) -> Path:
    """Copy a city, and lay its own instance masks beside it as another program would write them, without names."""
    shutil.copytree(city, folder)
    scenes = [
        Scene(image, *objects_of(city, image)) for image in sorted((folder / "leftImg8bit").rglob("*_leftImg8bit.png"))
    ]
    if kind == "sam-json":
        write_sam(folder / "sam", scenes, listed=True)
    elif kind == "coco":
        write_coco(folder / "masks.json", scenes, classes=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sam-json", "coco"])
def test_the_same_masks_cut_the_same_patches_and_train_the_same_weights_as_instance_maps(
    toy_city: Path, kind: str
) -> None:
    folders = {name: beside(toy_city, Path(name), name) for name in ("instances", kind)}
    for name, folder in folders.items():
        more = ["--objectness", name, "--overlays", "0", "--output-dir", f"run_{name}"]
        assert objdisc("discover", folder, *SETTINGS, *more) == 0
    one, other = (Run(Path(f"run_{name}")) for name in folders)
    assert weights_of(one.path) == weights_of(other.path)
    for split in ("train", "val"):
        stores = [PatchStore.open(run.patches / split) for run in (one, other)]
        assert stores[0].windows() == stores[1].windows()
        np.testing.assert_array_equal(stores[0].images, stores[1].images)
    assert numbers_of(one)["counts"] == numbers_of(other)["counts"], "its own label maps stay the truth"
    assert numbers_of(other)["labels_from"] == "ground truth"


@pytest.mark.slow
def test_the_coco_file_comes_back_with_categories_and_nothing_else_changed(toy_city: Path) -> None:
    scenes = photos(toy_city, Path("data"))
    write_coco(Path("data/notes.json"), scenes, classes=False)
    assert objdisc("discover", "data", *SETTINGS, "--overlays", "0", "--output-dir", "run") == 0
    assert objdisc("export", "run", "--format", "same") == 0
    before, after = (
        json.loads(Path(path).read_text(encoding="utf-8")) for path in ("data/notes.json", "run/export/same/notes.json")
    )
    assert after.keys() == before.keys()
    assert (after["images"], after["licenses"]) == (before["images"], before["licenses"])
    clusters = categories_by_source(Run(Path("run")))
    names = {category["id"]: category["name"] for category in after["categories"]}
    for old, new in zip(before["annotations"], after["annotations"], strict=True):
        assert {**new, "category_id": 1} == old
        assert names[new["category_id"]] == clusters.get(str(old["id"]), UNASSIGNED)
    assert len(COCO("run/export/same/notes.json").getAnnIds(catIds=[1])) == sum(
        name == "cluster_0" for name in clusters.values()
    )


def categories_by_source(run: Run) -> dict[str, str]:
    """Say which cluster each object is in, from the list of patches and their ids."""
    index, store = open_results(run)
    return {
        str(store.patch(row).region.source_id): f"cluster_{index.clusters[row]}"
        for row in np.flatnonzero(store.foreground)
    }


@pytest.mark.slow
def test_the_masks_of_segment_anything_come_back_as_coco(toy_city: Path) -> None:
    scenes = photos(toy_city, Path("data"))
    write_sam(Path("data"), scenes)
    assert objdisc("discover", "data", *SETTINGS, "--overlays", "0", "--output-dir", "run") == 0
    assert objdisc("export", "run", "--format", "same") == 0
    found = COCO("run/export/same/instances.json")
    assert len(found.imgs) == 12
    assert len(found.anns) == sum(len(scene.masks) for scene in scenes)
    for scene, image in zip(scenes, found.dataset["images"], strict=True):
        assert image["file_name"] == scene.path.name
        for mask, annotation in zip(scene.masks, found.loadAnns(found.getAnnIds(imgIds=[image["id"]])), strict=True):
            np.testing.assert_array_equal(found.annToMask(annotation).astype(bool), mask)
            assert annotation["predicted_iou"] == 0.95


@pytest.mark.slow
def test_classes_of_a_detector_are_agreed_with_not_true(toy_city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = photos(toy_city, Path("data"))
    write_coco(Path("data/notes.json"), scenes)
    whole: dict[str, Any] = json.loads(Path("data/notes.json").read_text(encoding="utf-8"))
    for annotation in whole["annotations"]:
        annotation["score"] = 0.75
    Path("data/notes.json").write_text(json.dumps(whole), encoding="utf-8")
    assert objdisc("discover", "data", *SETTINGS, "--overlays", "0", "--output-dir", "run") == 0
    out = capsys.readouterr().out
    assert "Agreement with the detector" in out
    assert "accuracy" not in out
    assert numbers_of(Run(Path("run")))["labels_from"] == "detector"
    assert "Agreement, each cluster read as" in Path("run/report.html").read_text(encoding="utf-8")


def test_annotations_elsewhere_are_named_and_come_before_instance_maps(
    toy_city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city = beside(toy_city, Path("city"), "sam-json")
    shutil.move(city / "sam", "elsewhere")
    more = ["--annotations", "elsewhere", "--overlays", "0", "--output-dir", "run"]
    assert objdisc("train", city, *SETTINGS, *more) == 0
    assert "objectness: sam_json" in capsys.readouterr().err
    assert objdisc("train", city, *SETTINGS, "--annotations", city / "gtFine", "--output-dir", "other") == 2
    assert "no annotations of a known format" in capsys.readouterr().err


def test_strict_stops_at_a_bad_object(toy_city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = photos(toy_city, Path("data"))
    write_coco(Path("data/notes.json"), scenes[1:])
    assert objdisc("train", "data", *SETTINGS, "--strict", "--output-dir", "run") == 2
    assert "images without annotations" in capsys.readouterr().err
    assert not Path("run").exists()
    assert objdisc("train", "data", *SETTINGS, "--output-dir", "run") == 0
    assert "once: images without annotations (left out)" in capsys.readouterr().err


def test_annotations_of_other_images_are_refused_by_name(toy_city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = photos(toy_city, Path("others"))
    write_coco(Path("notes.json"), scenes)
    for scene in scenes:
        scene.path.rename(scene.path.with_stem(f"other {scene.path.stem}"))
    assert main(["train", "others", *SETTINGS, "--annotations", "notes.json", "--output-dir", "run"]) == 2
    assert "names no image of others" in capsys.readouterr().err
