"""The export command on a finished run: what it writes, what it says, and what it refuses, each in one line."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from objdisc.cli import main
from objdisc.io.claims import LOCK
from objdisc.io.run import Run
from objdisc.naming.categories import run_identity
from objdisc.patches.store import PatchStore

SMALL = "--encoder nin --weights none --patches.size 32 --epochs 0 --workers 0 --device cpu --precision fp32"


def objdisc(*argv: str | Path) -> int:
    return main([str(word) for word in argv])


@pytest.fixture(scope="module")
def city(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the toy city, to be moved about."""
    return Path(shutil.copytree(toy_city, tmp_path_factory.mktemp("data") / "my city"))


@pytest.fixture(scope="module")
def run(city: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "größe 1"
    assert objdisc("discover", city, *SMALL.split(), "--num-clusters", "4", "--output-dir", folder) == 0
    return Run.open(folder)


@pytest.fixture
def copied(run: Run, tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(run.path, tmp_path / "run", ignore=shutil.ignore_patterns("export"))))


def store_of(run: Run) -> PatchStore:
    return PatchStore.open(run.patches / "val")


def names_file(path: Path, of: Run, *names: str, **more: Any) -> Path:
    clusters = [
        {"cluster": number, "name": name, "color": f"#0000{number:02x}", "merged_into": None, "rejected": not name}
        for number, name in enumerate(names)
    ]
    head = {"format": "objdisc-names", "version": 1, "run": run_identity(of, store_of(of)), "num_clusters": 4}
    path.write_text(json.dumps(head | {"clusters": clusters, "moved": []} | more), encoding="utf-8")
    return path


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith("objdisc: error: ")]
    assert len(errors) == 1
    assert "Traceback" not in "".join(lines)
    return errors[0]


def results_in(folder: Path) -> set[str]:
    """List what there is beside the mark."""
    return {path.name for path in folder.iterdir()} - {"run.json", LOCK}


