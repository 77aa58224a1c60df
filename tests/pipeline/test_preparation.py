"""Whose a run's folder is, and what a second command does there."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from objdisc.cli import main
from objdisc.io.marks import Mark
from objdisc.io.run import Run
from objdisc.io.staging import STAGING
from objdisc.pipeline.loading import weights_name

from ..support.runs import QUICK, discover, error, state


def test_a_run_is_marked(project: Path, made: Path) -> None:
    mark = Mark.read(project / "run")
    assert mark is not None
    assert (mark.command, mark.data, mark.run) == ("discover", str(made / "city"), None)


@pytest.mark.parametrize("command", ["discover", "train"])
def test_the_same_command_again_says_where_the_run_is(
    project: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    before = state(project / "run" / "index")
    assert discover(command=command) == 0
    assert discover("--workers", "1", "--device", "auto", command=command) == 0, "the same run on other hardware"
    assert capsys.readouterr().out.count("nothing to do") == 2
    assert main([command, "--resume", "run"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert state(project / "run" / "index") == before


def test_a_resume_says_once_that_a_setting_has_another_name_today(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = project / "run/config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("\ndata:", "\nreading:"), encoding="utf-8")
    assert main(["discover", "--resume", "run"]) == 0
    captured = capsys.readouterr()
    assert "nothing to do" in captured.out
    assert captured.err.count("--reading is now called --data") == 1


def test_a_finished_run_is_swept_of_what_a_kill_has_left(project: Path) -> None:
    left = project / "run" / STAGING / "clusterIds/half.png"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert discover() == 0
    assert not (project / "run" / STAGING).exists()


def test_a_run_with_damaged_numbers_is_not_finished(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "run/metrics.json").write_text("{", encoding="utf-8")
    assert discover() == 2
    assert "holds a run that is not finished" in error(capsys)
    assert main(["discover", "--resume", "run"]) == 0
    assert discover() == 0


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--seed", "1"], "holds a run with other settings"),
        (["--baseline"], "holds a run with other settings"),
        (["--method.init_finer", "1"], "holds a run with other settings"),
    ],
)
def test_another_run_does_not_take_its_place(
    project: Path, capsys: pytest.CaptureFixture[str], more: list[str], reason: str
) -> None:
    before = state(project)
    assert discover(*more) == 2
    said = error(capsys)
    assert reason in said
    assert "--resume run" in said
    assert "--overwrite" in said
    assert state(project) == before


def test_a_run_that_is_not_finished_is_gone_on_with_or_replaced(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = state(project / "run")
    (project / "run/report.html").unlink()
    before = state(project)
    assert discover() == 2
    assert "holds a run that is not finished; continue it with --resume run" in error(capsys)
    assert state(project) == before
    assert main(["discover", "--resume", "run"]) == 0
    again = state(project / "run")
    assert set(again) == set(whole)
    timed = {"metrics.json", "report.html", "spent.json"}
    placed = {"index/index.json", "patches/train/manifest.json", "patches/val/manifest.json"}
    assert {path for path in whole if again[path] != whole[path]} <= timed | placed


def change_an_image(city: Path, split: str) -> None:
    """Paint one pixel, with as many bytes in the file as before."""
    path = next((city / "leftImg8bit" / split).rglob("*.png"))
    image, size = np.array(Image.open(path))[..., ::-1], path.stat().st_size
    image[0, 0] += 1
    data = cv2.imencode(".png", image)[1].tobytes()
    path.write_bytes(data + b"\0" * (size - len(data)))


@pytest.mark.parametrize("split", ["train", "val"])
def test_other_images_make_another_run(project: Path, capsys: pytest.CaptureFixture[str], split: str) -> None:
    change_an_image(project / "city", split)
    before = state(project)
    assert discover() == 2
    assert "holds a run on other images" in error(capsys)
    code = main(["discover", "--resume", "run"])
    if split == "train":
        assert code == 2, "its weights were learned from other images"
        assert "have changed since the run was trained on them" in error(capsys)
        assert state(project) == before
    else:
        assert code == 0, "it predicts the images that are there now"
        assert discover() == 0
        assert "nothing to do" in capsys.readouterr().out


def test_a_resume_that_fails_leaves_a_finished_run_as_it_was(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("leftImg8bit", "gtFine"):
        shutil.copytree(project / "city" / kind / "val", project / "city" / kind / "test")
    for path in (project / "city/leftImg8bit/test").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:100])
    before = state(project)
    for more in ([], ["--strict"]):
        assert main(["discover", "--resume", "run", "--split", "test", *more]) in {1, 2}
        assert "objdisc: error: " in error(capsys)
        assert state(project) == before
    assert not (project / "run/patches/test").exists()
    assert main(["discover", "--resume", "run", "--split", "train"]) == 0
    assert "split: train" in (project / "run/config.yaml").read_text(encoding="utf-8")


def test_a_run_in_a_folder_of_photos_is_no_photo(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(project / "city/leftImg8bit/val/marblemouth", project / "photos")
    command = ["discover", "photos", *QUICK, "--output-dir", "photos/run", "--objectness", "whole"]
    assert main(command) == 0
    assert main(command) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["segment", "photos/run", "photos", "--objectness", "whole", "--device", "cpu"]) == 0
    assert "6 regions in 6 images" in capsys.readouterr().out


@pytest.mark.parametrize("files", [["config.yaml"], ["notes.txt"], ["checkpoints/last.pt", "weights.safetensors"]])
@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_folder_of_somebody_else_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], files: list[str], more: list[str]
) -> None:
    for name in (*files, "index/mine.npy", "export/mine.txt", "overlays/mine.jpg", "stages/mine.txt"):
        (project / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "theirs" / name).write_text("epochs: 3\n", encoding="utf-8")
    before = state(project)
    assert discover(*more, folder="theirs") == 2
    assert "theirs: not empty, and without the mark of objdisc" in error(capsys)
    assert discover(*more, folder="city") == 2
    assert main(["segment", "run", "city", "--output-dir", "theirs"]) == 2
    assert state(project) == before


def test_results_of_another_command_are_no_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "run", "--output-dir", "out", "--format", "csv"]) == 0
    before = state(project)
    assert discover("--overwrite", folder="out") == 2
    assert "out: holds results of objdisc export of the run" in error(capsys)
    assert main(["train", "--resume", "out"]) == 2
    assert main(["export", "out"]) == 2
    assert "out: not a run, it holds results of objdisc export" in error(capsys)
    assert state(project) == before


def test_an_empty_folder_and_its_litter_are_welcome(project: Path) -> None:
    (project / "empty").mkdir()
    (project / "empty/.DS_Store").write_bytes(b"")
    assert discover(command="train", folder="empty") == 0
    assert Run(project / "empty").weights.is_file()


def test_resume_and_overwrite_exclude_each_other(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "--resume", "run", "--overwrite"]) == 2
    assert "--overwrite and --resume" in error(capsys)


@pytest.mark.parametrize("folder", ["nowhere", "city"])
def test_what_is_no_run_cannot_be_resumed(project: Path, capsys: pytest.CaptureFixture[str], folder: str) -> None:
    (project / "city/config.yaml").write_text("epochs: 1\n", encoding="utf-8")
    before = state(project)
    assert main(["train", "city", "--resume", folder, *QUICK]) == 2
    assert "objdisc: error: " in error(capsys)
    assert state(project) == before


KILLED = """
import sys, time
from objdisc.commands import discover
from objdisc.cli import main
write_results = discover.write_results
def slowly(*arguments):
    print("writing", flush=True)
    time.sleep(60)
