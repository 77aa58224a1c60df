"""``run.json``: what it says, and what is not taken for one."""

import json
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import objdisc
from objdisc.errors import UsageError
from objdisc.io.marks import FILE, Mark


def test_a_mark_says_what_when_where_and_with_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/objdisc", "segment", "run", "größe"])
    monkeypatch.chdir(tmp_path)
    Mark.now("segment", data=Path("größe"), subject="val", run=Path("run"), weights="abc").write(tmp_path)
    values = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    assert values["format"] == 1
    assert values["command"] == "segment"
    assert values["argv"] == ["objdisc", "segment", "run", "größe"]
    assert (values["data"], values["run"]) == (str(tmp_path / "größe"), str(tmp_path / "run"))
    assert (values["subject"], values["weights"]) == ("val", "abc")
    assert values["host"] == socket.gethostname()
    assert datetime.fromisoformat(values["date"]).tzinfo is not None
    assert values["versions"]["objdisc"] == objdisc.__version__
    assert values["versions"]["numpy"] == np.__version__
    assert values["versions"]["torch"]
    read = Mark.read(tmp_path)
    assert read is not None
    assert (read.command, read.argv, read.data) == ("segment", tuple(values["argv"]), values["data"])


def test_the_commit_is_that_of_the_checkout_of_the_package() -> None:
    root = Path(objdisc.__file__).parents[1]
    asked = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], check=False, capture_output=True, text=True)
    expected = asked.stdout.strip() if asked.returncode == 0 else None
    commit = Mark.now("train").commit
    assert (None if commit is None else commit.removesuffix("-dirty")) == expected


def test_a_folder_without_a_mark(tmp_path: Path) -> None:
    assert Mark.read(tmp_path) is None
    assert Mark.read(tmp_path / "missing") is None


OTHERS = ['{"format": 1}', '{"command": "train"}', "{}", "half", "[]", "[" * 10**5]
OTHERS += ['{"format": 1, "command": "train", "argv": 5}', '{"format": 1, "command": "train", "data": 5}']


@pytest.mark.parametrize("text", OTHERS, ids=range(len(OTHERS)))
def test_a_run_json_of_another_program_is_no_mark(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=r"run\.json: "):
        Mark.read(tmp_path)


def test_a_mark_of_a_later_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 2, "command": "train"}')
    with pytest.raises(UsageError, match="format 2, this objdisc reads up to 1"):
        Mark.read(tmp_path)


def test_keys_of_later_additions_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 1, "command": "train", "weather": "fine"}')
    assert Mark.read(tmp_path) == Mark("train")
