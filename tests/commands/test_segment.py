"""Segmenting other images with a finished run: its ids, its names, and what it does not know."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.cli import main
from objdisc.io.run import Run
from objdisc.naming.categories import run_identity
from objdisc.pipeline.loading import open_results
from objdisc.retrieval import Centers


def segment(*argv: str | Path) -> int:
    return main(["segment", *map(str, argv), "--workers", "0", "--device", "cpu"])


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_names(path: Path, run: Run, identity: str | None = None) -> Path:
    """Name cluster 0 and 1 alike, merge 2 into 0, and reject 3."""
    clusters = [
        {"cluster": 0, "name": "Fahrzeug", "color": "#102030", "merged_into": None, "rejected": False},
        {"cluster": 1, "name": "Mensch", "color": "#405060", "merged_into": None, "rejected": False},
        {"cluster": 2, "name": "", "color": "#708090", "merged_into": 0, "rejected": False},
        {"cluster": 3, "name": "Rest", "color": "#a0b0c0", "merged_into": None, "rejected": True},
    ]
    values = {
        "format": "objdisc-names",
        "version": 1,
        "run": identity or run_identity(run, open_results(run)[1]),
        "num_clusters": 4,
        "clusters": clusters,
        "moved": [],
    }
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def test_the_threshold_is_stated_and_held_to(
    small_run: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centers = Centers.read(small_run.centers)
    assert centers is not None
    threshold = float(np.quantile(centers.distances.astype(np.float64), 0.5))
    arguments: list[str | Path] = ["--split", "val", "--unknown-quantile", "0.5", "--output-dir", tmp_path]
    assert segment(small_run.path, toy_city, *arguments) == 0
    out = capsys.readouterr().out
    assert f"unknown: farther than {threshold:.4f} from every cluster centre" in out
    rows = read_rows(tmp_path / "clusters.csv")
    unknown = [row for row in rows if row["name"] == "unknown"]
    assert 0 < len(unknown) < len(rows)
    for row in rows:
        assert (float(row["distance"]) > threshold) == (row["cluster"] == "-2")
        assert row["cluster"] in {"-2", row["best_cluster"]}
    numbers = json.loads((tmp_path / "segment.json").read_text(encoding="utf-8"))
    assert numbers["unknown"] == len(unknown)
    assert numbers["unknown_threshold"] == pytest.approx(threshold)
    legend = {row["cluster"]: row for row in read_rows(tmp_path / "legend.csv")}
    assert float(legend["-2"]["distance_threshold"]) == pytest.approx(threshold)
    assert (legend["-2"]["value"], legend["-2"]["color"], legend["-1"]["value"]) == ("254", "#808080", "255")
    values = {
        int(value) for path in tmp_path.rglob("*_clusterIds.png") for value in np.unique(np.array(Image.open(path)))
    }
    assert 254 in values
    assert {str(value) for value in values} <= {row["value"] for row in legend.values()}


def test_a_run_of_an_earlier_version_knows_no_unknown_and_says_so(
    small_run: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left_out = shutil.ignore_patterns("centers.safetensors", "index", "patches", "checkpoints")
    shutil.copytree(small_run.path, tmp_path / "run", ignore=left_out)
    assert segment(tmp_path / "run", toy_city, "--split", "val", "--output-dir", tmp_path / "maps") == 0
    out, err = capsys.readouterr()
    assert err.count("has no training distances") == 1
    assert "unknown" not in out
    rows = read_rows(tmp_path / "maps/clusters.csv")
    assert {row["distance"] for row in rows} == {""}
    assert all(row["cluster"] == row["best_cluster"] for row in rows)


def test_ids_are_the_same_in_any_folder(small_run: Run, toy_city: Path, tmp_path: Path) -> None:
    known = {(row["sample"], row["x"], row["y"]): row["cluster"] for row in read_rows(small_run.clusters_csv)}
    part = tmp_path / "part"
    for kind in ("leftImg8bit", "gtFine"):
        for path in sorted((toy_city / kind / "val").rglob("*_00000[12]_*.png")):
            target = part / path.relative_to(toy_city)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    assert segment(small_run.path, part, "--no-unknown", "--output-dir", tmp_path / "maps") == 0
    rows = read_rows(tmp_path / "maps/clusters.csv")
    assert 0 < len(rows) < len(known)
    assert all(known[row["sample"], row["x"], row["y"]] == row["cluster"] for row in rows)


def test_names_change_pictures_and_lists_but_no_id(
    small_run: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: list[str | Path] = [small_run.path, toy_city, "--split", "val", "--no-unknown", "--output-dir"]
    assert segment(*arguments, tmp_path / "plain") == 0
    capsys.readouterr()
    names = write_names(tmp_path / "names.json", small_run)
    assert segment(*arguments, tmp_path / "named", "--names", names) == 0
    assert "Fahrzeug" in capsys.readouterr().out
    plain, named = (
        {path.name: path.read_bytes() for path in (tmp_path / folder / "clusterIds").rglob("*.png")}
        for folder in ("plain", "named")
    )
    assert plain == named
    legend = {row["cluster"]: (row["name"], row["color"]) for row in read_rows(tmp_path / "named/legend.csv")}
    assert legend["0"] == legend["2"] == ("Fahrzeug", "#102030")
    assert legend["1"] == ("Mensch", "#405060")
    assert legend["3"] == ("", "")
    called = {"0": "Fahrzeug", "1": "Mensch", "2": "Fahrzeug", "3": ""}
    assert all(row["name"] == called[row["cluster"]] for row in read_rows(tmp_path / "named/clusters.csv"))
    colours = {
        tuple(colour)
        for path in (tmp_path / "named/color").rglob("*.png")
        for colour in np.unique(np.array(Image.open(path)).reshape(-1, 3), axis=0).tolist()
    }
    assert colours <= {(0, 0, 0), (0x10, 0x20, 0x30), (0x40, 0x50, 0x60)}


def test_names_of_another_run_are_refused(
    small_run: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = write_names(tmp_path / "names.json", small_run, "0" * 32)
    assert segment(small_run.path, toy_city, "--names", names, "--output-dir", tmp_path / "maps") == 2
    assert "belongs to another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--unknown-quantile", "0"], "--unknown-quantile 0.0: give a share above 0, at most 1"),
        (["--unknown-quantile", "1.5"], "--unknown-quantile 1.5"),
        (["--batch-size", "0"], "--batch-size 1"),
        (["--names", "missing.json"], "missing.json: no such file"),
    ],
)
def test_settings_that_make_no_sense(
    small_run: Run, toy_city: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert segment(small_run.path, toy_city, *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_what_masks_tell_about_guessed_regions_is_learned_once(
    small_run: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(small_run.path, tmp_path / "run")
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in (toy_city / "leftImg8bit" / "val").rglob("*.png"):
        shutil.copyfile(path, bare / path.name.replace("_leftImg8bit", ""))
    assert segment(tmp_path / "run", bare, "--output-dir", tmp_path / "maps") == 0
    assert capsys.readouterr().err.count("learning once") == 1
    learned = json.loads((tmp_path / "maps/segment.json").read_text(encoding="utf-8"))["acceptance"]
    assert (learned["source"], learned["masks"], learned["images"]) == ("tree", "instances", 12)
    assert 0 < learned["on_objects"] < learned["regions"]
    assert segment(tmp_path / "run", bare, "--output-dir", tmp_path / "again") == 0
    assert "learning once" not in capsys.readouterr().err
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / folder / "clusterIds").glob("*.png")}
        for folder in ("maps", "again")
    )
    assert first == second
    assert len(first) == 6
