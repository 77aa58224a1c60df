"""Commands that go on with a run say in one line what its folder is taken for, before they do anything."""

import json
import shutil
from pathlib import Path

import pytest

from objdisc.io.run import Run
from tests.support.discoveries import objdisc

COMMANDS = {
    "retrieve": ["--cluster", "LARGEST", "--overlays", "0", "--top", "2"],
    "export": ["--format", "csv"],
    "overclustering": ["--shares", "1.0", "--workers", "0", "--device", "cpu"],
    "probe": ["--no-random", "--features", "16", "--workers", "0", "--device", "cpu"],
    "finetune": ["--no-random", "--shares", "1.0", "--epochs", "0", "--workers", "0", "--device", "cpu"],
}


def flags_of(command: str, run: Run) -> list[str]:
    sizes = json.loads(run.metrics.read_text(encoding="utf-8"))["cluster_sizes"]
    return [str(sizes.index(max(sizes))) if flag == "LARGEST" else flag for flag in COMMANDS[command]]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_begins_with_what_the_folder_is_taken_for(
    command: str, finished: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert objdisc(command, finished.path, *flags_of(command, finished), "--output-dir", tmp_path / "out") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "Cityscapes layout" in line]
    assert len(lines) == 1
    assert f"{toy_city}: Cityscapes layout, " in lines[0]
    assert "objects by instances (instance masks of" in lines[0]
    assert "(34 classes, such as gtFine/val/" in lines[0]


def test_a_search_needs_no_folder(
    finished: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(toy_city / "leftImg8bit" / "val", folder / "leftImg8bit" / "val")
    search: list[str | Path] = [
        "retrieve",
        finished.path,
        folder,
        *flags_of("retrieve", finished),
        "--output-dir",
        tmp_path / "out",
    ]
    assert objdisc(*search) == 0
    assert "no labels" in capsys.readouterr().err
    shutil.rmtree(folder)
    assert objdisc(*search) == 0
    assert f"{folder}: no such folder" in capsys.readouterr().err
