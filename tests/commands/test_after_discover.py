"""A finished run segments and evaluates: it repeats what discover wrote, and takes other images."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.io.run import Run

from ..support.discoveries import numbers_of, objdisc, pictures_of


def test_segment_writes_the_maps_that_discover_wrote(finished: Run, toy_city: Path, tmp_path: Path) -> None:
    new = Run(tmp_path / "new")
    hardware: list[str | Path] = ["--workers", "0", "--device", "cpu", "--output-dir", new.path]
    assert objdisc("segment", finished.path, toy_city, "--split", "val", "--no-unknown", *hardware) == 0
    assert pictures_of(new.cluster_ids) == pictures_of(finished.cluster_ids)
    assert pictures_of(new.label_ids) == pictures_of(finished.label_ids)


def test_segment_takes_a_folder_without_masks(finished: Run, holiday: Path, tmp_path: Path) -> None:
    new = Run(tmp_path / "new")
    shutil.copytree(finished.path, tmp_path / "moved", ignore=shutil.ignore_patterns("patches", "checkpoints"))
    arguments = ["--objectness", "windows", "--objectness.threshold", "0", "--objectness.keep", "5"]
    hardware: list[str | Path] = ["--workers", "0", "--device", "cpu", "--output-dir", new.path]
    assert objdisc("segment", tmp_path / "moved", holiday, *arguments, *hardware) == 0
    with new.clusters_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["sample"] for row in rows} == {"straße 1", "day one/grey", "day one/alpha"}
    ids = np.unique(np.array(Image.open(new.cluster_ids / "straße 1_clusterIds.png")))
    assert set(ids.tolist()) <= {0, 1, 2, 3, 254, 255}


def test_evaluate_repeats_the_numbers_of_discover(
    finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hardware: list[str | Path] = ["--workers", "0", "--device", "cpu", "--output-dir", tmp_path]
    assert objdisc("evaluate", finished.path, *hardware) == 0
    again, before = numbers_of(Run(tmp_path)), numbers_of(finished)
    same = ("split", "num_patches", "accuracy_majority", "nmi", "ari", "counts", "foreground_accuracy", "segmentation")
    assert {key: again[key] for key in same} == {key: before[key] for key in same}
    assert "accuracy, majority" in capsys.readouterr().out


def test_evaluate_needs_labels(
    finished: Run, holiday: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--objectness", "windows", "--objectness.threshold", "0", "--workers", "0", "--device", "cpu"]
    assert objdisc("evaluate", finished.path, holiday, *arguments, "--output-dir", tmp_path / "a") == 2
    assert "no class labels" in capsys.readouterr().err


def test_an_unfinished_run_is_refused(finished: Run, toy_city: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(finished.config.read_bytes())
    assert objdisc("segment", tmp_path, toy_city) == 2


def test_damaged_weights_are_refused(finished: Run, toy_city: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(finished.config.read_bytes())
    (tmp_path / "weights.safetensors").write_bytes(b"\x80\x04 a pickle is code")
    assert objdisc("segment", tmp_path, toy_city) == 2
