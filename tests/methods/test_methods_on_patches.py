"""Every method on patches of a street set through the one command: same store, stitching, table and report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from objdisc.cli import main
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore

SETTINGS = [
    *("--encoder", "resnet18_3x3:8,2", "--weights", "none", "--patches.size", "32", "--batch-size", "32"),
    *("--workers", "0", "--device", "cpu", "--num-clusters", "4", "--overlays", "2"),
]
METHODS = {
    "kmeans_memory": ["--epochs", "1"],
    "iic": ["--epochs", "2", "--method.overclusters", "8"],
    "scan": ["--epochs", "1", "--method.neighbors", "5"],
    "deepcluster": ["--epochs", "1", "--method.overclusters", "8", "--method.dimensions", "16"],
    "jule": ["--epochs", "1"],
    "classical": ["--method.algorithm", "gdl", "--method.space", "pixels"],
}


@pytest.fixture(scope="module")
def reference(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of another method, whose patches are those that all cut."""
    folder = tmp_path_factory.mktemp("reference")
    assert main(["discover", str(toy_city), *SETTINGS, "--method", "classical", "--output-dir", str(folder)]) == 0
    return Run.open(folder)


@pytest.mark.parametrize("method", METHODS)
def test_discover_maps_scores_and_reports(method: str, toy_city: Path, tmp_path: Path, reference: Run) -> None:
    arguments = [*SETTINGS, "--method", method, *METHODS[method], "--output-dir", str(tmp_path)]
    assert main(["discover", str(toy_city), *arguments]) == 0
    run = Run.open(tmp_path)
    numbers: dict[str, Any] = json.loads(run.metrics.read_text(encoding="utf-8"))
    assert (numbers["split"], numbers["train_split"], numbers["num_clusters"]) == ("val", "train", 4)
    assert sum(map(sum, numbers["counts"].values())) == numbers["num_patches"]
    for score in ("accuracy_hungarian", "nmi", "nmi_geometric"):
        assert 0 <= numbers[score] <= 1
    for split in ("train", "val"):
        assert PatchStore.open(run.patches / split).key == PatchStore.open(reference.patches / split).key
    # objects of val, and nothing else, are in the maps, each with one cluster
    assert sorted(path.name for path in run.cluster_ids.rglob("*.png")) == sorted(
        path.name for path in reference.cluster_ids.rglob("*.png")
    )
    for path in run.cluster_ids.rglob("*.png"):
        found = np.array(Image.open(path))
        other = np.array(Image.open(reference.cluster_ids / path.relative_to(run.cluster_ids)))
        np.testing.assert_array_equal(found == 255, other == 255)
        assert set(np.unique(found)) <= {0, 1, 2, 3, 255}
    assert {"mean_iou"} <= set(numbers["segmentation"])
    assert run.report.stat().st_size > 10_000
    assert len(list(run.overlays.rglob("*.jpg"))) == 2
