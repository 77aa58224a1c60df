"""Runs that moved, that were made by version 0.1, or whose images were touched."""

import os
import shutil
from pathlib import Path

import pytest

from objdisc.cli import main
from objdisc.io.marks import Mark
from objdisc.io.run import Run
from objdisc.naming.categories import run_identity
from objdisc.patches.building import MANIFEST
from objdisc.pipeline.loading import open_results

from ..support.runs import as_version_0_1, discover, error, state, write_names


def test_names_survive_a_move_of_everything_and_every_reading_of_the_run(project: Path, made: Path) -> None:
    write_names(project / "names.json", run_identity(Run(made / "run"), open_results(Run(made / "run"))[1]))
    before = state(project / "run")
    readings: list[list[str]] = [["probe", "run", "--no-random"], ["overclustering", "run"]]
    readings += [["finetune", "run", "--no-random", "--shares", "1", "--epochs", "1"]]
    for reading in readings:
        assert main([*reading, "--workers", "0", "--device", "cpu"]) == 0
        folder = project / f"run_{reading[0]}"
        assert (folder / f"{reading[0]}.csv").is_file()
        assert not (folder / "patches").exists(), "those of the run are known, though the project moved"
    assert state(project / "run") == before
    for path in (project / "city").rglob("*.png"):
        os.utime(path)
    assert discover() == 0
    assert main(["export", "run", "--names", "names.json", "--format", "csv"]) == 0
    assert "thing" in (project / "run/export/objects.csv").read_text(encoding="utf-8")


def test_patches_that_a_reading_needs_anew_are_kept_beside_the_run(project: Path) -> None:
    shutil.rmtree(project / "run/patches/train")
    before = state(project / "run")
    assert main(["probe", "run", "--workers", "0", "--no-random"]) == 0
    assert state(project / "run") == before
    assert (project / "run_probe/patches/train" / MANIFEST).is_file()


@pytest.mark.parametrize("moved", [False, True])
def test_a_run_of_version_0_1_goes_on(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    identity = as_version_0_1(project)
    write_names(project / "names.json", identity)
    if moved:
        shutil.copytree(project, project.with_name("elsewhere"))
        monkeypatch.chdir(project.with_name("elsewhere"))
    before = state(Path("run"))
    assert discover("--seed", "1") == 2
    assert "holds a run with other settings" in error(capsys)
    commands: list[list[str]] = [["segment", "run", "city"], ["evaluate", "run", "--workers", "0"]]
    commands += [["export", "run", "--names", "names.json"], ["probe", "run", "--workers", "0", "--no-random"]]
    for command in commands:
        assert main(command) == 0, command
    assert {path: value for path, value in state(Path("run")).items() if path in before} == before
    assert "thing" in Path("run/export/objects.csv").read_text(encoding="utf-8")
    Path("run/report.html").unlink()
    assert main(["discover", "--resume", "run"]) == 0
    assert Mark.read(Path("run")) is not None
    facts = Path("run/report.html").read_text(encoding="utf-8")
    assert identity in facts, "what the browser has kept under the old name is found"
    assert main(["export", "run", "--names", "names.json", "--format", "csv"]) == 0


def test_what_bears_no_mark_inside_a_run_is_nobodys_to_overwrite(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_version_0_1(project)
    for name in ("export/objects.csv", "evaluate/city_val/report.html"):
        (project / "run" / name).parent.mkdir(parents=True)
        (project / "run" / name).write_text("mine", encoding="utf-8")
    before = state(project)
    for command in ("export", "evaluate"):
        assert main([command, "run"]) == 2
        assert "without the mark of objdisc (run.json; version 0.1 left none)" in error(capsys)
    assert state(project) == before


def test_time_is_not_what_makes_a_file_another(project: Path) -> None:
    """A store is not cut again where times alone have changed."""
    before = (project / "run/patches/train/images.npy").stat().st_mtime_ns
    for path in (project / "city").rglob("*.png"):
        os.utime(path, (1, 1))
    (project / "run/report.html").unlink()
    assert main(["discover", "--resume", "run"]) == 0
    assert (project / "run/patches/train/images.npy").stat().st_mtime_ns == before
