"""A method that predicts each pixel, end to end on a toy city: maps at full size, scores, and no label in them."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file
from scipy.optimize import linear_sum_assignment

from objdisc.cli import main
from objdisc.io.run import Run
from objdisc.naming.categories import run_identity
from objdisc.pipeline.loading import open_results

GROUPS = {"flat": [7, 8], "built": [11], "sky": [23]}
CONFIG: dict[str, Any] = {
    "num_clusters": 3,
    "objectness": {"class_path": "grid", "init_args": {"side": 64, "stride": 48}},
    "method": {
        "class_path": "iic_dense",
        "init_args": {"overclusters": 5, "half_t": 1, "order": ["AB"], "resolution": "network", "collapsed": True},
    },
    "encoder": "segnet:S,8,M,8",
    "weights": "none",
    "epochs": 1,
    "batch_size": 16,
    "background": "keep",
    "background_share": 0.0,
    "equalization": 0,
    "patches": {"size": 32},
    "workers": 0,
    "device": "cpu",
    "overlays": 2,
}


def objdisc(*argv: str | Path) -> int:
    return main([str(word) for word in argv])


def write_config(path: Path, groups: dict[str, list[int]], **changes: Any) -> Path:
    path.write_text(yaml.safe_dump(CONFIG | {"data": {"classes": groups}} | changes), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("per pixel")
    config = write_config(folder / "config.yaml", GROUPS, baseline=True)
    assert objdisc("discover", toy_city, "--config", config, "--output-dir", folder / "run") == 0
    return Run.open(folder / "run")


def numbers_of(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.metrics.read_text(encoding="utf-8"))
    return found


def counted(folder: Path, toy_city: Path) -> NDArray[np.int64]:
    """Count pixels by group and cluster straight from the files, group by group."""
    table = np.zeros((len(GROUPS), 3), np.int64)
    maps = sorted(folder.rglob("*_clusterIds.png"))
    assert len(maps) == 6
    for path in maps:
        clusters = np.array(Image.open(path))
        name = path.name.replace("_clusterIds", "_gtFine_labelIds")
        truth = np.array(Image.open(toy_city / "gtFine/val" / path.parent.name / name))
        assert clusters.shape == truth.shape
        for row, ids in enumerate(GROUPS.values()):
            table[row] += np.bincount(clusters[np.isin(truth, ids)], minlength=3)
    return table


def test_scores_are_those_of_the_maps(finished: Run, toy_city: Path) -> None:
    table, numbers = counted(finished.cluster_ids, toy_city), numbers_of(finished)
    assert numbers["counts"] == dict(zip(GROUPS, table.tolist(), strict=True))
    rows, columns = linear_sum_assignment(-table)
    assert numbers["accuracy_hungarian"] == pytest.approx(table[rows, columns].sum() / table.sum())
    assert numbers["accuracy_majority"] == pytest.approx(table.max(axis=0).sum() / table.sum())
    assert numbers["accuracy_floor"] == pytest.approx(table.sum(axis=1).max() / table.sum())
    assert numbers["pixels"]["hungarian"]["pixel_accuracy"] == numbers["accuracy_hungarian"]
    assert set(numbers["pixels"]["transferred"]) == {"hungarian", "majority"}
    assert (numbers["split"], numbers["train_split"], numbers["matching"]) == ("val", "train", "hungarian")


def test_every_baseline_is_scored_alike(finished: Run) -> None:
    numbers = numbers_of(finished)
    assert list(numbers["baselines"]) == [
        "k-means on colour",
        "k-means on colour and position",
        "k-means on the encoder's features",
        "network that never learned",
    ]
    for found in numbers["baselines"].values():
        assert found["num_pixels"] == numbers["pixels"]["num_pixels"]
        assert 1 / 3 - 0.01 < found["hungarian"]["pixel_accuracy"] <= 1
    assert numbers["baseline"]["name"] == "k-means on colour"


def test_label_maps_read_clusters_as_groups(finished: Run) -> None:
    mapping = {int(cluster): label for cluster, label in numbers_of(finished)["cluster_to_label"].items()}
    for path in finished.cluster_ids.rglob("*.png"):
        clusters = np.array(Image.open(path))
        name = path.name.replace("_clusterIds", "_labelIds")
        labels = np.array(Image.open(finished.label_ids / path.parent.name / name))
        expected = np.array([mapping.get(cluster, 255) for cluster in range(3)])[clusters]
        np.testing.assert_array_equal(labels, expected)


def test_pictures_and_report_are_there(finished: Run) -> None:
    assert len(list(finished.overlays.rglob("*.jpg"))) == 2
    assert len(list(finished.color.rglob("*.png"))) == 6
    assert finished.report.stat().st_size > 10_000
    seams = numbers_of(finished)["seams"]
    assert 0 <= seams["across"] <= 1
    assert 0 <= seams["inside"] <= 1


def test_groups_reach_no_weight_and_no_map(finished: Run, toy_city: Path, tmp_path: Path) -> None:
    """The same valid pixels, grouped and named another way: training sees which pixels count, never as what."""
    config = write_config(tmp_path / "config.yaml", {"x": [23, 7], "y": [11], "z": [8]})
    assert objdisc("discover", toy_city, "--config", config, "--output-dir", tmp_path / "run") == 0
    first, second = (load_file(path / "weights.safetensors") for path in (finished.path, tmp_path / "run"))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    for path in finished.cluster_ids.rglob("*.png"):
        other = tmp_path / "run" / path.relative_to(finished.path)
        assert path.read_bytes() == other.read_bytes()
    assert numbers_of(Run(tmp_path / "run"))["counts"] != numbers_of(finished)["counts"]


def test_evaluate_gives_the_numbers_of_discover(finished: Run, tmp_path: Path) -> None:
    assert objdisc("evaluate", finished.path, "--output-dir", tmp_path, "--device", "cpu") == 0
    again, numbers = numbers_of(Run(tmp_path)), numbers_of(finished)
    assert again["counts"] == numbers["counts"]
    assert again["accuracy_hungarian"] == numbers["accuracy_hungarian"]


def test_segment_predicts_any_folder_and_skips_what_is_broken(
    finished: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    known = sorted((toy_city / "leftImg8bit/val").rglob("*.png"))[0]
    shutil.copy(known, folder / "a.png")
    cv2.imwrite(str(folder / "small.png"), np.zeros((40, 50, 3), np.uint8))
    (folder / "broken.png").write_bytes(b"no image")
    assert objdisc("segment", finished.path, folder, "--output-dir", tmp_path / "maps", "--device", "cpu") == 0
    maps = Run(tmp_path / "maps")
    stem = known.name.removesuffix("_leftImg8bit.png")
    same = np.array(Image.open(finished.cluster_ids / known.parent.name / f"{stem}_clusterIds.png"))
    np.testing.assert_array_equal(np.array(Image.open(maps.cluster_ids / "a_clusterIds.png")), same)
    assert np.array(Image.open(maps.cluster_ids / "small_clusterIds.png")).shape == (40, 50)
    assert not (maps.cluster_ids / "broken_clusterIds.png").exists()
    assert "2 images, 1 skipped" in capsys.readouterr().out
    arguments = ("segment", finished.path, folder, "--output-dir", tmp_path / "strict", "--strict", "--device", "cpu")
    assert objdisc(*arguments) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectness": "instances"}, "it needs crops, --objectness grid"),
        ({"channels": 4}, "images of 3 channels, but a network for 4; give --channels 3"),
        ({"encoder": "nin"}, "has no feature maps to predict pixels from"),
        ({"objectness": {"class_path": "grid", "init_args": {"side": 999}}}, "smaller than a crop of 999"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    config = write_config(tmp_path / "config.yaml", GROUPS, **changes)
    assert objdisc("discover", toy_city, "--config", config, "--output-dir", tmp_path / "run") == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_its_maps_are_exported_under_the_names_that_a_person_gave(finished: Run, tmp_path: Path) -> None:
    identity = run_identity(finished, open_results(finished)[1])
    names = tmp_path / "names.json"
    clusters = [{"cluster": 0, "name": "road"}, {"cluster": 1, "rejected": True}, {"cluster": 2, "name": "the sky"}]
    head = {"format": "objdisc-names", "version": 1, "run": identity, "num_clusters": 3}
    names.write_text(json.dumps(head | {"clusters": clusters, "moved": []}), encoding="utf-8")
    assert objdisc("export", finished.path, "--names", names, "--output-dir", tmp_path / "out") == 0
    legend = json.loads((tmp_path / "out/png/scene_categories.json").read_text(encoding="utf-8"))["categories"]
    assert [(each["id"], each["name"], each["clusters"]) for each in legend] == [(1, "road", [0]), (2, "the sky", [2])]
    maps = sorted(finished.cluster_ids.rglob("*_clusterIds.png"))
    for path in maps:
        found = np.array(Image.open(path))
        sample = path.relative_to(finished.cluster_ids).with_name(path.name.replace("_clusterIds", ""))
        exported = np.array(Image.open(tmp_path / "out/png/scene" / sample))
        np.testing.assert_array_equal(exported, np.array([1, 0, 2])[found])
        labels = np.array(Image.open(next((tmp_path / "out/cityscapes/labelIds").rglob(f"{sample.stem}*.png"))))
        np.testing.assert_array_equal(labels, np.array([7, 0, 0])[found])  # 7 is road; the sky is no class's name
    assert not (tmp_path / "out/coco").exists()


def test_objects_are_not_to_be_had_of_it(finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("coco", "csv", "same"):
        assert objdisc("export", finished.path, "--format", f"png,{name}", "--output-dir", tmp_path / "out") == 2
        assert f"--format {name}: {finished.path} predicts each pixel" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
