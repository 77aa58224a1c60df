"""Folders of images: nested or flat, with splits or without, with a few words of weak supervision or none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.datasets import DataOptions, open_dataset
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UsageError
from objdisc.types import Sample


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Give a folder as CIFAR-10 lies: root/<split>/<class>/<number>.jpg; test lacks the class cat."""
    for index, name in enumerate(
        ["train/dog/0", "train/dog/1", "train/cat/0", "train/frog/0", "test/dog/0", "test/frog/0"]
    ):
        path = tmp_path / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32 + index, 24)).save(path)
    return tmp_path


def _by_name(dataset: ImageFolder) -> dict[str, Sample]:
    return {sample.name: sample for sample in dataset.samples}


def test_a_flat_folder_needs_neither_labels_nor_equal_sizes(tmp_path: Path) -> None:
    for size, name in [((30, 20), "b.png"), ((64, 48), "a photo.JPG"), ((10, 10), "Größe.webp")]:
        Image.new("RGB", size).save(tmp_path / name)
    dataset = ImageFolder(tmp_path)
    assert [sample.name for sample in dataset.samples] == ["Größe", "a photo", "b"]
    assert [dataset.read_image(sample).shape for sample in dataset.samples] == [(10, 10, 3), (48, 64, 3), (20, 30, 3)]
    assert not dataset.has_ground_truth
    assert dataset.class_names == {}
    for sample in dataset.samples:
        assert sample.city == ""
        assert dataset.is_foreground(sample) is None
        assert dataset.read_labels(sample) is None
        assert dataset.read_foreground(sample) is None
        assert dataset.read_instances(sample) is None
        assert dataset.mask_paths(sample) == ()


def test_foreground_names_say_object_or_not_and_nothing_else(animals: Path) -> None:
    dataset = ImageFolder(animals, "train", foreground=["dog", "frog"])
    samples = _by_name(dataset)
    assert {name: dataset.is_foreground(sample) for name, sample in samples.items()} == {
        "cat/0": False,
        "dog/0": True,
        "dog/1": True,
        "frog/0": True,
    }
    whole = dataset.read_foreground(samples["frog/0"])
    nothing = dataset.read_foreground(samples["cat/0"])
    assert whole is not None
    assert nothing is not None
    assert whole.shape == dataset.read_image(samples["frog/0"]).shape[:2]
    assert whole.all()
    assert not nothing.any()


def test_labels_are_subfolders_with_the_same_ids_in_every_split(animals: Path) -> None:
    train, test = ImageFolder(animals, "train"), ImageFolder(animals, "test")
    assert train.class_names == test.class_names == {0: "cat", 1: "dog", 2: "frog"}
    assert set(train.class_colors) == {0, 1, 2}
    labels = test.read_labels(_by_name(test)["frog/0"])
    assert labels is not None
    assert labels.dtype == np.uint8
    assert labels.shape == (24, 37)
    assert (labels == 2).all()


def test_nested_folders_of_photos_are_not_classes(tmp_path: Path) -> None:
    (tmp_path / "2023" / "summer").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "2023" / "summer" / "beach.png")
    dataset = ImageFolder(tmp_path)
    assert dataset.samples[0].name == "2023/summer/beach"
    assert not dataset.has_ground_truth
    assert ImageFolder(tmp_path, labels_from_folders=True).class_names == {0: "2023"}


def test_subfolders_of_a_folder_without_splits_are_classes_where_the_reading_says_so(animals: Path) -> None:
    without = open_dataset(animals / "train", "", None, DataOptions())
    assert not without.has_ground_truth
    dataset = open_dataset(animals / "train", "", None, DataOptions(folder_classes=True))
    assert dataset.split == ""
    assert dataset.class_names == {0: "cat", 1: "dog", 2: "frog"}
    assert dataset.labels_whole_images


def test_labels_can_be_declined(animals: Path) -> None:
    dataset = ImageFolder(animals, "train", foreground=["dog"], labels_from_folders=False)
    assert not dataset.has_ground_truth
    assert dataset.is_foreground(_by_name(dataset)["dog/0"])


def test_names_stay_unique_where_only_the_suffix_differs(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert [sample.name for sample in ImageFolder(tmp_path).samples] == ["a.jpg", "a.png", "b"]


def test_the_current_folder_can_be_given_as_a_dot(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(animals / "test")
    assert [sample.name for sample in ImageFolder(Path()).samples] == ["dog/0", "frog/0"]


def test_unknown_foreground_names_those_that_are_there(animals: Path) -> None:
    with pytest.raises(UsageError, match="no subfolder bird for --foreground; there: cat, dog, frog"):
        ImageFolder(animals, "train", foreground=["dog", "bird"])
    with pytest.raises(UsageError, match="no subfolder was named"):
        ImageFolder(animals, "train", foreground=[])


def test_missing_and_empty_splits_are_errors(animals: Path) -> None:
    with pytest.raises(UsageError, match=r"val: no such folder; splits below .*: train, test"):
        ImageFolder(animals, "val")
    (animals / "val").mkdir()
    (animals / "val" / "notes.txt").touch()
    with pytest.raises(UsageError, match="val: no image in it or below"):
        ImageFolder(animals, "val")


def test_more_subfolders_than_a_label_map_can_hold(tmp_path: Path) -> None:
    for index in range(257):
        (tmp_path / "train" / f"{index:03d}").mkdir(parents=True)
        (tmp_path / "train" / f"{index:03d}" / "0.png").touch()
    assert not ImageFolder(tmp_path, "train").has_ground_truth
    with pytest.raises(UsageError, match="257 subfolders; at most 256"):
        ImageFolder(tmp_path, "train", labels_from_folders=True)


@pytest.mark.real_data
def test_cifar10_opens_as_classes() -> None:
    root = Path("data/cifar10")
    if not root.is_dir():
        pytest.skip(f"{root} is absent; see data/README.md")
    dataset = ImageFolder(root, "train", foreground=["dog", "automobile"])
    assert len(dataset.samples) == 50_000
    assert sum(dataset.is_foreground(sample) is True for sample in dataset.samples) == 10_000
    assert dataset.read_image(dataset.samples[0]).shape == (32, 32, 3)