def test_without_a_word_it_writes_all_that_needs_no_extra(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert objdisc("export", run.path) == 0
    said = capsys.readouterr().out
    folder = run.path / "export"
    assert results_in(folder) == {"coco", "cityscapes", "png", "objects.csv"}
    for name in ("coco", "cityscapes", "png", "csv"):
        assert f"{name}: {folder}" in said
    objects = int(store_of(run).foreground.sum())
    assert f"{objects} objects, 6 images, 4 categories" in said
    assert len(COCO(str(folder / "coco/instances.json")).anns) == objects


def test_masks_are_scored_where_there_is_ground_truth(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert objdisc("export", run.path, "--format", "coco", "--output-dir", tmp_path / "out") == 0
    said = capsys.readouterr().out
    score = json.loads((tmp_path / "out/coco/class_agnostic.json").read_text(encoding="utf-8"))
    assert score["num_detections"] == int(store_of(run).foreground.sum())
    assert score["recall_50"] == pytest.approx(score["num_detections"] / score["num_objects"])
    assert score["masks_are_ground_truth"] is True
    assert f"AP {score['ap']:.3f}" in said
    assert "the masks are the ground truth's own" in said
    assert results_in(tmp_path / "out") == {"coco"}


def test_names_merges_rejections_and_moves_reach_every_format(run: Run, tmp_path: Path) -> None:
    store = store_of(run)
    moved, rejected = np.flatnonzero(store.foreground)[:2].tolist()
    moves = [{"patch": moved, "cluster": 0}, {"patch": rejected, "cluster": -1}]
    names = names_file(tmp_path / "names.json", run, "Auto <b>", "person", "Auto <b>", "", moved=moves)
    assert objdisc("export", run.path, "--names", names, "--output-dir", tmp_path / "out") == 0
    coco = COCO(str(tmp_path / "out/coco/instances.json"))
    assert [(c["id"], c["name"], c["clusters"]) for c in coco.cats.values()] == [
        (1, "Auto <b>", [0, 2]),
        (2, "person", [1]),
    ]
    category_of = {annotation["patch"]: annotation["category_id"] for annotation in coco.anns.values()}
    clusters = np.load(run.index / "clusters.npy")
    expected = {
        int(row): {0: 1, 1: 2, 2: 1}[int(clusters[row])]
        for row in np.flatnonzero(store.foreground & (clusters != 3))
        if row not in (moved, rejected)
    }
    assert category_of == expected | {moved: 1}
    with (tmp_path / "out/objects.csv").open(encoding="utf-8", newline="") as file:
        assert {int(line["patch"]): int(line["category_id"]) for line in csv.DictReader(file)} == category_of
    drawn = {
        int(value) for path in (tmp_path / "out/png").rglob("*.png") for value in np.unique(np.array(Image.open(path)))
    }
    assert drawn - {0} == set(category_of.values())


def test_cityscapes_says_which_class_and_why(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = names_file(tmp_path / "names.json", run, "Car", "thing", "", "")
    assert (
        objdisc("export", run.path, "--names", names, "--format", "cityscapes", "--output-dir", tmp_path / "out") == 0
    )
    said = capsys.readouterr().out
    assert "  Car: 26 car, by its name" in said
    matched = json.loads(run.metrics.read_text(encoding="utf-8"))["cluster_to_label"].get("1")
    assert f"  thing: {matched} " in said if matched else "  thing: left out, no class" in said


def test_a_run_that_was_never_scored_has_no_classes(copied: Run, capsys: pytest.CaptureFixture[str]) -> None:
    copied.metrics.unlink()
    assert objdisc("export", copied.path) == 0
    said = capsys.readouterr()
    assert "cityscapes left out: no category has the name of a Cityscapes class" in said.err
    assert not (copied.path / "export/cityscapes").exists()
    assert objdisc("export", copied.path, "--format", "cityscapes") == 2
    assert "name clusters car, person" in error_line(capsys)


def test_classes_of_another_data_set_are_no_cityscapes_classes(copied: Run, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = json.loads(copied.metrics.read_text(encoding="utf-8"))
    numbers["cluster_names"] = dict.fromkeys(numbers["cluster_names"], "tree")
    copied.metrics.write_text(json.dumps(numbers), encoding="utf-8")
    assert objdisc("export", copied.path, "--format", "cityscapes") == 2
    assert "not evaluated on Cityscapes classes" in error_line(capsys)


def test_moved_images_are_named_and_every_format_is_written_all_the_same(
    run: Run, city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = city.rename(tmp_path / "moved")
    try:
        assert objdisc("export", run.path, "--output-dir", tmp_path / "out") == 0
        said = capsys.readouterr()
        assert "6 of 6 images no longer exist: " in said.err
        first = min(store_of(run).frames)
        assert f"{city}/leftImg8bit/val/{first}_leftImg8bit.png" in said.err
        assert "class" not in said.out.partition("coco")[2].partition("cityscapes")[0]
        assert not (tmp_path / "out/coco/class_agnostic.json").exists()
        coco = COCO(str(tmp_path / "out/coco/instances.json"))
        assert all((elsewhere / image["file_name"]).is_file() for image in coco.imgs.values())
        assert len(list((tmp_path / "out/png/maps").rglob("*.png"))) == 6
        assert (tmp_path / "out/objects.csv").is_file()

        assert objdisc("export", run.path, elsewhere, "--format", "coco", "--output-dir", tmp_path / "out") == 0
        assert "not there" not in capsys.readouterr().err
        assert (tmp_path / "out/coco/class_agnostic.json").is_file()
    finally:
        elsewhere.rename(city)


def test_some_missing_images_are_counted(run: Run, city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = sorted((city / "leftImg8bit/val").rglob("*.png"))[1:5]
    for path in images:
        path.rename(path.with_suffix(".gone"))
    try:
        assert objdisc("export", run.path, "--format", "csv") == 0
        said = capsys.readouterr().err
        assert "4 of 6 images no longer exist: " in said
        assert all(str(path) in said for path in images[:3])
        assert str(images[3]) not in said
        assert ", ...;" in said
    finally:
        for path in images:
            path.with_suffix(".gone").rename(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": "0" * 32}, "belongs to another run"),
        ({"num_clusters": 9}, "names 9 clusters, but the run has 4"),
        ({"clusters": [{"cluster": 17, "name": "x"}]}, "there is no cluster 17"),
        ({"clusters": [{"cluster": 0, "name": ["x"]}]}, "expected text"),
        ({"moved": [{"patch": 10**9, "cluster": 0}]}, "there is no patch 1000000000"),
    ],
)
def test_wrong_names_are_one_clear_line(
    change: dict[str, Any], message: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = names_file(tmp_path / "names.json", run, **change)
    assert objdisc("export", run.path, "--names", names, "--output-dir", tmp_path / "out") == 2
    line = error_line(capsys)
    assert message in line
    assert str(names) in line
    assert not (tmp_path / "out").exists(), "nothing is written before names.json is checked"


def test_unknown_formats_and_flags(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert objdisc("export", run.path, "--format", "coco,tiff") == 2
    line = error_line(capsys)
    assert "format" in line
    assert "tiff" in line
    assert objdisc("export", run.path, "--formats", "coco") == 2
    assert "did you mean format?" in error_line(capsys)


def test_a_run_without_an_index_says_how_to_make_it(copied: Run, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copied.index)
    assert objdisc("export", copied.path) == 2
    assert "objdisc discover --resume" in error_line(capsys)


def test_an_index_of_other_weights_is_refused(copied: Run, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = copied.index / "index.json"
    manifest.write_text(
        json.dumps(json.loads(manifest.read_text(encoding="utf-8")) | {"weights": "other"}), encoding="utf-8"
    )
    assert objdisc("export", copied.path) == 2
    assert "computed from other weights or patches" in error_line(capsys)


def test_a_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert objdisc("export", tmp_path) == 2
    assert "not a run" in error_line(capsys)


def test_twice_the_same_bytes(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert objdisc("export", run.path, "--format", "csv,png,coco", "--output-dir", tmp_path / name) == 0
    first, second = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")} for n in "ab")
    del first[Path("run.json")], second[Path("run.json")]  # holds the time
    assert first == second


@pytest.mark.slow
def test_onnx_gives_the_runs_clusters(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra objdisc[onnx]")
    names = names_file(tmp_path / "names.json", run, "car", "person", "car", "")
    assert objdisc("export", run.path, "--format", "onnx", "--names", names, "--output-dir", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "onnxruntime gives the clusters that PyTorch gives in float32" in said
    assert "in another cluster" not in said
    session = onnxruntime.InferenceSession(str(tmp_path / "out/model.onnx"), providers=["CPUExecutionProvider"])
    about = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert about["run"] == run_identity(run, store_of(run))
    assert about["category_of_cluster"] == [1, 2, 1, -1]
    assert [category["name"] for category in about["categories"]] == ["car", "person"]
    probabilities = session.run(["probabilities"], {"patches": np.array(store_of(run).images)})[0]
    stored = np.load(run.index / "probabilities.npy")
    np.testing.assert_allclose(probabilities, stored, atol=1e-4)
    sure = np.sort(stored, axis=1)[:, -1] - np.sort(stored, axis=1)[:, -2] > 1e-4
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(probabilities.argmax(axis=1)[sure], stored.argmax(axis=1)[sure])
