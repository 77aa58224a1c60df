"""A run that takes the place of another, and what an interruption or a failure leaves of both."""

import shutil
from pathlib import Path

import pytest

from objdisc.cli import main
from objdisc.commands import discover as discover_module
from objdisc.errors import ObjdiscError
from objdisc.io.claims import LOCK
from objdisc.io.run import Run
from objdisc.io.staging import REPLACEMENT, STAGING

from ..support.runs import discover, error, state


def test_a_run_is_replaced_when_the_new_one_is_whole(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(project / "run")
    assert main(["export", "run"]) == 0
    mine = ["notes.txt", "overlays/best.txt", "retrieval/mine.jpg", "stages/plan.txt", "export/names.json"]
    mine += ["overlays/favourites/a.jpg", "index/umap.npy", "patches/val/my.npy", "labelIds/mine_labelIds.png"]
    mine += ["clusterIds/edited/x_clusterIds.png", "retrieval/cluster_best.jpg", "stages/mine/notes.txt"]
    mine += ["retrieval/cluster_010_best.jpg"]
    for name in mine:
        (run.path / name).parent.mkdir(exist_ok=True, parents=True)
        (run.path / name).write_text("mine", encoding="utf-8")
    old = state(run.path)
    assert discover("--seed", "1", "--num-clusters", "3", "--overwrite") == 0
    said = capsys.readouterr()
    assert "report: run/report.html" in said.out
    assert "these results belong to the run that was replaced: run/export" in said.err
    assert discover("--seed", "1", "--num-clusters", "3") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert discover("--seed", "1", "--num-clusters", "3", folder="fresh") == 0
    new, fresh = state(run.path), state(project / "fresh")
    kept = {path for path in old if path in mine or path.startswith("export/")}
    assert set(new) == set(fresh) | kept
    assert {new[path] for path in kept} == {old[path] for path in kept}
    named = {
        "run.json",
        "config.yaml",
        "metrics.json",
        "report.html",
        "metrics.jsonl",
        "checkpoints/last.pt",
        LOCK,
        "spent.json",
    }
    assert {path for path in fresh if new[path] != fresh[path]} <= named  # these hold a place or a time
    assert REPLACEMENT not in run.report.read_text(encoding="utf-8")


def test_a_run_inside_another_is_not_part_of_it(project: Path) -> None:
    assert discover(folder="run/stages/mine", command="train") == 0
    assert main(["segment", "run", "city", "--output-dir", "run/overlays/seg", "--device", "cpu"]) == 0
    inner = {place: state(project / "run" / place) for place in ("stages/mine", "overlays/seg")}
    assert discover("--seed", "1", "--overwrite") == 0
    assert {place: state(project / "run" / place) for place in inner} == inner


def test_a_replacement_that_has_learned_nothing_makes_way_for_another(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(discover_module, "fit", interrupted)
        assert discover("--seed", "1", "--overwrite") == 130
    assert (project / "run" / REPLACEMENT / "config.yaml").is_file()
    assert discover("--seed", "2", "--overwrite") == 0
    assert "seed: 2" in (project / "run/config.yaml").read_text(encoding="utf-8")


def test_a_training_replaces_results_of_other_weights_too(project: Path) -> None:
    assert discover("--seed", "1", "--overwrite", command="train") == 0
    assert Run(project / "run").weights.is_file()
    assert not list((project / "run").rglob("*clusterIds.png"))
    assert not Run(project / "run").metrics.exists()
    assert main(["discover", "--resume", "run"]) == 0
    assert Run(project / "run").report.is_file()


def test_an_interrupted_replacement_is_gone_on_with(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = state(project / "run")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(discover_module, "write_results", interrupted)
        assert discover("--seed", "1", "--overwrite") == 130
    staged = Run(project / "run" / REPLACEMENT)
    assert staged.weights.is_file()
    learned = staged.weights.read_bytes()
    assert {path: value for path, value in state(project / "run").items() if REPLACEMENT not in path} == old
    assert discover("--seed", "2", "--overwrite") == 2
    assert "an earlier --overwrite with other settings or on other images was interrupted" in error(capsys)
    assert main(["discover", "--resume", "run", "--overlays", "2"]) == 0, "the old run is there, to be used"
    assert staged.weights.read_bytes() == learned
    assert discover("--seed", "1", "--overwrite") == 0
    assert "continuing after epoch 1" in capsys.readouterr().err
    assert Run(project / "run").weights.read_bytes() == learned
    assert not staged.path.exists()


@pytest.mark.parametrize("flag", [(), ("--overwrite",)])
def test_a_failure_before_anything_was_learned_leaves_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], flag: tuple[str, ...]
) -> None:
    before = state(project)
    folder = "run" if flag else "deep/new"
    assert discover("--num-clusters", "5000", *flag, folder=folder) == 2
    assert "object patches are too few for 5000 clusters" in error(capsys)
    assert discover("--patches.min-area", "1000000", *flag, folder=folder) == 2
    assert "no object in" in error(capsys)
    assert state(project) == before
    assert not (project / "deep").exists()
    assert not (project / "run" / REPLACEMENT).exists()


def test_what_was_learned_before_a_failure_is_kept_to_go_on_from(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise ObjdiscError("No space left on the disk")

    with monkeypatch.context() as patch:
        patch.setattr(discover_module, "write_results", fails)
        assert discover(folder="new") == 1
    assert Run(project / "new").weights.is_file()
    assert not (project / "new" / STAGING).exists()
    assert discover(folder="new") == 2
    assert "holds a run that is not finished" in error(capsys)
    assert main(["discover", "--resume", "new"]) == 0
    assert Run(project / "new").report.is_file()


def test_a_room_that_is_too_small_is_found_before_anything_is_touched(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(project)
    nearly_full = shutil.disk_usage(project)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: nearly_full)
    for more in (["--output-dir", "new"], ["--overwrite", "--seed", "1"]):
        assert discover(*more) == 1
        assert "No space left on the disk for the run: it needs at least" in error(capsys)
    assert state(project) == before