discover.write_results = slowly
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_run_is_written_by_one_process_and_survives_its_kill(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", KILLED, "discover", "city", *QUICK, "--output-dir", "other"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        assert main(["discover", "--resume", "other"]) == 2
        assert "another process of objdisc writes to it" in error(capsys)
        assert discover(folder="other") == 2
        process.send_signal(signal.SIGKILL)
    assert main(["discover", "--resume", "other"]) == 0
    assert weights_name(Run(project / "other")) == weights_name(Run(project / "run"))


def test_folders_of_one_name_are_not_mixed_up(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("a", "b"):
        shutil.copytree(project / "city/leftImg8bit/val/marblemouth", project / place / "photos")
    for place, shade in (("a", 10), ("b", 200)):  # equally named and equally large, as frames of a video are
        Image.new("RGB", (256, 128), (shade, shade, shade)).save(project / place / "photos/frame.bmp")
    segment = ["segment", "run", "--objectness", "whole", "--device", "cpu"]
    assert main([*segment, "a/photos"]) == 0
    before = state(project)
    assert main([*segment, "b/photos"]) == 2
    assert "holds results of objdisc segment of the run" in error(capsys)
    assert state(project) == before
    assert main([*segment, "a/photos"]) == 0


def test_one_search_does_not_overwrite_another(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = sorted((project / "city/leftImg8bit/val").rglob("*.png"))[:2]

    def search(image: Path) -> int:
        return main(["retrieve", "run", "--query", str(image), "--output-dir", "found"])

    assert search(images[0]) == 0
    assert search(images[0]) == 0
    before = state(project / "found")
    assert search(images[1]) == 2
    assert "found: holds results of objdisc retrieve (query " in error(capsys)
    assert state(project / "found") == before
