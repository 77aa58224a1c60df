"""ADE20K, Pascal VOC, Vaihingen, and folders of images beside folders of maps, in the orders that people use."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.datasets import Ade20k, LabelMaps, Vaihingen, Voc, available_splits, open_dataset
from objdisc.datasets.class_names import read_class_names
from objdisc.datasets.potsdam import CLASS_COLORS
from objdisc.errors import UsageError
from tests.support.layouts import SIZE, objects, photo, put, write_json

CLASSES = np.where(objects() == 3, 15, np.where(objects() > 0, 7, 0)).astype(np.uint8)  # two cars and a person of VOC


def indexed(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    image.save(path)


def voc(root: Path) -> Path:
    """Write three images, two of them listed and labelled, with a border around the objects."""
    border = np.zeros(SIZE, bool)
    border[3, 2:18] = True
    for name in ("2007_000032", "2007_000039", "2007_000063"):
        put(root / f"JPEGImages/{name}.jpg", photo())
        if name != "2007_000063":
            indexed(root / f"SegmentationClass/{name}.png", np.where(border, 255, CLASSES).astype(np.uint8))
            indexed(root / f"SegmentationObject/{name}.png", np.where(border, 255, objects()).astype(np.uint8))
    for split, name in (("train", "2007_000032"), ("val", "2007_000039")):
        path = root / f"ImageSets/Segmentation/{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    return root


def test_voc_in_the_folders_of_its_archive(tmp_path: Path) -> None:
    voc(tmp_path / "download/VOCdevkit/VOC2012")
    for root in ("download", "download/VOCdevkit", "download/VOCdevkit/VOC2012"):
        dataset = open_dataset(tmp_path / root, "val")
        assert isinstance(dataset, Voc)
        assert [sample.name for sample in dataset.samples] == ["2007_000039"]
        assert available_splits(tmp_path / root) == ("train", "val")
        labels = dataset.read_labels(dataset.samples[0])
        assert labels is not None
        assert {dataset.class_names.get(label, "border") for label in np.unique(labels)} == {
            "background",
            "car",
            "person",
            "border",
        }
        assert 255 in dataset.ignore_ids
        np.testing.assert_array_equal(dataset.read_instances(dataset.samples[0]), objects())
    other = open_dataset(tmp_path / root, "val", ["person"])
    np.testing.assert_array_equal(other.read_instances(other.samples[0]), objects() == 3)
    with pytest.raises(UsageError, match=r"demo\.txt: no such list of a split"):
        open_dataset(tmp_path / root, "demo")


def test_voc_without_lists_is_taken_whole(tmp_path: Path) -> None:
    for path in voc(tmp_path).glob("ImageSets/*/*.txt"):
        path.unlink()
    dataset = open_dataset(tmp_path, "train")
    assert isinstance(dataset, Voc)
    assert len(dataset.samples) == 3
    assert dataset.split == ""


def test_ade20k(tmp_path: Path) -> None:
    root = tmp_path / "download/ADEChallengeData2016"
    for split, stem in (("training", "ADE_train_00000001"), ("validation", "ADE_val_00000001")):
        put(root / f"images/{split}/{stem}.jpg", photo())
        put(root / f"annotations/{split}/{stem}.png", CLASSES)
        put(
            root / f"annotations_instance/{split}/{stem}.png",
            np.stack([CLASSES, objects(), np.zeros(SIZE, np.uint8)], -1),
        )
    rows = "".join(f"{i}\t0.1\t1\t1\t0\tname {i}, other name\n" for i in range(1, 151))
    (root / "objectInfo150.txt").write_text(f"Idx\tRatio\tTrain\tVal\tStuff\tName\n{rows}")
    dataset = open_dataset(tmp_path / "download", "train")
    assert isinstance(dataset, Ade20k)
    assert available_splits(root) == ("train", "val")
    assert dataset.class_names[7] == "name 7"
    assert dataset.ignore_ids == {0}
    np.testing.assert_array_equal(dataset.read_labels(dataset.samples[0]), CLASSES)
    np.testing.assert_array_equal(dataset.read_instances(dataset.samples[0]), objects())
    assert dataset.mask_paths(dataset.samples[0]) == (root / "annotations_instance/training/ADE_train_00000001.png",), (
        "regions depend on the instances alone"
    )
    (root / "objectInfo150.txt").unlink()
    assert open_dataset(root, "val").class_names[150] == "class 150"


def test_vaihingen(tmp_path: Path) -> None:
    colors = np.array([CLASS_COLORS[label] for label in range(6)], np.uint8)
    for area in (1, 2):
        put(tmp_path / f"top/top_mosaic_09cm_area{area}.tif", photo())
    put(tmp_path / "gts_for_participants/top_mosaic_09cm_area1.tif", colors[objects()])
    assert available_splits(tmp_path) == ("train", "test", "all")
    dataset = open_dataset(tmp_path, "train")
    assert isinstance(dataset, Vaihingen)
    assert [sample.name for sample in dataset.samples] == ["top_mosaic_09cm_area1"]
    np.testing.assert_array_equal(dataset.read_labels(dataset.samples[0]), objects())
    assert not open_dataset(tmp_path, "test").has_ground_truth


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/{split}/a.jpg", "labels/{split}/a.png"),
        ("{split}/images/a.jpg", "{split}/masks/a.png"),
        ("img_dir/{split}/a.jpg", "ann_dir/{split}/a.png"),
        ("{split}/Images/deep/a_img.jpg", "{split}/Labels/deep/a_label.png"),
        ("image/{split}/a_sat.jpg", "label/{split}/a_mask.png"),
        ("imgs/{split}/a.png", "gt/{split}/a.png"),
    ],
)
def test_images_beside_maps_in_either_order_of_splits(tmp_path: Path, image: str, label: str) -> None:
    names = {"val": "validation"} if "Images" in image else {}
    for split in ("train", "val"):
        put(tmp_path / image.format(split=names.get(split, split)), photo())
        put(tmp_path / label.format(split=names.get(split, split)), objects())
    dataset = open_dataset(tmp_path, "val")
    assert isinstance(dataset, LabelMaps)
    assert available_splits(tmp_path) == ("train", "val")
    assert len(dataset.samples) == 1
    np.testing.assert_array_equal(dataset.read_labels(dataset.samples[0]), objects())


def test_masks_of_two_ids_are_objects_and_maps_of_more_are_not(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"images/{number}.jpg", photo())
        put(tmp_path / f"masks/{number}_mask.png", 255 * (objects() > 0).astype(np.uint8))
    dataset = open_dataset(tmp_path, "")
    np.testing.assert_array_equal(dataset.read_foreground(dataset.samples[0]), objects() > 0)
    put(tmp_path / "masks/0_mask.png", objects())
    assert open_dataset(tmp_path, "").mask_paths(dataset.samples[0]) == ()


def test_folders_of_other_annotations_are_no_folders_of_maps(tmp_path: Path) -> None:
    put(tmp_path / "images/a.jpg", photo())
    write_json(tmp_path / "annotations/instances.json", {})
    dataset = open_dataset(tmp_path, "")
    assert not isinstance(dataset, LabelMaps)
    assert "1 .json: no images" in str(dataset.left_out)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"0": "road", "7": "car"}'),
        ("a.csv", "id,name,color\n0,road,red\n7,car,blue\n"),
        ("a.csv", "road,0\ncar,7\n"),
        ("a.txt", "0: road\n7: car\n"),
        ("a.names", "# ours\n0 road\n7 car\n"),
    ],
)
def test_names_of_classes_in_any_common_form(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_class_names(tmp_path / name) == {0: "road", 7: "car"}


def test_names_alone_count_from_0_and_equal_ones_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("road\ntraffic light\nroad\n")
    assert read_class_names(tmp_path / "a.txt") == {0: "road", 1: "traffic light", 2: "road 2"}
    for text in ("", "300 x"):
        (tmp_path / "a.txt").write_text(text)
        with pytest.raises(UsageError, match=r"a\.txt: holds"):
            read_class_names(tmp_path / "a.txt")
