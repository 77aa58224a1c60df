"""The command: a curve out of finished runs, in a table and a picture."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.cli import main


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of three shades in the layout root/split/class/*.png."""
    root = tmp_path_factory.mktemp("data") / "shades"
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 5)):
        for number, name in enumerate(("dark", "grey", "light")):
            (root / split / name).mkdir(parents=True)
            for image in range(count):
                pixels = np.clip(rng.normal(40 + 80 * number, 8, (24, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{image}.png")
    return root


def test_accuracy_over_clusters_and_labels_is_written(shades: Path, tmp_path: Path) -> None:
    common = [
        "--objectness",
        "whole",
        "--encoder",
        "vgg3x3",
        "--weights",
        "none",
        "--epochs",
        "1",
        "--batch-size",
        "16",
    ]
    common += ["--patches.size", "16", "--workers", "0", "--device", "cpu", "--split", "test", "--overlays", "0"]
    common += ["--method", "iic", "--method.overclusters", "8", "--background-share", "0", "--background", "keep"]
    for clusters in ("3", "6"):
        run = str(tmp_path / clusters)
        assert main(["train", str(shades), *common, "--num-clusters", clusters, "--output-dir", run]) == 0
    arguments = ["--also", str(tmp_path / "6"), "--shares", "1,0.5", "--device", "cpu", "--workers", "0"]
    assert main(["overclustering", str(tmp_path / "3"), *arguments]) == 0
    folder = tmp_path / "3" / "overclustering"
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
