"""A folder of images beside a folder of label maps."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.datasets import DataOptions, LabelMaps, available_splits, open_dataset
from objdisc.errors import UnreadableImageError, UsageError

DRONE_3 = {"hard surface": [1, 2, 4, 17], "vegetation": [3, 8, 19, 20], "building": [9, 10, 11, 12]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write two images of different sizes, one with a map of classes 0 to 2, and the names of three classes."""
    for path, pixels in {
        "images/001.jpg": np.zeros((8, 12, 3), np.uint8),
        "images/b.v2.png": np.zeros((6, 6, 3), np.uint8),
        "labels/001.png": np.tile(np.repeat(np.arange(3, dtype=np.uint8), 4), (8, 1)),
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / path), pixels)
    (tmp_path / "classes.json").write_text(json.dumps({"0": "unlabeled", "1": "road", "2": "roof"}))
    return tmp_path


def test_maps_are_no_images_and_belong_to_images_of_the_same_name(folder: Path) -> None:
    dataset = open_dataset(folder, "val")
    assert isinstance(dataset, LabelMaps)
    assert [sample.name for sample in dataset.samples] == ["001", "b.v2"]
    assert available_splits(folder) == ()
    labels = dataset.read_labels(dataset.samples[0])
    assert labels is not None
    assert labels[0].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert dataset.read_labels(dataset.samples[1]) is None
    assert dataset.class_names == {0: "unlabeled", 1: "road", 2: "roof"}
    assert dataset.class_colors.keys() == dataset.class_names.keys()
    assert not dataset.labels_whole_images


def test_groups_mask_the_rest(folder: Path) -> None:
    dataset = open_dataset(folder, "", options=DataOptions(classes={"built": [1, 2]}))
    assert dataset.read_valid(dataset.samples[0])[0].tolist() == [False] * 4 + [True] * 8
    assert dataset.read_valid(dataset.samples[1]).all(), "no map: every pixel takes part"


def test_splits_lie_below_both_folders(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            path = tmp_path / kind / split / "a.png"
            path.parent.mkdir(parents=True)
            cv2.imwrite(str(path), np.full((4, 4), 7, np.uint8))
    assert available_splits(tmp_path) == ("train", "val")
    dataset = open_dataset(tmp_path, "val")
    labels = dataset.read_labels(dataset.samples[0])
    assert labels is not None
    assert (labels == 7).all()
    assert dataset.class_names[7] == "class 7", "without classes.json"


def test_a_folder_of_images_without_any_map_is_enough(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((4, 4, 3), np.uint8))
    dataset = open_dataset(tmp_path, "")
    assert not dataset.has_ground_truth
    assert dataset.class_names == {}


def test_foreground_is_what_was_named(folder: Path) -> None:
    dataset = open_dataset(folder, "", ["roof"])
    foreground = dataset.read_foreground(dataset.samples[0])
    assert foreground is not None
    assert foreground[0].tolist() == [False] * 8 + [True] * 4
    assert dataset.mask_paths(dataset.samples[0]) == (folder / "labels" / "001.png",)
    with pytest.raises(UsageError, match="no class moon for --foreground; there: unlabeled, road, roof"):
        open_dataset(folder, "", ["moon"])


def test_maps_that_do_not_fit_and_names_that_cannot_be_read_are_refused(folder: Path) -> None:
    cv2.imwrite(str(folder / "labels" / "001.png"), np.zeros((8, 8), np.uint8))
    dataset = open_dataset(folder, "")
    with pytest.raises(UnreadableImageError, match="8x8 pixels, but its image"):
        dataset.read_labels(dataset.samples[0])
    for text in ("{", '{"a": "b"}', "[]", "{}", '{"300": "x"}'):
        (folder / "classes.json").write_text(text)
        with pytest.raises(UsageError, match=r"classes\.json: "):
            open_dataset(folder, "")


@pytest.mark.real_data
def test_drone80_has_three_groups_in_nearly_every_image() -> None:
    root = Path("data/drone80")
    if not root.is_dir():
        pytest.skip(f"{root} is absent; see data/README.md")
    dataset = open_dataset(root, "train", options=DataOptions(classes=DRONE_3))
    assert len(dataset.samples) == 80
    counts = np.zeros(256, np.int64)
    for sample in dataset.samples:
        labels = dataset.read_labels(sample)
        assert labels is not None
        assert labels.shape == dataset.read_image(sample).shape[:2] == (512, 512)
        counts += np.bincount(labels.ravel(), minlength=256)
    assert set(np.flatnonzero(counts)) == {0, 1, 2, 255}
