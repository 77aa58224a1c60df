"""Opening a folder as what its layout says it is."""

from pathlib import Path

import pytest
from PIL import Image

from objdisc.datasets import LAYOUTS, Cityscapes, ImageFolder, available_splits, layout_of, open_dataset
from objdisc.errors import UsageError


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def test_a_folder_with_left_images_is_cityscapes(toy_city: Path) -> None:
    dataset = open_dataset(toy_city, "val", foreground=["car", "bus"])
    assert isinstance(dataset, Cityscapes)
    assert dataset.foreground == ("car", "bus")
    assert len(dataset.samples) == 6
    assert available_splits(toy_city) == ("train", "val")


def test_splits_are_listed_train_first_and_without_the_empty_ones(tmp_path: Path) -> None:
    for split in ("test", "train_extra", "val", "train"):
        _image(tmp_path / "leftImg8bit" / split / "ulm" / "ulm_000000_000000_leftImg8bit.png")
    (tmp_path / "leftImg8bit" / "demo").mkdir()
    assert available_splits(tmp_path) == ("train", "val", "test", "train_extra")


def test_any_other_folder_is_a_folder_of_images(tmp_path: Path) -> None:
    _image(tmp_path / "train" / "cat" / "0.png")
    _image(tmp_path / "test" / "cat" / "0.png")
    dataset = open_dataset(tmp_path, "test", foreground=["cat"])
    assert isinstance(dataset, ImageFolder)
    assert dataset.split == "test"
    assert available_splits(tmp_path) == ("train", "test")
    with pytest.raises(UsageError, match="train, test"):
        open_dataset(tmp_path, "val")


def test_a_folder_without_splits_is_taken_whole_and_says_so(tmp_path: Path) -> None:
    _image(tmp_path / "holiday" / "0.png")
    dataset = open_dataset(tmp_path, "val")
    assert dataset.split == ""
    assert len(dataset.samples) == 1
    assert available_splits(tmp_path) == ()


def test_missing_folder_file_and_empty_folder_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone: no such folder; give"):
        open_dataset(tmp_path / "gone", "train")
    with pytest.raises(UsageError, match="no such folder"):
        available_splits(tmp_path / "gone")
    _image(tmp_path / "file.png")
    with pytest.raises(UsageError, match="is a file, not a folder"):
        open_dataset(tmp_path / "file.png", "train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no image in it or below"):
        open_dataset(tmp_path / "empty", "train")


def test_each_layout_recognises_its_own_folders_and_the_first_one_counts(toy_city: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labelled"
    for name in ("images", "labels"):
        (folder / name / "val").mkdir(parents=True)
    found = {
        path: [layout.__name__ for layout in LAYOUTS if layout.recognises(path)]
        for path in (toy_city, folder, tmp_path)
    }
    assert found == {
        toy_city: ["Cityscapes", "ImageFolder"],
        folder: ["LabelMaps", "ImageFolder"],
        tmp_path: ["ImageFolder"],
    }
    assert layout_of(toy_city).splits_of(toy_city) == available_splits(toy_city) == ("train", "val")
    assert layout_of(folder).splits_of(folder) == ("val",)
    assert len({layout.__module__ for layout in LAYOUTS}) == len(LAYOUTS)
