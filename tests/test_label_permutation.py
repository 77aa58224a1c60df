"""The central promise: class labels reach no weight and no map. Exchange the classes, and only the tables change."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.cli import main
from objdisc.datasets.cityscapes import MOVING_CLASSES
from objdisc.io.run import Run

IDS = (24, 25, 26, 27, 28, 31, 32, 33)
EXCHANGED = (33, 26, 24, 32, 31, 27, 25, 28)  # each class takes another's id
SETTINGS = [
    *("--patches.size", "32", "--epochs", "3", "--batch-size", "32"),
    *("--workers", "0", "--device", "cpu", "--num-clusters", "5", "--baseline"),
]


def exchange_classes(city: Path) -> None:
    """Rewrite labelIds and instanceIds of a city; instance numbers and everything else stay."""
    table = np.arange(256)
    table[list(IDS)] = EXCHANGED
    for path in city.rglob("*_labelIds.png"):
        Image.fromarray(table[np.array(Image.open(path))].astype(np.uint8)).save(path)
    for path in city.rglob("*_instanceIds.png"):
        ids = np.array(Image.open(path)).astype(np.int64)
        exchanged = np.where(ids >= 1000, table[ids // 1000] * 1000 + ids % 1000, table[ids % 1000])
        Image.fromarray(exchanged.astype(np.uint16)).save(path)
    for path in city.rglob("*_polygons.json"):
        path.unlink()


def discovered(city: Path, run: Path, *more: str) -> Run:
    assert main(["discover", str(city), *SETTINGS, *more, "--output-dir", str(run)]) == 0
    return Run(run)


def maps_of(run: Run) -> dict[str, bytes]:
    return {str(path.relative_to(run.cluster_ids)): path.read_bytes() for path in run.cluster_ids.rglob("*.png")}


def patches_of(run: Run) -> list[dict[str, str]]:
    """List cluster, box and confidence of each patch; where its image lies is another place for each city."""
    with run.clusters_csv.open(encoding="utf-8", newline="") as file:
        return [{key: value for key, value in row.items() if key != "image"} for row in csv.DictReader(file)]


def counts_of(run: Run, *, baseline: bool = False) -> dict[str, list[int]]:
    metrics = json.loads(run.metrics.read_text(encoding="utf-8"))
    counts: dict[str, list[int]] = (metrics["baseline"] if baseline else metrics)["counts"]
    return counts


@pytest.mark.parametrize(
    "settings",
    [
        ["--objectness", "instances"],
        ["--objectness", "foreground", "--encoder", "nin", "--weights", "none", "--method.agreement_weight", "1"],
    ],
    ids=["instances, pretrained and frozen", "foreground, from scratch"],
)
@pytest.mark.slow
def test_exchanging_classes_changes_no_weight_and_no_map_but_the_names_in_the_table(
    toy_city: Path, tmp_path: Path, settings: list[str]
) -> None:
    exchanged = tmp_path / "exchanged"
    shutil.copytree(toy_city, exchanged)
    exchange_classes(exchanged)
    original, permuted = (
        discovered(city, tmp_path / name, *settings) for city, name in ((toy_city, "original"), (exchanged, "permuted"))
    )
    assert permuted.weights.read_bytes() == original.weights.read_bytes()
    baselines = [run.path / "baseline/weights.safetensors" for run in (original, permuted)]
    assert baselines[0].read_bytes() == baselines[1].read_bytes()
    assert len(maps_of(original)) == 6
    assert maps_of(permuted) == maps_of(original)
    assert patches_of(permuted) == patches_of(original)
    assert "nin" in settings or len({row["cluster"] for row in patches_of(original)}) > 2
    names = dict(zip(IDS, MOVING_CLASSES, strict=True))
    renamed = {names[old]: names[new] for old, new in zip(IDS, EXCHANGED, strict=True)}
    for baseline in (False, True):
        counts = counts_of(original, baseline=baseline)
        assert len(counts) >= 4
        assert counts_of(permuted, baseline=baseline) == {renamed[name]: row for name, row in counts.items()}


def test_the_exchange_is_one(toy_city: Path, tmp_path: Path) -> None:
    """The test above would pass for free if nothing was exchanged, or if the foreground moved with it."""
    exchanged = tmp_path / "exchanged"
    shutil.copytree(toy_city, exchanged)
    exchange_classes(exchanged)
    assert sorted(EXCHANGED) == sorted(IDS)
    assert all(old != new for old, new in zip(IDS, EXCHANGED, strict=True))
    for path in sorted(toy_city.rglob("*_labelIds.png")):
        old, new = (np.array(Image.open(root / path.relative_to(toy_city))) for root in (toy_city, exchanged))
        np.testing.assert_array_equal(old != new, np.isin(old, IDS))
        np.testing.assert_array_equal(np.isin(new, IDS), np.isin(old, IDS))
