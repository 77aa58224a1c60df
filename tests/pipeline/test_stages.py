"""A chain of runs: planned from options, run by one command, resumed in the right stage, scored stage by stage."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

import objdisc.pipeline.stages
from objdisc.augmentation.views import Augmentation
from objdisc.cli import main
from objdisc.config.components import Component
from objdisc.config.parser import load
from objdisc.errors import UsageError
from objdisc.io.files import read_json
from objdisc.io.run import Run
from objdisc.methods.scan import SCAN as ScanMethod
from objdisc.methods.simclr import SimCLR
from objdisc.pipeline.options import DiscoverOptions, build_method
from objdisc.pipeline.stages import Stage, format_stages, plan
from objdisc.training.options import TrainerOptions

SCAN = Component("objdisc.methods.scan.SCAN", {"neighbors": 3})
SETTINGS = [
    *("--encoder", "resnet18_3x3:8,2", "--weights", "none", "--patches.size", "16", "--objectness", "whole"),
    *("--batch-size", "16", "--workers", "0", "--device", "cpu", "--num-clusters", "3", "--lr", "0.003"),
    *("--background", "keep", "--background-share", "0", "--equalization", "0", "--encoder-lr-scale", "1"),
]


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 16 images each: stripes of other widths and hues."""
    root = tmp_path_factory.mktemp("stripes")
    rng = np.random.default_rng(0)
    for kind in range(3):
        for number in range(16):
            wave = np.sin(np.arange(16) * (kind + 1) * 0.7 + rng.uniform(0, 6))
            pixels = np.zeros((16, 16, 3)) + 128 + 60 * wave[:, None, None]
            pixels[..., kind] += 60
            pixels += rng.normal(0, 10, pixels.shape)
            path = root / "train" / f"kind{kind}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.clip(pixels, 0, 255).astype(np.uint8))
    return root


def discover(data: Path, folder: Path, *more: str) -> dict[str, Any]:
    assert main(["discover", str(data), *SETTINGS, "--output-dir", str(folder), *more]) == 0
    return read_json(Run(folder).metrics)


def weights_of(folder: Path) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in load_file(folder / "weights.safetensors").items()}


CHAIN = ["--method", "scan", "--method.neighbors", "3", "--epochs", "2"]


