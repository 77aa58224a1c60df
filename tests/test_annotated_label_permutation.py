"""Classes in annotation files reach no weight and no map: exchange them, and only the tables change."""

from dataclasses import replace
from pathlib import Path

import pytest

from objdisc.io.run import Run

from .support import annotated
from .support.annotated import photos
from .support.discoveries import SETTINGS, numbers_of, objdisc, pictures_of, weights_of


@pytest.mark.slow
@pytest.mark.parametrize("name", annotated.FORMATS)
def test_exchanging_the_classes_of_annotations_changes_no_weight_and_no_map(
    toy_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = []
    for place, shift in (("before", 0), ("after", 3)):
        scenes = photos(toy_city, Path(place) / "photos")
        numbers = [[24 + (label - 24 + shift) % 10 for label in scene.labels] for scene in scenes]
        exchanged = [replace(scene, labels=labels) for scene, labels in zip(scenes, numbers, strict=True)]
        annotated.FORMATS[name](Path(place) / "photos", exchanged)
        more = ["--objectness", name, "--overlays", "0", "--output-dir", f"run_{place}"]
        assert objdisc("discover", Path(place) / "photos", *SETTINGS, *more) == 0
        runs.append(Run(Path(f"run_{place}")))
    one, other = runs
    assert weights_of(one.path) == weights_of(other.path)
    assert pictures_of(one.cluster_ids) == pictures_of(other.cluster_ids)
    counts = [numbers_of(run)["counts"] for run in runs]
    assert counts[0] != counts[1], "nothing was exchanged"
    assert numbers_of(one)["labels_from"] == ("annotations" if name in {"coco", "labelme", "yolo"} else "detector")
