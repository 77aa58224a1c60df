"""Mapillary Vistas, KITTI and BDD100K, written as they are downloaded: recognised, with labels and objects."""

from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import id2label

from objdisc.datasets import Bdd100k, ImageDataset, Kitti, Vistas, available_splits, open_dataset
from objdisc.errors import UnreadableImageError, UsageError
from tests.support.layouts import CAR, PERSON, ROAD, instance_ids, objects, photo, put, street, write_json


def vistas(root: Path) -> Path:
    """Write a Vistas whose classes are those of Cityscapes, in version 2.0."""
    classes = [
        {"name": label.name, "readable": label.name, "instances": label.hasInstances, "color": label.color}
        for number, label in sorted(id2label.items())
        if number >= 0
    ]
    write_json(root / "config_v2.0.json", {"version": 2.0, "labels": classes})
    put(root / "training/images/a.jpg", photo())
    put(root / "training/v2.0/labels/a.png", street())
    ids = instance_ids(256)
    put(root / "training/v2.0/instances/a.png", np.where(ids > 0, ids, street().astype(np.uint16) * 256))
    put(root / "validation/images/b.jpg", photo())
    put(root / "testing/images/c.jpg", photo())
    return root


def kitti(root: Path) -> Path:
    """Write both splits of KITTI's semantics; numbers of objects begin at 1."""
    put(root / "training/image_2/000000_10.png", photo())
    put(root / "training/semantic/000000_10.png", street())
    ids = instance_ids(256, first=1)
    put(root / "training/instance/000000_10.png", np.where(ids > 0, ids, street().astype(np.uint16) * 256))
    put(root / "testing/image_2/000001_10.png", photo())
    return root


def bdd100k(root: Path) -> Path:
    """Write the 10k images with class maps and bitmasks."""
    train_ids = np.full(street().shape, 255, np.uint8)
    bits = np.zeros((*street().shape, 4), np.uint8)
    for class_id, bit_class in ((ROAD, 0), (CAR, 3), (PERSON, 1)):
        train_ids[street() == class_id] = id2label[class_id].trainId
        bits[street() == class_id, 0] = bit_class
    bits[..., 2] = objects() // 2  # numbers take two bytes
    bits[..., 3] = objects()
    bits[objects() == 1, 1] = 0b1100  # occluded and truncated objects are objects
    put(root / "images/10k/train/a.jpg", photo())
    put(root / "images/10k/val/b.jpg", photo())
    put(root / "images/100k/train/c.jpg", photo())
    put(root / "labels/sem_seg/masks/train/a.png", train_ids)
    put(root / "labels/ins_seg/bitmasks/train/a.png", bits)
    return root


def opened(root: Path) -> ImageDataset:
    dataset = open_dataset(root, "train")
    assert len(dataset.samples) == 1
    return dataset


def names_of(dataset: ImageDataset) -> list[list[str]]:
    labels = dataset.read_labels(dataset.samples[0])
    assert labels is not None
    return [[dataset.class_names.get(label, "") for label in row] for row in labels.tolist()]


TRUTH = [[id2label[label].name for label in row] for row in street().tolist()]


@pytest.mark.parametrize(
    ("write", "layout", "splits"),
    [
        (vistas, Vistas, ("train", "val", "test")),
        (kitti, Kitti, ("train", "test")),
        (bdd100k, Bdd100k, ("train", "val")),
    ],
)
def test_each_is_recognised_with_its_labels_and_objects(tmp_path: Path, write, layout, splits) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    write(tmp_path / "parent/set")
    for root in (tmp_path / "parent/set", tmp_path / "parent"):
        dataset = opened(root)
        assert type(dataset) is layout
        assert available_splits(root) == splits
        assert names_of(dataset) == TRUTH
        assert dataset.has_instances
        np.testing.assert_array_equal(dataset.read_instances(dataset.samples[0]), objects())
        runs = dataset.read_instance_runs(dataset.samples[0])
        assert runs is not None
        assert len(runs.boxes) == 3
        np.testing.assert_array_equal(dataset.read_foreground(dataset.samples[0]), objects() > 0)
    other = open_dataset(root, "train", ["person"])
    np.testing.assert_array_equal(other.read_instances(other.samples[0]), objects() == 3)
    assert not open_dataset(root, splits[-1]).has_ground_truth
    with pytest.raises(UsageError, match="no split 'demo' there; splits: train"):
        open_dataset(root, "demo")


def test_version_1_of_vistas_has_no_folder_of_the_version(tmp_path: Path) -> None:
    root = vistas(tmp_path)
    (root / "config_v2.0.json").rename(root / "config.json")
    for kind in ("labels", "instances"):
        (root / "training/v2.0" / kind).rename(root / "training" / kind)
    assert names_of(opened(root)) == TRUTH
    write_json(root / "config.json", {"labels": [{"name": "x"}]})
    with pytest.raises(UsageError, match=r"config\.json: no classes in it"):
        opened(root)


def test_the_first_release_of_bdd100k_and_crowds(tmp_path: Path) -> None:
    root = bdd100k(tmp_path / "new")
    bits = np.zeros((*street().shape, 4), np.uint8)
    bits[..., 0], bits[..., 3] = 3, objects()
    bits[objects() == 1, 1] = 0b10  # a crowd
    put(root / "labels/ins_seg/bitmasks/train/a.png", bits)
    dataset = opened(root)
    found = dataset.read_instances(dataset.samples[0])
    assert found is not None
    assert (found > 0).sum() == (street() != 0).sum() - (objects() == 1).sum()
    put(root / "labels/ins_seg/bitmasks/train/a.png", street())
    with pytest.raises(UnreadableImageError, match="no RGBA image"):
        dataset.read_instances(dataset.samples[0])
    old = tmp_path / "old"
    put(old / "seg/images/train/a.jpg", photo())
    put(old / "seg/labels/train/a_train_id.png", np.zeros(street().shape, np.uint8))
    assert names_of(opened(old))[0][0] == "road"
