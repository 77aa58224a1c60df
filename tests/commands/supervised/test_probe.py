"""The command: a linear probe of each block beside that of random weights, in a table and a picture."""

import csv
from pathlib import Path

import pytest
from safetensors.torch import load_file

from objdisc.cli import main

from ...support.shades import train_on_shades

HARDWARE = ["--device", "cpu", "--workers", "0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_on_shades(tmp_path_factory.mktemp("probe"), {"train": 12, "test": 5})


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "probe.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_block_has_its_row_beside_that_of_random_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = load_file(run / "weights.safetensors")
    assert main(["probe", str(run), "--features", "300", *HARDWARE]) == 0
    rows = rows_of(run.with_name("run_probe"))
    assert [(row["block"], row["channels"], row["grid"]) for row in rows] == [
        ("1", "32", "3"),
        ("2", "64", "2"),
        ("3", "128", "1"),
        ("4", "256", "1"),
    ]
    assert all(row["labelled"] == "36" for row in rows)
    assert all(float(row["accuracy"]) == 1 for row in rows), "three shades lie apart in any block"
    assert all(0 <= float(row["accuracy_random"]) <= 1 for row in rows)
    assert "random weights" in (run.with_name("run_probe") / "probe.svg").read_text(encoding="utf-8")
    assert capsys.readouterr().out.count("block ") == 4
    after = load_file(run / "weights.safetensors")
    assert all(bool((value == after[name]).all()) for name, value in before.items()), "the run stays as it is"


def test_random_weights_may_be_left_out_and_few_labels_be_enough(run: Path, tmp_path: Path) -> None:
    arguments = ["--random", "false", "--share", "0.25", "--output-dir", str(tmp_path), *HARDWARE]
    assert main(["probe", str(run), *arguments]) == 0
    assert all(row["accuracy_random"] == "" and row["labelled"] == "9" for row in rows_of(tmp_path))


@pytest.mark.parametrize("encoder", ["nin", "resnet18_3x3:8", "segnet:8,M,16", "efficientnet_lite0", "resnet18"])
def test_any_network_with_blocks_can_be_probed(encoder: str, tmp_path: Path) -> None:
    run = train_on_shades(tmp_path, {"train": 4, "test": 2}, "--encoder", encoder, "--epochs", "0")
    assert main(["probe", str(run), "--features", "64", *HARDWARE]) == 0
    assert len(rows_of(run.with_name("run_probe"))) >= 2


def test_a_network_without_blocks_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train_on_shades(tmp_path, {"train": 4, "test": 2}, "--encoder", "googlenet", "--epochs", "0")
    assert main(["probe", str(run), *HARDWARE]) == 2
    assert "no blocks to look into" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--features", "0"], ["--decay", "-1"], ["--share", "2"]])
def test_settings_that_make_no_sense_are_refused(run: Path, wrong: list[str]) -> None:
    assert main(["probe", str(run), *wrong, *HARDWARE]) == 2


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    assert main(["probe", str(tmp_path)]) == 2
