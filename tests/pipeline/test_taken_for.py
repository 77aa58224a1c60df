"""What a folder is taken for: files that are not read, by suffix and over the splits, in every named layout."""

import shutil
from pathlib import Path

import pytest

from objdisc.annotations import index
from objdisc.datasets import ImageDataset, open_dataset
from objdisc.objectness.boxes import Boxes
from objdisc.objectness.whole import Whole
from objdisc.pipeline.taken_for import taken_for
from tests.support.layouts import photo, put, street


def left_out(*datasets: ImageDataset) -> str:
    return taken_for(datasets, Whole()).left_out


def test_files_between_the_images_of_cityscapes_are_counted_by_suffix(toy_city: Path, tmp_path: Path) -> None:
    city = tmp_path / "city"
    shutil.copytree(toy_city, city)
    for split in ("train", "val"):
        folder = next(path for path in sorted((city / "leftImg8bit" / split).iterdir()) if path.is_dir())
        (folder / "notes.txt").touch()
        put(folder / "photo of the car.png", photo())
    (folder / ".hidden").touch()
    train, val = (open_dataset(city, split) for split in ("train", "val"))
    other = "images of another split, or not named as in this layout"
    assert left_out(train) == f"1 .png: {other}; 1 .txt: no images"
    assert left_out(train, val) == f"1 without suffix: hidden; 2 .png: {other}; 2 .txt: no images"
    assert left_out(train, train) == left_out(train)
    assert left_out(*(open_dataset(toy_city, split) for split in ("train", "val"))) == ""


def test_maps_among_the_images_are_read_and_not_counted(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"images/training/ADE_train_0000000{number}.jpg", photo(number))
        put(tmp_path / f"annotations/training/ADE_train_0000000{number}.png", street())
    (tmp_path / "images/training/index.html").touch()
    dataset = open_dataset(tmp_path, "train")
    assert type(dataset).__name__ == "Ade20k"
    assert left_out(dataset) == "1 .html: no images"


def test_annotations_in_use_are_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "CACHE", tmp_path / "cache")
    folder = tmp_path / "photos"
    for number in range(2):
        put(folder / f"{number}.jpg", photo(number))
    (folder / "boxes.csv").write_text("image_path,xmin,ymin,xmax,ymax\n0.jpg,1,1,9,9\n", encoding="utf-8")
    (folder / "prices.csv").write_text("article,price\n1,2\n", encoding="utf-8")
    dataset = open_dataset(folder, "")
    assert taken_for([dataset], Boxes()).left_out == "1 .csv: no images"
    assert left_out(dataset) == "2 .csv: no images"
