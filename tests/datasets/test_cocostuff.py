"""COCO-Stuff in its published layout: fine ids to coarse classes, and the sets of 15 and 3 stuff classes."""

from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets import CocoStuff, DataOptions, available_splits, open_dataset
from objdisc.datasets.cocostuff import COARSE_IDS, COARSE_NAMES, FINE_NAMES
from objdisc.errors import UnreadableImageError, UsageError

STUFF_15 = {COARSE_NAMES[label]: [label] for label in range(12, 27)}
STUFF_3 = {"sky": [23], "plants": [22], "ground": [21]}

# The published table by fine id: things in runs, stuff one by one
PUBLISHED_THINGS = chain.from_iterable(
    repeat(coarse, count)
    for coarse, count in [
        (9, 1),
        (11, 8),
        (8, 6),
        (7, 10),
        (6, 8),
        (10, 10),
        (5, 8),
        (2, 10),
        (3, 10),
        (0, 6),
        (1, 6),
        (4, 8),
    ]
)
PUBLISHED_STUFF = (
    "17 17 22 20 20 22 15 25 16 13 12 12 17 17 23 15 15 17 15 21 15 25 13 13 13 13 13 22 26 14 "
    "14 15 22 21 21 24 20 22 15 17 16 15 22 24 21 17 25 16 21 17 22 16 21 21 25 21 26 21 24 20 "
    "17 14 21 26 15 23 20 21 24 15 24 22 25 15 20 17 17 22 14 18 18 18 18 18 18 18 26 26 19 19 "
    "24 "
)


def test_fine_classes_fall_into_the_published_coarse_ones() -> None:
    published = [*PUBLISHED_THINGS, *map(int, PUBLISHED_STUFF.split())]
    assert list(COARSE_IDS) == published
    assert len(published) == 182
    assert {FINE_NAMES[label]: label for label in (0, 1, 90, 91, 105, 156, 168, 181)} == {
        "person": 0,
        "bicycle": 1,
        "hair brush": 90,
        "banner": 91,
        "clouds": 105,
        "sky-other": 156,
        "tree": 168,
        "wood": 181,
    }


