"""The main job end to end on a small toy city: what it writes, says, and never looks at."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from objdisc.cli import main
from objdisc.datasets import open_dataset
from objdisc.datasets.cityscapes import MOVING_CLASSES
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore
from objdisc.retrieval import Centers, Index

SMALL = [
    "--encoder",
    "nin",
    "--weights",
    "none",
    "--patches.size",
    "32",
    "--epochs",
    "1",
    "--batch-size",
    "32",
    "--workers",
    "0",
    "--device",
    "cpu",
]
SETTINGS = [*SMALL, "--num-clusters", "4"]
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


def objdisc(*argv: str | Path) -> int:
    return main([str(word) for word in argv])


@pytest.fixture(scope="module")
def finished(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "größe 1"
    assert objdisc("discover", toy_city, *SETTINGS, "--baseline", "--output-dir", folder) == 0
    return Run.open(folder)


def numbers_of(run: Run) -> dict[str, object]:
    found = json.loads(run.metrics.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def weights_of(folder: Path) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in load_file(folder / "weights.safetensors").items()}


def pictures_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


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


@pytest.fixture
def holiday(tmp_path: Path, toy_city: Path) -> Path:
    """Unlabelled images of two sizes: grey, alpha, spaces and non-ASCII letters, and a broken one."""
    folder = tmp_path / "hölidays 2024"
    (folder / "day one").mkdir(parents=True)
    images = sorted(toy_city.rglob("*_leftImg8bit.png"))[:4]
    Image.open(images[0]).save(folder / "straße 1.png")
    Image.open(images[1]).convert("L").save(folder / "day one" / "grey.jpg")
    Image.open(images[2]).convert("RGBA").resize((200, 150)).save(folder / "day one" / "alpha.png")
    (folder / "broken.png").write_bytes(images[3].read_bytes()[:500])
    return folder


def test_folder_without_labels_gets_everything_but_the_evaluation(
    holiday: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "run")
    assert objdisc("discover", holiday, *SMALL, "--num-clusters", "2", "--output-dir", run.path) == 0
    out, err = capsys.readouterr()
    numbers = numbers_of(run)
    assert "objectness: windows" in err
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


def test_segment_writes_the_maps_that_discover_wrote(finished: Run, toy_city: Path, tmp_path: Path) -> None:
    answer = Run(tmp_path / "answer")
    hardware: list[str | Path] = ["--workers", "0", "--device", "cpu", "--output-dir", answer.path]
    assert objdisc("segment", finished.path, toy_city, "--split", "val", "--no-unknown", *hardware) == 0
    assert pictures_of(answer.cluster_ids) == pictures_of(finished.cluster_ids)
    assert pictures_of(answer.label_ids) == pictures_of(finished.label_ids)


def test_segment_takes_a_folder_without_masks(finished: Run, holiday: Path, tmp_path: Path) -> None:
    answer = Run(tmp_path / "answer")
    shutil.copytree(finished.path, tmp_path / "moved", ignore=shutil.ignore_patterns("patches", "checkpoints"))
    arguments = ["--objectness", "windows", "--objectness.threshold", "0", "--objectness.keep", "5"]
    hardware: list[str | Path] = ["--workers", "0", "--device", "cpu", "--output-dir", answer.path]
    assert objdisc("segment", tmp_path / "moved", holiday, *arguments, *hardware) == 0
    with answer.clusters_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["sample"] for row in rows} == {"straße 1", "day one/grey", "day one/alpha"}
    ids = np.unique(np.array(Image.open(answer.cluster_ids / "straße 1_clusterIds.png")))
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
    assert centers.centers.shape == (4, 32)
    assert 0 < centers.threshold(0.5) < centers.threshold(0.99)
