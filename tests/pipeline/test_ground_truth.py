"""Damaged label maps: found before the training, left out of the scoring alone, and of no influence on the weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from objdisc.cli import main
from objdisc.datasets import open_dataset
from objdisc.errors import UsageError
from objdisc.evaluation.truth import damaged_labels
from objdisc.io.run import Run
from objdisc.pipeline.ground_truth import with_sound_labels
from tests.support.layouts import put

SETTINGS = [
    *("--patches.size", "32", "--epochs", "1", "--batch-size", "32", "--scene", "none"),
    *("--workers", "0", "--device", "cpu", "--num-clusters", "3", "--method", "kmeans_baseline"),
    *("--data.scale", "0.5", "--overlays", "0"),
]
COLORS = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)


@pytest.fixture
def damaged(toy_city: Path, tmp_path: Path) -> Path:
    """Copy the toy city, and damage a third of its label maps: colours, ids outside the format, files cut short."""
    city = tmp_path / "damaged"
    shutil.copytree(toy_city, city)
    for number, path in enumerate(sorted(city.rglob("*_labelIds.png"))):
        if number % 9 == 0:
            put(path, COLORS)
        elif number % 9 == 3:
            put(path, np.full((128, 256), 200, np.uint8))
        elif number % 9 == 6:
            path.write_bytes(path.read_bytes()[:60])
    return city


def test_damaged_maps_are_counted_and_their_images_stay(damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = open_dataset(damaged, "val")
    found = damaged_labels(dataset)
    assert len(found) == 2
    sound = with_sound_labels(dataset, strict=False)
    assert "2 of 6 label maps of split 'val' cannot be scored by and are left out of the scoring only" in caplog.text
    assert sound.samples == dataset.samples
    assert sound.unscored == found.keys()
    read = [sound.read_labels(sample) for sample in sound.samples]
    assert sum(labels is not None for labels in read) == 4
    with pytest.raises(UsageError, match=r"2 of 6 label maps .*; repair or remove them"):
        with_sound_labels(dataset, strict=True)
    for sample in dataset.samples:
        dataset.label_paths(sample)[0].write_bytes(b"")
    with pytest.raises(UsageError, match="6 of 6 label maps"):
        with_sound_labels(dataset, strict=False)


def test_a_sound_split_and_one_without_labels_stay_what_they_are(toy_city: Path, tmp_path: Path) -> None:
    dataset = open_dataset(toy_city, "val")
    assert with_sound_labels(dataset, strict=True) is dataset
    put(tmp_path / "a.png", COLORS)
    photos = open_dataset(tmp_path, "")
    assert with_sound_labels(photos, strict=True) is photos


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [["--objectness", "windows"], ["--objectness", "tree", "--objectness.most", "8", "--patches.min-area", "40"]],
    ids=["windows", "tree"],
)
def test_a_third_of_the_label_maps_damaged_trains_the_same_weights(
    toy_city: Path, damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: list[str]
) -> None:
    settings = [*SETTINGS, *source]
    runs = []
    for city in (toy_city, damaged):
        runs.append(Run(tmp_path / f"run of {city.name}"))
        assert main(["discover", str(city), *settings, "--output-dir", str(runs[-1].path)]) == 0
    assert runs[0].weights.read_bytes() == runs[1].weights.read_bytes()
    whole, part = (json.loads(run.metrics.read_text(encoding="utf-8")) for run in runs)
    assert part["num_images"] == whole["num_images"]
    assert part["num_skipped"] == 0
    assert part["segmentation"]["num_images"] == 4
    assert whole["segmentation"]["num_images"] == 6
    capsys.readouterr()
    assert main(["discover", str(damaged), *settings, "--strict", "--output-dir", str(tmp_path / "strict")]) == 2
    assert "2 of 6 label maps" in capsys.readouterr().err
    assert not (tmp_path / "strict").exists()
