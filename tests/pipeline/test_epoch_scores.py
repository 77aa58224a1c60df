"""Both curves of a method that learns its own clusters: in a table, in the metrics and in the report."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from objdisc.cli import main

from ..support.shades import QUICK, write_shades


def test_both_curves_are_in_the_files_and_labelled_in_the_report(tmp_path: Path) -> None:
    data, run = write_shades(tmp_path / "data", {"train": 12}), tmp_path / "run"
    assert main(["discover", str(data), *QUICK, "--epochs", "3", "--output-dir", str(run)]) == 0
    clusters = [np.load(run / "assignments" / f"epoch_{epoch:05}.npy") for epoch in (1, 2, 3)]
    with (run / "clusters.csv").open(encoding="utf-8") as file:
        classes = [Path(row["image"]).parent.name for row in csv.DictReader(file)]
    with (run / "epochs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["nmi_labels"]) for row in rows] == pytest.approx(
        [normalized_mutual_info_score(classes, found) for found in clusters]
    )
    assert rows[0]["nmi_previous"] == ""
    expected = [normalized_mutual_info_score(clusters[n], clusters[n + 1]) for n in (0, 1)]
    assert [float(row["nmi_previous"]) for row in rows[1:]] == pytest.approx(expected)
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["nmi_previous"] for line in log[1:]] == pytest.approx(expected)
    assert all("nmi_labels" not in line for line in log), "the training's log knows of no label"
    numbers = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert [epoch["epoch"] for epoch in numbers["epochs"]] == [1, 2, 3]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "clusters with those of the epoch before; no labels" in page
    assert "with the classes of the training images; computed after the training" in page
    assert "shares of the 8 clusters" in page


def test_an_epoch_that_never_ended_is_not_among_them(tmp_path: Path) -> None:
    data, run = write_shades(tmp_path / "data", {"train": 12}), tmp_path / "run"
    arguments = [str(data), *QUICK, "--epochs", "1"]
    assert main(["discover", *arguments, "--output-dir", str(run)]) == 0
    np.save(run / "assignments" / "epoch_00002.npy", np.zeros(36, np.int32))
    assert main(["discover", *arguments, "--resume", str(run)]) == 0
    numbers = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert [epoch["epoch"] for epoch in numbers["epochs"]] == [1]


def test_without_classes_there_is_the_curve_that_needs_none(tmp_path: Path) -> None:
    data, run = write_shades(tmp_path / "shades", {"": 12}), tmp_path / "run"
    assert main(["discover", str(data), *QUICK, "--epochs", "3", "--output-dir", str(run)]) == 0
    with (run / "epochs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(row["nmi_labels"] == "" for row in rows)
    assert 0 <= float(rows[2]["nmi_previous"]) <= 1
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "with the classes of the training images" not in page
