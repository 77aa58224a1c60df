"""Annotations that are many, cover whole images, claim the same image twice, or end in the middle."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.io.run import Run
from objdisc.pipeline import costs
from objdisc.pipeline.loading import open_results

from ..support.annotated import ID_BASE, photos, read, write_coco, write_sam
from ..support.discoveries import SETTINGS, numbers_of, objdisc, weights_of


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and caches lie in the folder of the test."""
    monkeypatch.chdir(tmp_path)


def test_a_sample_is_trained_on_and_every_object_is_predicted(
    toy_city: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "MANY", 20)
    write_sam(Path("data"), photos(toy_city, Path("data")))
    more = ["--max-objects", "15", "--overlays", "0", "--output-dir", "run"]
    assert objdisc("discover", "data", *SETTINGS, *more) == 0
    said = capsys.readouterr().err
    run = Run(Path("run"))
    index, store = open_results(run)
    there = int(store.foreground.sum())
    assert there > 30
    assert re.search(r"\d+ objects: about 0\.\d GB on the disk, .*training on 15 of them \(--max-objects\)", said)
    assert said.index("GB on the disk") < said.index("training on 15 of")
    assert f"training on 15 of {there} objects (--max-objects); all get a prediction" in said
    assert len(index.probabilities) == len(store)
    assert numbers_of(run)["trained_objects"] == 15
    assert f"{there} object patches, 15 of them trained on" in run.report.read_text(encoding="utf-8")
    weights = weights_of(run.path)
    assert objdisc("discover", "--resume", "run") == 0
    assert weights_of(run.path) == weights


def test_two_files_that_claim_the_same_images_are_named(toy_city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = photos(toy_city, Path("data"))
    for name in ("first", "second"):
        write_coco(Path(f"notes/{name}.json"), scenes)
    more = ["--annotations", "notes", "--output-dir", "run"]
    assert objdisc("train", "data", *SETTINGS, *more, "--strict") == 2
    said = capsys.readouterr().err
    assert "12 times: images that another entry already names (the first entry is taken)" in said
    assert "(first.json and second.json); repair it, or leave out --strict" in said
    assert not Path("run").exists()


def test_a_file_that_ends_in_the_middle_is_named_or_counted(toy_city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = photos(toy_city, Path("data"))
    write_sam(Path("data"), scenes)
    broken = scenes[3].path.with_suffix(".json")
    broken.write_bytes(broken.read_bytes()[:-100])
    assert objdisc("inspect", "data", "--images-shown", "0") == 0
    assert "sam_json" in capsys.readouterr().out
    assert objdisc("train", "data", *SETTINGS, "--output-dir", "run", "--strict") == 2
    said = capsys.readouterr().err
    assert f"once: a file that cannot be read (left out); the first: {broken}" in said
    whole = Path("notes.json")
    write_coco(whole, scenes)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert objdisc("train", "data", *SETTINGS, "--annotations", whole, "--output-dir", "run") == 2
    assert "notes.json" in capsys.readouterr().err
    assert not Path("run").exists()


def stuff_and_things(city: Path, image: Path) -> list[NDArray[np.bool_]]:
    """Divide a whole image into masks: each object, and each connected rest of one class."""
    stem = image.name.removesuffix("_leftImg8bit.png")
    folder = city / "gtFine" / image.parent.parent.name / image.parent.name
    instances = read(folder / f"{stem}_gtFine_instanceIds.png")
    return [np.asarray(instances == number) for number in np.unique(instances)]


@pytest.mark.slow
def test_masks_that_cover_every_image_leave_no_background_and_no_foreground_head(
    toy_city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = [
        replace(scene, masks=masks, labels=[ID_BASE] * len(masks))
        for scene, image in zip(
            photos(toy_city, Path("data")),
            sorted((toy_city / "leftImg8bit/train").rglob("*_leftImg8bit.png")),
            strict=True,
        )
        for masks in [stuff_and_things(toy_city, image)]
    ]
    assert all(np.logical_or.reduce(scene.masks).all() for scene in scenes)
    write_sam(Path("data"), scenes)
    assert objdisc("discover", "data", *SETTINGS, "--overlays", "1", "--output-dir", "run") == 0
    said = capsys.readouterr()
    assert said.err.count("no image has background besides its objects: no foreground head is learned") == 1
    assert "Foreground or background" not in said.out
    run = Run(Path("run"))
    index, store = open_results(run)
    assert store.foreground.all()
    assert len(index.probabilities) == len(store)
    assert "foreground_accuracy" not in numbers_of(run)
    assert objdisc("segment", "run", "data", "--output-dir", "maps") == 0
    maps = sorted(Path("maps/clusterIds").rglob("*.png"))
    assert len(maps) == 12
