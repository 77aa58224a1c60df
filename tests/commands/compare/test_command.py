"""Several configs in one table: what each run is asked, what is not run again, and what a failure leaves behind."""

import csv
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from objdisc.cli import main
from objdisc.config.parser import load
from objdisc.patches.building import IMAGES, MANIFEST, MASKS, ROWS
from objdisc.pipeline.options import DiscoverOptions

from ...support.planned import Discover

QUICK = [
    "--encoder",
    "resnet18_3x3:8,2",
    "--weights",
    "none",
    "--patches.size",
    "16",
    "--workers",
    "0",
    "--device",
    "cpu",
]


@pytest.fixture
def configs(tmp_path: Path) -> list[str]:
    """Write two configs that differ in their method, K and number of epochs."""
    contents: dict[str, dict[str, Any]] = {
        "memory": {"method": "kmeans_memory", "num_clusters": 4, "epochs": 2},
        "ward": {"method": {"class_path": "classical", "init_args": {"algorithm": "ward"}}, "num_clusters": 3},
    }
    for name, values in contents.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return [str(tmp_path / f"{name}.yaml") for name in contents]


@pytest.fixture
def discover(monkeypatch: pytest.MonkeyPatch) -> Discover:
    fake = Discover()
    monkeypatch.setattr("objdisc.pipeline.planned.subprocess", SimpleNamespace(run=fake))
    return fake


@pytest.fixture
def compare(configs: list[str], toy_city: Path, tmp_path: Path) -> Callable[..., int]:
    def call(*more: str) -> int:
        return main(["compare", *configs, str(toy_city), "--output-dir", str(tmp_path / "out"), *more])

    return call


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "out/comparison.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_config_is_asked_with_each_seed_and_flags_win(
    compare: Callable[..., int], discover: Discover, tmp_path: Path
) -> None:
    assert compare("--seeds", "0,3", "--num-clusters", "5", "--budget-minutes", "2", "--no-baseline") == 0
    folders = [Path(path).parent for flag, path in discover.asked if flag == "--config"]
    wanted = ["memory/seed0", "ward/seed0", "memory/seed3", "ward/seed3"]
    assert folders == [tmp_path / "out" / name for name in wanted], "a full table for the first seed comes first"
    options = [load(DiscoverOptions, folder / "asked.yaml") for folder in folders]
    assert [found.training.seed for found in options] == [0, 0, 3, 3]
    assert {(found.num_clusters, found.training.budget_minutes) for found in options} == {(5, 2.0)}
    assert [found.training.epochs for found in options] == [2, 5, 2, 5], "what no flag names stays the config's"
    assert options[1].method.init_args["algorithm"] == "ward"
    assert [row["config"] for row in rows_of(tmp_path)] == ["memory", "ward"]
    assert [float(row["nmi_mean"]) for row in rows_of(tmp_path)] == pytest.approx([0.2, 0.3])


