"""Finding what a layout consists of: its root, its splits, its images and maps by name."""

from pathlib import Path

import pytest

from objdisc.datasets.listing import find_root, images_of_split, maps_by_name, samples_of, split_folders
from objdisc.errors import UsageError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_root_is_the_folder_itself_or_the_only_one_in_it(tmp_path: Path) -> None:
    touch(tmp_path, "download/set/photos/a.jpg", "download/notes.txt", "download/other/b.png")
    for path in (tmp_path / "download", tmp_path / "download" / "set"):
        assert find_root(path, "photos/*.jpg") == tmp_path / "download" / "set"
        assert find_root(path, "maps/", "photos/") == tmp_path / "download" / "set", "any of the patterns"
    assert find_root(tmp_path, "photos/*.jpg") is None, "two folders further down"
    assert find_root(tmp_path / "download", "notes.txt/") is None, "a file is no folder"
    touch(tmp_path, "download/copy/photos/a.jpg")
    assert find_root(tmp_path / "download", "photos/*.jpg") is None, "one of two would be a guess"


def test_splits_come_in_the_order_of_their_use(tmp_path: Path) -> None:
    for name in ("val", "train", "extra"):
        (tmp_path / name).mkdir()
    touch(tmp_path, "test")
    assert split_folders(tmp_path) == ("train", "val")


def test_images_are_named_by_their_path_and_by_their_suffix_where_only_that_differs(tmp_path: Path) -> None:
    touch(tmp_path, "val/x/a.png", "val/x/a.jpg", "val/b.v2.png", "val/notes.txt", "train/c.png")
    images = images_of_split(tmp_path, "val")
    assert images == {
        "x/a.png": tmp_path / "val" / "x" / "a.png",
        "x/a.jpg": tmp_path / "val" / "x" / "a.jpg",
        "b.v2": tmp_path / "val" / "b.v2.png",
    }
    assert images_of_split(tmp_path, "").keys() == {"val/x/a.png", "val/x/a.jpg", "val/b.v2", "train/c"}


def test_missing_and_empty_folders_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(UsageError, match=r"val: no such folder; splits below .*: train \(--split\)"):
        images_of_split(tmp_path, "val")
    with pytest.raises(UsageError, match=r"train: no image in it or below \(looked for .*\.png"):
        images_of_split(tmp_path, "train")


def test_maps_are_named_without_their_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "maps/x/a.png", "maps/b.v2.PNG", "maps/c.tif", "maps/.hidden.png")
    maps = maps_by_name(tmp_path / "maps")
    assert maps == {"x/a": tmp_path / "maps" / "x" / "a.png", "b.v2": tmp_path / "maps" / "b.v2.PNG"}
    assert maps_by_name(tmp_path / "maps", {".tif"}).keys() == {"c"}
    assert maps_by_name(tmp_path / "missing") == {}


def test_samples_are_sorted_and_know_their_first_folder() -> None:
    images = {name: Path(f"{name}.png") for name in ("ulm/b/2", "aachen/1", "0")}
    found = [(sample.name, sample.city, sample.split, sample.image_path) for sample in samples_of(images, "val")]
    assert found == [
        ("0", "", "val", Path("0.png")),
        ("aachen/1", "aachen", "val", Path("aachen/1.png")),
        ("ulm/b/2", "ulm", "val", Path("ulm/b/2.png")),
    ]