@pytest.fixture(scope="module")
def chained(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole chain"
    discover(stripes, folder, *CHAIN)
    return folder


def test_scan_alone_is_pretext_clustering_and_self_labelling(chained: Path) -> None:
    table = read_json(Run(chained).metrics)["stages"]
    assert [(name, row["method"], row["epochs"]) for name, row in table.items()] == [
        ("pretext", "simclr", 2),
        ("scan", "scan", 2),
        ("selflabel", "selflabel", 2),
    ]
    for row in table.values():
        assert 0 < row["accuracy_hungarian"] <= 1
        assert {"nmi", "training_seconds"} <= set(row)


def test_each_stage_is_a_run_that_is_scored_like_the_last(chained: Path) -> None:
    whole, table = read_json(Run(chained).metrics), read_json(Run(chained).metrics)["stages"]
    assert sorted(path.name for path in Run(chained).stages.iterdir()) == ["pretext", "scan"]
    for name in ("pretext", "scan"):
        numbers = read_json(Run.open(chained / "stages" / name).metrics)
        assert numbers["accuracy_hungarian"] == table[name]["accuracy_hungarian"]
        assert {"nmi", "counts", "supervision", "seed"} <= set(numbers)
    assert whole["accuracy_hungarian"] == table["selflabel"]["accuracy_hungarian"]
    seconds = [row["training_seconds"] for row in table.values()]
    assert whole["training_seconds"] == pytest.approx(sum(seconds), abs=0.2)
    assert "(started from" in whole["supervision"]


def test_the_table_of_stages_is_printed(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    discover(stripes, tmp_path, *CHAIN, "--epochs", "1")
    said = capsys.readouterr().out
    lines = said[said.index("stage ") :].splitlines()[:4]
    assert [line.split()[:3] for line in lines] == [
        ["stage", "method", "epochs"],
        ["pretext", "simclr", "1"],
        ["scan", "scan", "1"],
        ["selflabel", "selflabel", "1"],
    ]


def test_by_hand_the_chain_ends_with_the_same_weights(chained: Path, stripes: Path, tmp_path: Path) -> None:
    ops, plain = ["--augmentation.ops", "4", "--augmentation.cutout", "0.5"], ["--augmentation.first-crop", "1"]
    epochs = ["--epochs", "2"]
    discover(stripes, tmp_path / "a", "--method", "simclr", "--method.embedding_dim", "128", *epochs)
    start = ["--init-from", str(tmp_path / "a")]
    discover(stripes, tmp_path / "b", "--method", "scan", "--method.neighbors", "3", *epochs, *ops, *start)
    start = ["--init-from", str(tmp_path / "b")]
    numbers = discover(stripes, tmp_path / "c", "--method", "selflabel", *epochs, *ops, *plain, *start)
    assert weights_of(tmp_path / "a") == weights_of(chained / "stages/pretext")
    assert weights_of(tmp_path / "b") == weights_of(chained / "stages/scan")
    assert weights_of(tmp_path / "c") == weights_of(chained)
    assert "stages" not in numbers
    assert numbers["supervision"] == f"none (started from {tmp_path / 'b'})"


class Interrupted(Exception):
    """Stands in for the power cut."""


@pytest.mark.parametrize("stopped_in", ["pretext", "scan", "selflabel"])
def test_a_resume_goes_on_in_the_stage_that_was_stopped(
    chained: Path, stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_in: str
) -> None:
    method = {"pretext": "simclr.SimCLR", "scan": "scan.SCAN", "selflabel": "selflabel.SelfLabel"}[stopped_in]

    def broken(*_: Any) -> None:
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(f"objdisc.methods.{method}.finish", broken)
        with pytest.raises(Interrupted):
            main(["discover", str(stripes), *SETTINGS, *CHAIN, "--output-dir", str(tmp_path)])
    finished = [path.parent for path in sorted(tmp_path.glob("stages/*/metrics.json"))]
    assert [path.name for path in finished] == ["pretext", "scan"][: ["pretext", "scan", "selflabel"].index(stopped_in)]
    before = [(path / "weights.safetensors").stat().st_mtime_ns for path in finished]
    assert main(["discover", "--resume", str(tmp_path)]) == 0
    assert [(path / "weights.safetensors").stat().st_mtime_ns for path in finished] == before
    assert weights_of(tmp_path) == weights_of(chained)
    assert list(read_json(Run(tmp_path).metrics)["stages"]) == ["pretext", "scan", "selflabel"]


def test_a_chain_predicts_with_its_last_stage(chained: Path, stripes: Path, tmp_path: Path) -> None:
    assert main(["evaluate", str(chained), "--output-dir", str(tmp_path), "--workers", "0", "--device", "cpu"]) == 0
    expected = read_json(Run(chained).metrics)
    assert read_json(Run(tmp_path).metrics)["accuracy_hungarian"] == expected["accuracy_hungarian"]


def test_a_run_that_replaces_a_chain_leaves_no_stage_of_it(stripes: Path, tmp_path: Path) -> None:
    discover(stripes, tmp_path, *CHAIN, "--epochs", "1")
    numbers = discover(stripes, tmp_path, "--method", "simclr", "--epochs", "1", "--overwrite")
    assert "stages" not in numbers
    assert not Run(tmp_path).stages.exists()


def planned(**changes: Any) -> list[Stage]:
    return plan(replace(DiscoverOptions(method=SCAN), **changes), Run(Path("runs/x")))


def test_stages_change_what_they_name_and_keep_the_rest() -> None:
    training = TrainerOptions(epochs=7, lr=0.01, augmentation=Augmentation(jitter=0.1, ops=2))
    first, last = planned(
        training=training,
        stages={"pre": {"method": "simclr", "epochs": 30, "augmentation": {"ops": 0}}, "end": {"lr": 0.5}},
    )
    assert first.options.method.class_path == "objdisc.methods.simclr.SimCLR"
    built = build_method(replace(first.options, encoder="nin", weights="none"))
    assert isinstance(built, SimCLR)
    assert built.projection[2].out_features == 128, "no argument of another method's has come along"
    assert first.options.training == replace(training, epochs=30, augmentation=Augmentation(jitter=0.1, ops=0))
    assert last.options.method.init_args["neighbors"] == 3
    assert last.options.training == replace(training, lr=0.5)
    assert [stage.run.path.as_posix() for stage in (first, last)] == ["runs/x/stages/pre", "runs/x"]
    assert [stage.options.init_from for stage in (first, last)] == [None, first.run.path]


@pytest.mark.parametrize("name", ["scan", "objdisc.methods.scan.SCAN"])
def test_a_config_gives_a_stage_a_method_with_arguments(tmp_path: Path, name: str) -> None:
    file = tmp_path / "chain.yaml"
    method = {"class_path": name, "init_args": {"freeze": "encoder"}}
    file.write_text(
        yaml.safe_dump({"method": "simclr", "stages": {"a": {}, "b": {"method": method}}}), encoding="utf-8"
    )
    options = replace(load(DiscoverOptions, file), encoder="nin", weights="none")
    first, last = (build_method(stage.options) for stage in plan(options, Run(tmp_path)))
    assert isinstance(first, SimCLR)
    assert isinstance(last, ScanMethod)
    assert (last.freeze, last.neighbors) == ("encoder", 20)


def test_a_start_of_ones_own_takes_the_default_chain_away_and_begins_a_chain_that_was_asked_for() -> None:
    assert len(planned()) == 3
    assert [stage.options.init_from for stage in planned(init_from=Path("a"))] == [Path("a")]
    assert [stage.options.method for stage in planned(stages={})] == [SCAN]
    two = planned(init_from=Path("a"), stages={"scan": {}, "more": {}})
    assert [stage.options.init_from for stage in two] == [Path("a"), two[0].run.path]


def test_a_method_that_is_no_chain_is_one_run() -> None:
    (only,) = planned(method=Component("objdisc.methods.simclr.SimCLR"))
    assert only.run.path == Path("runs/x")


def test_a_stage_may_see_patches_of_another_size(stripes: Path, tmp_path: Path) -> None:
    config = tmp_path / "chain.yaml"
    small = {"patches": {"size": 24}, "method": "simclr"}
    chain = {"pretext": small, "again": small, "scan": {}, "selflabel": {"method": "selflabel"}}
    config.write_text(yaml.safe_dump({"method": "scan", "stages": chain}, sort_keys=False), encoding="utf-8")
    whole, hand = tmp_path / "whole", tmp_path / "hand"
    discover(stripes, whole, "--config", str(config), "--method.neighbors", "3", "--epochs", "1")
    discover(stripes, hand, "--method", "simclr", "--patches.size", "24", "--epochs", "1")
    assert weights_of(hand) == weights_of(whole / "stages/pretext")
    sides = {path.parents[2]: np.load(path, mmap_mode="r").shape[1] for path in whole.glob("**/images.npy")}
    assert sides == {whole: 16, whole / "stages/pretext": 24}  # one store serves both of the stages that see 24
    again = discover(stripes, whole, "--config", str(config), "--epochs", "1", "--resume", str(whole))
    assert set(again["stages"]) == set(chain)


def test_the_last_stage_has_the_patches_of_the_whole() -> None:
    with pytest.raises(UsageError, match="the last stage makes the run's predictions; set its patches there"):
        planned(stages={"a": {}, "b": {"patches": {"size": 8}}})


def test_a_budget_is_shared_by_epochs() -> None:
    chain: dict[str, Any] = {"a": {"epochs": 60}, "b": {}, "c": {"epochs": 10}, "d": {"budget_minutes": 7.0}}
    stages = planned(training=TrainerOptions(budget_minutes=12, epochs=25), stages=chain)
    assert [stage.options.training.budget_minutes for stage in stages] == [6, 2.5, 1, 7]
    unlimited = planned(training=TrainerOptions(epochs=25), stages=chain)
    assert [stage.options.training.budget_minutes for stage in unlimited] == [0, 0, 0, 7]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochz": 3}, "stages.b: epochz cannot be set for a stage"),
        ({"num_clusters": 3}, "stages.b: num_clusters cannot be set for a stage"),
        ({"seed": 3}, "stages.b: seed cannot be set for a stage"),
        ({"epochs": "many"}, "stages.b: .*epochs"),
        ({"method": "scam"}, "no Method is called 'scam'"),
    ],
)
def test_settings_that_no_stage_can_have_are_usage_errors(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        planned(stages={"a": {}, "b": changes})


def test_a_stage_is_a_folder() -> None:
    with pytest.raises(UsageError, match="cannot be the name of a folder"):
        planned(stages={"../a": {}, "b": {}})


def test_the_table_lines_up() -> None:
    rows = {"pretext": {"method": "simclr", "epochs": 100, "nmi": 0.5}, "end": {"method": "scan", "epochs": 5}}
    text = format_stages(rows)
    assert text.splitlines() == [
        "stage    method  epochs    nmi",
        "pretext  simclr     100  0.500",
        "end      scan         5      -",
    ]


def test_a_stage_that_finished_is_not_trained_again(chained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objdisc.pipeline.stages, "fit", None)
    options = DiscoverOptions(method=SCAN)
    stage = Stage("pretext", Run(chained / "stages/pretext"), options)
    seconds = objdisc.pipeline.stages.run_stage(stage, None, None, None)  # type: ignore[arg-type]
    numbers = json.loads((chained / "stages/pretext/metrics.json").read_text(encoding="utf-8"))
    assert seconds == numbers["training_seconds"]
