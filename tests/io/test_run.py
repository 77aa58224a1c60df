"""A run's files: where they lie, and what its log says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from objdisc.errors import UsageError
from objdisc.io.run import Run, read_metrics_log


def test_create_makes_the_folder_and_takes_one_that_is_there(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "runs" / "straße 1")
    (run.path / "notes.txt").write_text("mine")
    assert Run.create(run.path) == run
    assert (run.path / "notes.txt").read_text() == "mine"


KILLED = """
import os, sys
from pathlib import Path
from objdisc.io.files import atomic_write
with atomic_write(Path(sys.argv[1]) / "overlays" / "big.jpg", "wb") as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_create_removes_what_a_killed_process_left_but_nothing_that_a_living_one_writes(tmp_path: Path) -> None:
    def leftovers() -> list[Path]:
        return list(tmp_path.rglob("*.tmp"))

    def look_untouched() -> None:
        for path in leftovers():
            os.utime(path, (0, 0))

    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        look_untouched()
        Run.create(tmp_path)
        assert len(leftovers()) == 1, "its process lives"
        process.kill()
        process.wait()
    os.utime(leftovers()[0])
    Run.create(tmp_path)
    assert len(leftovers()) == 1, "touched a moment ago"
    look_untouched()
    Run.create(tmp_path)
    assert leftovers() == []


def test_create_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UsageError, match="--output-dir"):
            Run.create(path)


def test_open_wants_a_folder_with_a_config(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        Run.open(tmp_path / "missing")
    with pytest.raises(UsageError, match=r"no config\.yaml"):
        Run.open(tmp_path)
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    assert Run.open(tmp_path).weights == tmp_path / "weights.safetensors"


def test_all_files_have_names_of_their_own_inside_the_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    found = [getattr(run, name) for name, value in vars(Run).items() if isinstance(value, property)]
    paths = [path for path in found if isinstance(path, Path)]
    assert len(set(paths)) == len(paths) >= 14
    assert all(path.is_relative_to(tmp_path) and path != tmp_path for path in paths)


def test_metrics_log_of_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics_log(path) == []
    path.write_text('{"epoch": 0, "loss": 2.5}\n{"epoch": 1, "loss": 1.5}\n{"epoch": 2, "lo')
    assert read_metrics_log(path) == [{"epoch": 0, "loss": 2.5}, {"epoch": 1, "loss": 1.5}]