def test_a_finished_run_is_not_run_again_and_new_seeds_are(
    compare: Callable[..., int], discover: Discover, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare() == 0
    assert "Cityscapes layout, 12 images of train, 6 images of val; objects by instances" in capsys.readouterr().err
    assert compare() == 0
    assert len(discover.asked) == 2
    assert compare("--seeds", "0,1") == 0
    assert len(discover.asked) == 4


def test_a_comparison_that_moved_or_runs_on_other_hardware_is_the_same(
    configs: list[str], toy_city: Path, discover: Discover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(toy_city)
    assert main(["compare", *configs, "data", "--output-dir", "out"]) == 0
    assert (
        main(["compare", *configs, str(tmp_path / "data"), "--workers", "0", "--output-dir", str(tmp_path / "out")])
        == 0
    )
    (tmp_path / "out").rename(tmp_path / "moved")
    assert main(["compare", *configs, "data", "--output-dir", "moved"]) == 0
    assert len(discover.asked) == 2


def test_a_failure_leaves_a_row_that_says_so_and_is_tried_again(
    compare: Callable[..., int], discover: Discover, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    discover.ends = [1, -9]
    assert compare() == 0
    out = capsys.readouterr().out
    assert "- memory, seed 0: failed: the loss is not finite" in out
    assert "- ward, seed 0: killed by signal 9" in out
    assert [row["without_result"] for row in rows_of(tmp_path)] == ["1", "1"]
    assert compare() == 0
    again = [("--resume", str(tmp_path / f"out/{name}/seed0")) for name in ("memory", "ward")]
    assert discover.asked[2:] == again
    assert [row["runs"] for row in rows_of(tmp_path)] == ["1", "1"]


def test_an_interruption_stops_all_and_the_same_command_goes_on(
    compare: Callable[..., int], discover: Discover, tmp_path: Path
) -> None:
    discover.ends = [0, 130]
    assert compare("--seeds", "0,1") == 130
    assert [row["runs"] for row in rows_of(tmp_path)] == ["1", "0"]
    assert compare("--seeds", "0,1") == 0
    assert [flag for flag, _ in discover.asked] == ["--config", "--config", "--resume", "--config", "--config"]


def test_runs_with_other_settings_are_not_mixed_up(
    compare: Callable[..., int], discover: Discover, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--epochs", "3") == 0
    assert compare("--epochs", "4") == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "memory/seed0: holds a run with other settings (epochs: 3, now epochs: 4)" in message
    assert len(discover.asked) == 2


def test_runs_that_cut_the_same_share_their_patches(
    compare: Callable[..., int], discover: Discover, tmp_path: Path
) -> None:
    assert compare("--seeds", "0,1", "--patches.size", "96") == 0
    first, same, other = (
        tmp_path / f"out/{name}/patches/train" for name in ("memory/seed0", "ward/seed0", "ward/seed1")
    )
    for name in (IMAGES, ROWS, MASKS, MANIFEST):
        assert (same / name).read_bytes() == (first / name).read_bytes()
        assert (other / name).read_bytes() != (first / name).read_bytes(), "its background windows are others"


def test_configs_of_different_tasks_raise_a_warning(
    compare: Callable[..., int], discover: Discover, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--patches.size", "96") == 0
    captured = capsys.readouterr()
    assert "the configs differ in num_clusters" in captured.err
    assert "The configs differ in num_clusters." in captured.out
    assert "Trained on split train, scored on split val:" in captured.out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seed", "3"], "--seed: not with compare; give --seeds"),
        (["--resume", "runs/a"], "--resume: not with compare"),
        (["--seeds", "1,1"], "--seeds: give each seed once"),
        (["elsewhere"], "2 configs and 2 folders"),
        (["--epocs", "3"], "memory.yaml: unknown setting 'epocs'; did you mean epochs?"),
        (["--epochs", "many"], "memory.yaml: epochs: expected int"),
    ],
)
def test_mistakes_are_found_before_anything_is_run(
    compare: Callable[..., int], discover: Discover, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert compare(*more) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert discover.asked == []


def test_two_configs_of_one_name_are_refused(
    configs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "twin").mkdir()
    shutil.copy(configs[0], tmp_path / "twin/memory.yaml")
    assert main(["compare", configs[0], str(tmp_path / "twin/memory.yaml"), str(tmp_path)]) == 2
    assert "two configs have the same name" in capsys.readouterr().err


@pytest.mark.slow
def test_real_runs_end_in_a_table_and_a_picture(toy_city: Path, configs: list[str], tmp_path: Path) -> None:
    """One learns for an epoch, one clusters at once, one fails on the way; each in its own process."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("channels: 4\n", encoding="utf-8")
    arguments = [*configs, str(broken), str(toy_city), *QUICK, "--num-clusters", "4", "--epochs", "1"]
    command = ["compare", *arguments, "--batch-size", "32", "--output-dir", str(tmp_path / "out")]
    assert main([*command, "--foreground", "car,person", "--overlays", "0"]) == 0
    memory, ward, failed = rows_of(tmp_path)
    assert all(0 <= float(row["nmi_geometric_mean"]) <= 1 for row in (memory, ward))
    assert all(50 < float(row["peak_mebibytes_mean"]) < 20_000 for row in (memory, ward))
    assert float(memory["training_seconds_mean"]) > 0
    assert (failed["runs"], failed["without_result"], memory["encoder"]) == ("0", "1", QUICK[1])
    assert "takes 3 channels, the images have 4" in (tmp_path / "out/comparison.md").read_text(encoding="utf-8")
    images = [np.load(tmp_path / f"out/{name}/seed0/patches/train/images.npy") for name in ("memory", "ward")]
    np.testing.assert_array_equal(*images)
    inode = (tmp_path / "out/memory/seed0/patches/train/images.npy").stat().st_ino
    assert (tmp_path / "out/ward/seed0/patches/train/images.npy").stat().st_ino == inode
    assert (tmp_path / "out/comparison.png").is_file()


@pytest.mark.slow
def test_an_interrupted_run_ends_with_the_weights_of_one_that_never_stopped(
    toy_city: Path, configs: list[str], tmp_path: Path
) -> None:
    def command(folder: str) -> list[str]:
        program = "import sys; from objdisc.cli import main; sys.exit(main())"
        settings = [*QUICK, "--batch-size", "32", "--epochs", "6", "--overlays", "0", "--output-dir", folder]
        return [sys.executable, "-c", program, "compare", configs[0], str(toy_city), *settings]

    stopped, whole = (tmp_path / folder / "memory/seed0" for folder in ("stopped", "whole"))
    # a shell in the background leaves SIGINT ignored, and children inherit that
    with subprocess.Popen(
        command(str(tmp_path / "stopped")), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    ) as process:
        deadline = time.monotonic() + 300
        while not (stopped / "checkpoints/last.pt").is_file() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert not (stopped / "metrics.json").exists()
    for folder in ("stopped", "whole"):
        subprocess.run(command(str(tmp_path / folder)), check=True, timeout=300)
    assert (stopped / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