def _write(root: Path, name: str, fine: NDArray[np.uint8], split: str = "train2017") -> None:
    for folder, suffix, pixels in (
        ("images", ".jpg", np.full((*fine.shape, 3), 90, np.uint8)),
        ("annotations", ".png", fine),
    ):
        path = root / folder / split / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Write three train images and one val image: 40 columns of person, sky, road, tree, table and unlabelled."""
    columns = np.repeat(np.array([0, 156, 148, 168, 164, 255, 105, 123], np.uint8), 5)
    for name in ("000000000009", "000000000025"):
        _write(tmp_path, name, np.tile(columns, (30, 1)))
    _write(tmp_path, "000000000139", np.tile(columns, (30, 1)), "val2017")
    cv2.imwrite(str(tmp_path / "images" / "train2017" / "000000000030.jpg"), np.zeros((30, 40, 3), np.uint8))
    return tmp_path


def test_the_published_layout_is_recognised_and_read_as_27_classes(coco: Path) -> None:
    dataset = open_dataset(coco, "train")
    assert isinstance(dataset, CocoStuff)
    assert available_splits(coco) == ("train", "val")
    assert [sample.name for sample in dataset.samples] == ["000000000009", "000000000025", "000000000030"]
    labels = dataset.read_labels(dataset.samples[0])
    assert labels is not None
    assert labels[0, ::5].tolist() == [9, 23, 21, 22, 15, 255, 23, 22]
    assert len(dataset.class_names) == len(dataset.class_colors) == 27
    assert dataset.class_names[23] == "sky"
    assert dataset.class_names[9] == "person (thing)"
    assert dataset.ignore_ids == {255}


def test_folders_named_as_the_zip_files_are_found_too(coco: Path) -> None:
    (coco / "annotations").rename(coco / "stuffthingmaps_trainval2017")
    for split in ("train2017", "val2017"):
        (coco / "images" / split).rename(coco / split)
    dataset = open_dataset(coco, "val")
    assert dataset.has_ground_truth
    assert dataset.read_labels(dataset.samples[0]) is not None


def test_the_15_stuff_classes_mask_things_and_unlabelled_pixels(coco: Path) -> None:
    dataset = open_dataset(coco, "train", options=DataOptions(classes=STUFF_15))
    sample = dataset.samples[0]
    labels = dataset.read_labels(sample)
    assert labels is not None
    assert labels[0, ::5].tolist() == [255, 11, 9, 10, 3, 255, 11, 10]
    assert np.array_equal(dataset.read_valid(sample), labels != 255)
    assert list(dataset.class_names.values())[-4:] == ["sky", "solid", "structural", "water"]


def test_the_3_classes_are_sky_plants_and_ground(coco: Path) -> None:
    dataset = open_dataset(coco, "train", options=DataOptions(classes=STUFF_3, scale=0.33))
    labels = dataset.read_labels(dataset.samples[0])
    assert labels is not None
    assert labels.shape == dataset.read_image(dataset.samples[0]).shape[:2] == (10, 13)
    assert set(np.unique(labels)) == {0, 1, 2, 255}


def test_unlabelled_pixels_are_masked_without_any_grouping_and_images_without_a_map_are_whole(coco: Path) -> None:
    dataset = open_dataset(coco, "train")
    assert dataset.read_valid(dataset.samples[0])[0, ::5].tolist() == [True] * 5 + [False] + [True] * 2
    assert dataset.read_valid(dataset.samples[2]).all()
    assert dataset.read_labels(dataset.samples[2]) is None


def test_things_are_the_foreground(coco: Path) -> None:
    dataset = CocoStuff(coco)
    foreground = dataset.read_foreground(dataset.samples[0])
    assert foreground is not None
    assert foreground[0, ::5].tolist() == [True] + [False] * 7
    with pytest.raises(UsageError, match="foreground: unicorn; COCO-Stuff classes are electronic"):
        CocoStuff(coco, foreground=["unicorn"])


def test_the_published_rule_chooses_large_images_of_mostly_stuff(tmp_path: Path) -> None:
    for name, (size, stuff) in {
        "fits": ((360, 400), 0.75),
        "narrow": ((359, 400), 1.0),
        "things": ((360, 400), 0.74),
        "tall": ((500, 360), 0.9),
    }.items():
        fine = np.zeros(size, np.uint8)
        fine[:, : round(size[1] * stuff)] = 148
        _write(tmp_path, name, fine)
    rule = DataOptions(classes=STUFF_15, min_side=360, min_share=0.75)
    assert [sample.name for sample in open_dataset(tmp_path, "train", options=rule).samples] == ["fits", "tall"]


def test_ids_that_the_maps_cannot_hold_and_maps_of_another_size_are_refused(coco: Path) -> None:
    dataset = CocoStuff(coco)
    path = coco / "annotations" / "train2017" / "000000000009.png"
    cv2.imwrite(str(path), np.full((30, 40), 183, np.uint8))
    with pytest.raises(
        UnreadableImageError, match=r"000000000009\.png: holds the id 183; stuffthingmaps hold 0 to 181"
    ):
        dataset.read_labels(dataset.samples[0])
    cv2.imwrite(str(path), np.zeros((30, 20), np.uint8))
    with pytest.raises(UnreadableImageError, match="20x30 pixels, but its image"):
        dataset.read_valid(dataset.samples[0])


def test_missing_splits_name_those_that_are_there(coco: Path) -> None:
    with pytest.raises(UsageError, match="no split 'test'; splits with images: train, val"):
        CocoStuff(coco, "test")
    with pytest.raises(UsageError, match="give the folder that holds images/"):
        CocoStuff(coco / "annotations")
