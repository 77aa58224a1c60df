"""Runs that somebody else has made: what they name and link to decides nowhere where is written."""

import json
from pathlib import Path

import pytest

from objdisc.cli import main
from objdisc.frozen import open_answer
from objdisc.run import Run

from ..support.runs import error, state

NAMED = ["../../x", "/abs/x", "a/../../../x", "x\0y"]


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("file", ["index/index.json", "patches/val/manifest.json"])
@pytest.mark.parametrize("command", ["export", "retrieve"])
def test_a_run_of_somebody_else_writes_nowhere_else(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, file: str, command: str
) -> None:
    path = project / "run" / file
    sample = next(iter(open_answer(Run(project / "run"))[1].frames))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(json.dumps(sample), json.dumps(name)), encoding="utf-8")
    before = state(project.parent)
    more = ["--cluster", "0"] if command == "retrieve" else []
    assert main([command, "run", *more]) == 2
    assert "leads out of the folder" in error(capsys)
    assert state(project.parent) == before


@pytest.mark.parametrize("key", ["split", "train_split"])
def test_a_split_is_no_path(project: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
    config = project / "run/config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace(f"{key}: null", f"{key}: ../../x"), encoding="utf-8")
    assert main(["evaluate", "run"]) == 2
    assert "leads out of the folder" in error(capsys)


def test_parts_of_somebody_else_write_nowhere_else(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "run", "city", "--device", "cpu"]) == 0
    (part,) = (project / "run/segment/city/parts").glob("*.json")
    values = json.loads(part.read_text(encoding="utf-8"))
    values["images"][0]["sample"] = "../../../../x"
    part.write_text(json.dumps(values), encoding="utf-8")
    for drawn in part.parent.glob("*.drawn"):
        drawn.unlink()
    before = set(state(project.parent))
    assert main(["segment", "run", "city", "--device", "cpu"]) == 2
    assert "leads out of the folder" in error(capsys)
    assert set(state(project.parent)) == before


def test_nothing_is_written_through_links(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / "run/export").symlink_to(tmp_path / "elsewhere")
    (project / "run/segment").mkdir()
    (project / "run/segment/city").mkdir()
    (project / "run/segment/city/clusterIds").symlink_to(tmp_path / "elsewhere")
    assert main(["segment", "run", "city"]) == 2
    assert "a link that leads out of" in error(capsys)
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 2
    assert "a link that leads out of" in error(capsys)
    assert not list((tmp_path / "elsewhere").iterdir())
