"""Any folder at all: patterns say which files are images, label maps and maps of objects."""

from pathlib import Path

import numpy as np
import pytest

from objdisc.datasets import DataOptions, FileOptions, Globs, available_splits, open_dataset
from objdisc.errors import UsageError
from tests.support.layouts import objects, photo, put, street


def opened(root: Path, split: str = "", foreground: list[str] | None = None, **files: object) -> Globs:
    dataset = open_dataset(root, split, foreground, DataOptions(), FileOptions(**files))  # type: ignore[arg-type]
    assert isinstance(dataset, Globs)
    return dataset


def labelled(dataset: Globs) -> list[str]:
    return [sample.name for sample in dataset.samples if dataset.read_labels(sample) is not None]


def test_stars_tell_which_map_belongs_to_which_image(tmp_path: Path) -> None:
    for day, time in (("mon", "1"), ("mon", "2"), ("tue", "1")):
        put(tmp_path / f"{day}/cam/{time}.jpg", photo())
        put(tmp_path / f"{day}/truth {time}.png", street())
        put(tmp_path / f"{day}/objects {time}.png", objects())
    put(tmp_path / "tue/cam/3.jpg", photo())
    names = tmp_path / "names.txt"
    names.write_text("7 road\n24 person\n26 car\n")
    dataset = opened(
        tmp_path,
        foreground=["car"],
        images="*/cam/*.jpg",
        labels="*/truth *.png",
        instances="*/objects *.png",
        class_names=names,
    )
    assert [sample.name for sample in dataset.samples] == ["mon/1", "mon/2", "tue/1", "tue/3"]
    assert labelled(dataset) == ["mon/1", "mon/2", "tue/1"]
    assert dataset.class_names == {7: "road", 24: "person", 26: "car"}
    assert dataset.ignore_ids == {255}
    np.testing.assert_array_equal(dataset.read_labels(dataset.samples[0]), street())
    np.testing.assert_array_equal(dataset.read_instances(dataset.samples[0]), objects())
    np.testing.assert_array_equal(dataset.read_foreground(dataset.samples[0]), street() == 26)


def test_without_a_pattern_for_images_all_others_are(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / f"photos/{name}_image.png", photo())
        put(tmp_path / f"deep/er/{name}_truth.png", street())
    put(tmp_path / "notes.jpg", photo())
    dataset = opened(tmp_path, labels="deep/**/*_truth.png")
    assert [sample.name for sample in dataset.samples] == ["notes", "photos/a_image", "photos/b_image"]
    assert [bool(dataset.label_paths(sample)) for sample in dataset.samples] == [False, True, True]
    assert available_splits(tmp_path, FileOptions(labels="deep/**/*_truth.png")) == ()


def test_a_split_is_a_part_of_the_patterns(tmp_path: Path) -> None:
    for split in ("val", "train", "extra"):
        put(tmp_path / f"x/{split}/i/a.jpg", photo())
        put(tmp_path / f"x/{split}/l/a.png", street())
    files = FileOptions(images="x/{split}/i/*.jpg", labels="x/{split}/l/*.png")
    assert available_splits(tmp_path, files) == ("train", "val", "extra")
    dataset = open_dataset(tmp_path, "val", files=files)
    assert [sample.image_path for sample in dataset.samples] == [tmp_path / "x/val/i/a.jpg"]
    assert dataset.label_paths(dataset.samples[0]) == (tmp_path / "x/val/l/a.png",)
    with pytest.raises(UsageError, match=r"no image fits that pattern .*; splits that fit: train, val, extra"):
        open_dataset(tmp_path, "test", files=files)


def test_patterns_that_fit_nothing_say_so(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg", photo())
    put(tmp_path / "maps/other.png", street())
    for files, message in (
        ({"images": "*.tif"}, r"--images '\*\.tif': no image fits that pattern below"),
        ({"images": "*.jpg", "labels": "maps/*.png"}, r"1 files fit that pattern .*none belongs to one of 1 images"),
        ({"instances": "none/*.png"}, "--instances 'none/.*': 0 files"),
    ):
        with pytest.raises(UsageError, match=message):
            open_dataset(tmp_path, "", files=FileOptions(**files))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a pattern needs a star"):
        FileOptions(images="a.jpg")
    with pytest.raises(UsageError, match="--every 0"):
        FileOptions(every=0)


def test_names_of_classes_for_images_beside_labels(tmp_path: Path) -> None:
    put(tmp_path / "images/a.jpg", photo())
    put(tmp_path / "labels/a.png", street())
    (tmp_path / "classes.txt").write_text("7 road\n24 person\n26 car\n")
    dataset = open_dataset(tmp_path, "", ["car"], files=FileOptions(class_names=tmp_path / "classes.txt"))
    assert dataset.class_names[26] == "car"
    with pytest.raises(UsageError, match=r"--class-names: .* is taken for ImageFolder"):
        open_dataset(tmp_path / "images", "", files=FileOptions(class_names=tmp_path / "classes.txt"))
