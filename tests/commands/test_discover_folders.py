"""The main job on folders of images: without labels, with broken ones, and with classes as folders."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.io.run import Run

from ..support.discoveries import SETTINGS, SMALL, numbers_of, objdisc, pictures_of


def test_folder_without_labels_gets_everything_but_the_evaluation(
    holiday: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "run")
    quick = ["--scene-size", "64", "--scene.points", "2000", "--scene.overclusters", "12", "--num-clusters", "2"]
    assert objdisc("discover", holiday, *SMALL, *quick, "--output-dir", run.path) == 0
    out, err = capsys.readouterr()
    numbers = numbers_of(run)
    assert "objectness: tree" in err
    assert "broken.png" in err
    assert (numbers["num_images"], numbers["num_skipped"]) == (3, 1)
    assert "accuracy_majority" not in numbers
    assert not run.cluster_counts_csv.exists()
    assert not run.label_ids.exists()
    assert len(list(run.overlays.rglob("*.jpg"))) == len(pictures_of(run.cluster_ids)) == 3
    assert "numbers: " in out


def test_a_split_that_the_source_cannot_serve_is_found_before_the_training(
    toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(toy_city, tmp_path / "city")
    shutil.rmtree(tmp_path / "city/gtFine/val")
    assert objdisc("discover", tmp_path / "city", *SETTINGS, "--output-dir", tmp_path / "run") == 2
    assert "error: split 'val': " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_strict_stops_at_the_unreadable_image(
    holiday: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert objdisc("discover", holiday, *SMALL, "--strict", "--output-dir", tmp_path / "run") in {1, 2}
    assert "broken.png" in capsys.readouterr().err.splitlines()[-1]


def test_whole_images_of_class_folders_are_scored_without_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("cat", "dog", "ship"):
            (tmp_path / f"pets/{split}/{name}").mkdir(parents=True)
            for number in range(6):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / f"pets/{split}/{name}/{number}.png")
    monkeypatch.chdir(tmp_path)
    arguments = [*SMALL, "--foreground", "cat,dog", "--num-clusters", "2", "--split", "test"]
    assert objdisc("discover", "pets", *arguments) == 0
    run = Run(tmp_path / "runs/pets_kmeans_memory_k2_s0")
    numbers = numbers_of(run)
    assert numbers["num_patches"] == 12
    counts = numbers["counts"]
    assert isinstance(counts, dict)
    assert {name: sum(row) for name, row in counts.items()} == {"cat": 6, "dog": 6}
    assert not run.cluster_ids.exists()
