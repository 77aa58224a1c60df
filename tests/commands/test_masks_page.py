"""The way that docs/masks.md describes: photos and masks in, categories, names, and the same masks as COCO out."""

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from objdisc.io.run import Run
from objdisc.naming.categories import run_identity
from objdisc.pipeline.loading import open_results

from ..support.annotated import photos, write_coco, write_sam
from ..support.discoveries import SETTINGS, numbers_of, objdisc

DATUMARO = os.environ.get("DATUMARO_PYTHON", "")
"""A Python that has datumaro, in an environment of its own: it needs another OpenCV."""

READ_BY_DATUMARO = """
import datumaro
found = datumaro.Dataset.import_from("coco", "coco")
names = found.categories()[datumaro.AnnotationType.label]
print(len(found), *sorted({names[each.label].name for item in found for each in item.annotations}))
"""

NAMES = ("lorry", "bike", "", "")


def download_names(run: Run, path: Path) -> None:
    """Write ``names.json`` as the page of the run does: two clusters named, one joined to the first, one as it is."""
    index, store = open_results(run)
    clusters = [
        {"cluster": number, "name": name, "color": None, "merged_into": 0 if number == 2 else None, "rejected": False}
        for number, name in enumerate(NAMES)
    ]
    header = {"format": "objdisc-names", "version": 1, "run": run_identity(run, store)}
    whole = {**header, "num_clusters": index.probabilities.shape[1], "clusters": clusters, "moved": []}
    path.write_text(json.dumps(whole), encoding="utf-8")


@pytest.mark.slow
def test_masks_become_named_categories_of_a_coco_file(
    toy_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scenes = photos(toy_city, Path("photos"))
    write_sam(Path("masks"), scenes)
    assert objdisc("inspect", "photos", "--annotations", "masks", "--images-shown", "1") == 0
    told = "Segment Anything JSON, 12 files such as"
    said = capsys.readouterr().out
    assert f"objects   by sam_json: {told}" in said
    assert "in masks of 12 of 12 images" in said
    assert objdisc("discover", "photos", "--annotations", "masks", *SETTINGS, "--output-dir", "run") == 0
    said = capsys.readouterr().err
    assert f"objects by sam_json ({told}" in said
    assert said.count("objects to cut, at most") == 1
    run = Run(Path("run"))
    assert numbers_of(run)["objectness"] == {
        "source": "sam_json",
        "supervision": "masks of Segment Anything, which was trained with masks without classes",
    }
    download_names(run, Path("names.json"))
    assert objdisc("export", "run", "--names", "names.json", "--format", "same") == 0
    found = COCO("run/export/same/instances.json")
    index, store = open_results(run)
    sizes = np.bincount(index.clusters[store.foreground], minlength=4)
    names = Counter(found.cats[annotation["category_id"]]["name"] for annotation in found.anns.values())
    assert names["lorry"] == sizes[0] + sizes[2]
    assert names["bike"] == sizes[1]
    assert names["cluster_3"] == sizes[3]
    assert names.total() == sum(len(scene.masks) for scene in scenes)
    if DATUMARO:
        place = Path("coco/annotations")
        place.mkdir(parents=True)
        shutil.copy("run/export/same/instances.json", place / "instances_train.json")
        shutil.copytree("photos", "coco/images/train")
        told_by_it = subprocess.run([DATUMARO, "-c", READ_BY_DATUMARO], capture_output=True, text=True, check=True)
        assert told_by_it.stdout.split() == ["12", *sorted(names)]


def test_classes_in_the_files_are_told_as_such(
    toy_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_coco(Path("photos/notes.json"), photos(toy_city, Path("photos")))
    assert objdisc("inspect", "photos", "--images-shown", "0") == 0
    said = capsys.readouterr().out
    assert "classes, those of the annotations, for the scores alone" in said
