"""Runs that somebody else has made: what they name and link to decides nowhere where is written."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from objdisc.cli import main
from objdisc.io.run import Run
from objdisc.io.staging import STAGING
from objdisc.pipeline.loading import open_results

from ..support.runs import error, state

NAMED = ["../../x", "/abs/x", "a/../../../x", "x\0y"]


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("file", ["index/index.json", "patches/val/manifest.json"])
@pytest.mark.parametrize("command", ["export", "retrieve"])
def test_a_run_of_somebody_else_writes_nowhere_else(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, file: str, command: str
) -> None:
    path = project / "run" / file
    sample = next(iter(open_results(Run(project / "run"))[1].frames))
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


@pytest.mark.parametrize("command", ["segment", "evaluate", "export"])
def test_results_do_not_land_behind_a_link_of_the_run(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "city_val").mkdir(parents=True)
    (theirs / "city_val/report.html").write_text("mine", encoding="utf-8")
    (project / "run" / command).symlink_to(theirs)
    more = ["city"] if command == "segment" else []
    assert main([command, "run", *more]) == 2
    assert "lies behind a link that leads out of run" in error(capsys)
    assert list(state(theirs)) == ["city_val/report.html"]


def test_a_swap_that_somebody_else_has_laid_moves_nothing(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "precious.txt").write_text("mine", encoding="utf-8")
    staging = project / "run" / STAGING
    (staging / "link").mkdir(parents=True)
    (staging / "link/evil.txt").write_text("evil", encoding="utf-8")
    (project / "run/link").symlink_to(theirs)
    lists = {"new": ["link/evil.txt"], "outdated": ["link/precious.txt"]}
    (staging / ".objdisc-whole.json").write_text(json.dumps(lists), encoding="utf-8")
    commands = [["export", "run"], ["segment", "run", "city"], ["discover", "--resume", "run"], ["probe", "run"]]
    for command in commands:
        assert main(command) == 2
        assert "objdisc: error: " in error(capsys)
    assert list(state(theirs)) == ["precious.txt"]


@pytest.mark.parametrize("matching", [5, {"a": "b"}, {"0": None}])
def test_numbers_that_are_none_are_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], matching: object
) -> None:
    path = project / "run/metrics.json"
    values = json.loads(path.read_text(encoding="utf-8")) | {"cluster_to_label": matching}
    path.write_text(json.dumps(values), encoding="utf-8")
    assert main(["segment", "run", "city"]) == 2
    assert "metrics.json: damaged" in error(capsys)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = next((project / "city/leftImg8bit/val").rglob("*.png"))
    (project / "photos").mkdir()
    shutil.copy(image, project / "photos" / os.fsdecode(b"b\xff.png"))
    before = set(state(project / "run"))
    for command in (["segment", "run", "photos"], ["discover", "photos", "--output-dir", "new"]):
        assert main(command) == 2
        assert "the name is not UTF-8; rename it" in error(capsys)
    assert set(state(project / "run")) == before
    assert not (project / "new").exists()


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
