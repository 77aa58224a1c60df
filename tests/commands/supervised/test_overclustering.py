"""The command: a curve out of finished runs, in a table and a picture."""

import csv
from pathlib import Path

from objdisc.cli import main

from ...support.shades import QUICK, write_shades


def test_accuracy_over_clusters_and_labels_is_written(tmp_path: Path) -> None:
    data = write_shades(tmp_path / "shades", {"train": 12, "test": 5})
    common = [*QUICK, "--split", "test", "--method", "iic"]
    for clusters in ("3", "6"):
        run = str(tmp_path / clusters)
        assert main(["train", str(data), *common, "--num-clusters", clusters, "--output-dir", run]) == 0
    arguments = ["--also", str(tmp_path / "6"), "--shares", "1,0.5", "--device", "cpu", "--workers", "0"]
    assert main(["overclustering", str(tmp_path / "3"), *arguments]) == 0
    folder = tmp_path / "3_overclustering"
    with (folder / "overclustering.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["num_clusters"], row["labelled"]) for row in rows] == [
        ("3", "36"),
        ("3", "18"),
        ("6", "36"),
        ("6", "18"),
    ]
    assert all(0 <= float(row["accuracy"]) <= 1 for row in rows)
    assert "50 % of labels" in (folder / "overclustering.svg").read_text(encoding="utf-8")
