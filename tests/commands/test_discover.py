"""The main job end to end on a small toy city: what it writes, says, and never looks at."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from objdisc.datasets import open_dataset
from objdisc.datasets.cityscapes import MOVING_CLASSES
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore
from objdisc.retrieval import Centers, Index

from ..support.discoveries import SETTINGS, SMALL, numbers_of, objdisc, pictures_of, weights_of

REQUIRED = [
    "split",
    "num_patches",
    "num_clusters",
    "accuracy_majority",
    "accuracy_hungarian",
    "accuracy_balanced",
    "accuracy_floor",
    "nmi",
    "nmi_geometric",
    "ari",
    "foreground_accuracy",
    "counts",
    "baseline",
    "seconds",
    "training_seconds",
    "seed",
]


def test_metrics_hold_what_others_read(finished: Run) -> None:
    numbers = numbers_of(finished)
    assert [key for key in REQUIRED if key not in numbers] == []
    assert numbers["split"] == "val"
    assert (numbers["seed"], numbers["num_clusters"], numbers["supervision"]) == (0, 4, "none")
    baseline = numbers["baseline"]
    assert isinstance(baseline, dict)
    missing = {key for key in REQUIRED if key not in baseline}
    assert missing <= {"split", "foreground_accuracy", "baseline", "seconds", "training_seconds", "seed"}


def test_counts_are_those_of_the_listed_patches(finished: Run, toy_city: Path) -> None:
    """The oracle reads class and instance straight from instanceIds, box by box."""
    expected: dict[str, list[int]] = {}
    names = dict(zip((24, 25, 26, 27, 28, 31, 32, 33), MOVING_CLASSES, strict=True))
    with finished.clusters_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        ids = np.array(Image.open(toy_city / f"gtFine/val/{row['sample']}_gtFine_instanceIds.png"))
        x, y, width, height = (int(row[key]) for key in ("x", "y", "width", "height"))
        inside = ids[y : y + height, x : x + width]
        sizes = {int(value): int((inside == value).sum()) for value in np.unique(inside) if value >= 1000}
        instance = next(value for value, size in sizes.items() if size == int(row["area"]))
        expected.setdefault(names[instance // 1000], [0] * 4)[int(row["cluster"])] += 1
    assert numbers_of(finished)["counts"] == expected
    assert len(rows) == numbers_of(finished)["num_patches"]


def test_label_maps_fill_the_objects_of_val_and_nothing_else(finished: Run, toy_city: Path) -> None:
    mapping = numbers_of(finished)["cluster_to_label"]
    assert isinstance(mapping, dict)
    images = sorted((toy_city / "leftImg8bit/val").rglob("*.png"))
    assert len(pictures_of(finished.label_ids)) == len(images) == 6
    for image in images:
        stem = image.name.removesuffix("_leftImg8bit.png")
        labels = np.array(Image.open(finished.label_ids / image.parent.name / f"{stem}_labelIds.png"))
        ids = np.array(Image.open(toy_city / f"gtFine/val/{image.parent.name}/{stem}_gtFine_instanceIds.png"))
        large = [value for value in np.unique(ids[ids >= 1000]) if (ids == value).sum() >= 400]
        assert labels.dtype == np.uint8
        assert labels.shape == ids.shape
        assert set(np.unique(labels[labels > 0])) <= set(mapping.values())
        np.testing.assert_array_equal(labels > 0, np.isin(ids, large))


def test_pictures_and_lists_are_there(finished: Run) -> None:
    assert len(list(finished.overlays.rglob("*.jpg"))) == 6
    assert len(pictures_of(finished.color)) == len(pictures_of(finished.cluster_ids)) == 6
    assert len(list(finished.retrieval.iterdir())) == 4
    assert finished.report.is_file()
    assert finished.cluster_counts_csv.is_file()
    assert finished.cluster_counts_json.is_file()


def test_official_evaluator_agrees(finished: Run) -> None:
    numbers = numbers_of(finished)
    ours, official = numbers["segmentation"], numbers["official"]
    assert isinstance(ours, dict)
    assert isinstance(official, dict)
    assert ours["mean_iou"] == pytest.approx(official["mean_iou"], abs=1e-12)


def test_saved_config_gives_the_same_run_again(finished: Run, tmp_path: Path) -> None:
    assert objdisc("discover", "--config", finished.config, "--no-baseline", "--output-dir", tmp_path / "again") == 0
    assert weights_of(tmp_path / "again") == weights_of(finished.path)
    assert pictures_of(tmp_path / "again/labelIds") == pictures_of(finished.label_ids)


def test_train_gives_the_weights_of_discover(finished: Run, toy_city: Path, tmp_path: Path) -> None:
    assert objdisc("train", toy_city, *SETTINGS, "--output-dir", tmp_path / "run") == 0
    assert weights_of(tmp_path / "run") == weights_of(finished.path)
    assert not (tmp_path / "run/overlays").exists()


def test_resuming_a_finished_run_changes_no_weight(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    assert objdisc("discover", "--resume", tmp_path / "run", "--no-baseline") == 0
    assert weights_of(tmp_path / "run") == weights_of(finished.path)
    assert "resume: null" in (tmp_path / "run/config.yaml").read_text(encoding="utf-8")


def test_time_before_an_interruption_counts(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    assert objdisc("discover", "--resume", tmp_path / "run", "--no-baseline") == 0
    first, again = (json.loads((folder / "metrics.json").read_bytes()) for folder in (finished.path, tmp_path / "run"))
    assert again["training_seconds"] >= first["training_seconds"] - 1.0  # of the checkpoint, before the last writing
    assert again["seconds"] > again["training_seconds"]
    assert again["seconds"] > first["seconds"] - 1.0  # all of it, not the training alone
    assert again["cpu_seconds"] > first["cpu_seconds"] > 0
    assert again["provenance"]["device"] == "cpu"


def permute_classes(source: Path, target: Path) -> None:
    """Copy a Cityscapes set with the ids of the moving classes exchanged in a circle."""
    shutil.copytree(source, target)
    old = np.array([24, 25, 26, 27, 28, 31, 32, 33])
    table = np.arange(34, dtype=np.uint16)
    table[old] = np.roll(old, 3)
    for path in target.rglob("*_labelIds.png"):
        cv2.imwrite(str(path), table[cv2.imread(str(path), cv2.IMREAD_UNCHANGED)].astype(np.uint8))
    for path in target.rglob("*_instanceIds.png"):
        ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert ids is not None
        permuted = np.where(ids >= 1000, table[ids // 1000 % 34] * 1000 + ids % 1000, table[ids % 34])
        cv2.imwrite(str(path), permuted.astype(np.uint16))


def test_class_labels_reach_no_weight_and_no_map(finished: Run, toy_city: Path, tmp_path: Path) -> None:
    permute_classes(toy_city, tmp_path / "city")
    assert objdisc("discover", tmp_path / "city", *SETTINGS, "--output-dir", tmp_path / "run") == 0
    permuted = Run(tmp_path / "run")
    assert weights_of(permuted.path) == weights_of(finished.path)
    assert pictures_of(permuted.cluster_ids) == pictures_of(finished.cluster_ids)
    assert numbers_of(permuted)["counts"] != numbers_of(finished)["counts"]
    assert numbers_of(permuted)["nmi"] == pytest.approx(numbers_of(finished)["nmi"], abs=1e-12)


def test_the_table_goes_to_stdout_and_the_rest_to_stderr(
    toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert objdisc("discover", toy_city, *SETTINGS, "--split", "train", "--output-dir", tmp_path) == 0
    out, err = capsys.readouterr()
    assert "Split train (the split it was trained on)" in out
    assert "accuracy floor (largest class)" in out
    assert f"numbers: {tmp_path / 'metrics.json'}" in out
    assert "objectness: instances" in err
    assert "trained and scored on the same split, train" in err


def test_patches_of_both_splits_stay_in_the_run(finished: Run, toy_city: Path) -> None:
    for split, frames in (("train", 12), ("val", 6)):
        assert len(PatchStore.open(finished.patches / split).frames) == frames
        assert len(open_dataset(toy_city, split).samples) == frames


@pytest.mark.real_data
@pytest.mark.slow
def test_camvid_end_to_end(tmp_path: Path) -> None:
    camvid = Path(__file__).parents[2] / "data/camvid"
    if not camvid.is_dir():
        pytest.skip("data/camvid is not there; see data/README.md")
    assert objdisc("discover", camvid, *SMALL, "--num-clusters", "3", "--output-dir", tmp_path) == 0
    counts = numbers_of(Run(tmp_path))["counts"]
    assert isinstance(counts, dict)
    assert {name: sum(row) for name, row in counts.items()} == {"person": 101, "rider": 187, "car": 103}


def test_the_index_holds_the_listed_patches(finished: Run) -> None:
    index, store = Index.open(finished), PatchStore.open(finished.patches / "val")
    assert (index.split, index.store_key, len(index)) == ("val", store.key, len(store))
    with finished.clusters_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    objects = np.flatnonzero(index.foreground)
    assert index.clusters[objects].tolist() == [int(row["cluster"]) for row in rows]
    assert [f"{value:.4f}" for value in index.confidence[objects]] == [row["confidence"] for row in rows]
    assert {str(path) for path in index.image_paths.values()} == {row["image"] for row in rows}


def test_the_centers_are_those_of_the_training_split(finished: Run) -> None:
    centers, store = Centers.read(finished.centers), PatchStore.open(finished.patches / "train")
    assert centers is not None
    assert len(centers.distances) == store.foreground.sum()
    assert centers.centers.shape == (4, 128)
    assert 0 < centers.threshold(0.5) < centers.threshold(0.99)
