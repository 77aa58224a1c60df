"""What a folder is taken for: a line at the start of each command, and inspect with its sheet of images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.cli import main
from objdisc.datasets import open_dataset
from objdisc.objectness.windows import Windows
from objdisc.pipeline.taken_for import taken_for
from tests.support.layouts import objects, photo, put, street


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_inspect_says_all_of_it_and_draws_a_sheet(toy_city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(toy_city), "--images-shown", "3"]) == 0
    said = capsys.readouterr().out
    for line in (
        "layout    Cityscapes layout",
        "images    12 images of train, 6 images of val",
        "splits    train, val",
        "objects   by instances: instance masks of 12 of 12 images such as gtFine/train/",
        "label maps (34 classes, such as gtFine/val/",
        "sheet     inspect_toy city.png",
    ):
        assert line in said
    sheet = cv2.imread("inspect_toy city.png")
    assert sheet is not None
    assert sheet.shape[1] == 12 + 3 * 492


def test_no_file_is_written_over(toy_city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = [Path("inspect_toy city.png"), Path("inspect_toy city_2.png")]
    for file in mine:
        file.write_text("mine", encoding="utf-8")
    command = ["inspect", str(toy_city), "--images-shown", "1"]
    assert main(command) == 0
    assert Path("inspect_toy city_3.png").is_file()
    assert main([*command, "--sheet", str(mine[0])]) == 2
    assert capsys.readouterr().err.endswith("inspect_toy city.png: already exists; give another --sheet.\n")
    assert [file.read_text(encoding="utf-8") for file in mine] == ["mine", "mine"]


def test_damaged_files_are_named_and_the_others_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        put(tmp_path / f"in/images/{name}.png", photo())
        put(tmp_path / f"in/labels/{name}.png", street())
    put(tmp_path / "in/labels/b.png", photo())
    (tmp_path / "in/images/c.png").write_bytes(b"nothing")
    (tmp_path / "in/images/notes.txt").touch()
    command = ["inspect", str(tmp_path / "in"), "--objectness", "whole", "--sheet", "out/sheet.png"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "layout    images beside label maps" in said
    assert "left out  1 .txt: no images" in said
    assert "problem   " in said
    assert "c.png" in said
    assert "b.png: this is a colour image" in said
    assert Path("out/sheet.png").is_file()
    assert main([*command, "--images-shown", "0"]) == 0
    assert "sheet" not in capsys.readouterr().out


def test_a_folder_without_images_lists_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.txt", "c.json"):
        (tmp_path / "in" / name).touch()
    assert main(["inspect", str(tmp_path / "in")]) == 2
    assert "found 2 .txt, 1 .json: no images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "size", "hint"),
    [
        (["a", "b"], (64, 64), "small squares"),
        (["cat/a", "dog/a"], (400, 600), "2 subfolders"),
        (["a", "b"], (400, 600), ""),
        (["a", "summer/b"], (400, 600), ""),
    ],
)
def test_folders_of_single_objects_get_a_hint(
    tmp_path: Path, names: list[str], size: tuple[int, int], hint: str
) -> None:
    for name in names:
        put(tmp_path / f"in/{name}.png", np.zeros((*size, 3), np.uint8))
    found = taken_for([open_dataset(tmp_path / "in", "")], Windows())
    assert (hint in found.hint) if hint else not found.hint
    assert ("--objectness whole may be what is wanted" in str(found)) == bool(hint)


def test_the_line_says_what_was_left_out_and_that_there_are_no_labels(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / f"in/{name}.jpg", np.kron(photo(), np.ones((12, 12, 1), np.uint8)))
        put(tmp_path / f"in/{name}_mask.png", objects())
    line = str(taken_for([open_dataset(tmp_path / "in", "")], Windows()))
    assert line == (
        f"{tmp_path / 'in'}: a folder of images, 2 images; objects by windows (looked for in each image); no labels; "
        "left out 2 .png: label maps (--labels takes them)"
    )
