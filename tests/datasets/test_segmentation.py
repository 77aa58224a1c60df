"""What layouts with label maps share, on the smallest layout that can be written on it."""

import ast
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import objdisc
from objdisc.datasets import LAYOUTS, Cityscapes, CocoStuff, DataOptions, LabelMaps, Potsdam
from objdisc.datasets.listing import maps_by_name, split_folders
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.types import Sample

NAMES = {0: "sea", 1: "island", 2: "boat"}
COLORS = {0: (0, 0, 255), 1: (0, 255, 0), 2: (255, 0, 0)}
MAP = np.repeat(np.array([0, 1, 2], np.uint8), 4)[None].repeat(6, axis=0)


class Islands(SegmentationDataset):
    """``<split>/photos/NAME.png`` beside ``<split>/classes/NAME.png``; boats are objects."""

    def __init__(self, root: Path, split: str = "train", foreground: tuple[str, ...] | None = ("boat",)) -> None:
        images, maps = (maps_by_name(root / split / kind) for kind in ("photos", "classes"))
        super().__init__(root, split, images, maps, NAMES, COLORS, foreground)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a split holds photos."""
        return bool(cls.splits_of(path))

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return the splits that hold photos."""
        return tuple(split for split in split_folders(path) if (path / split / "photos").is_dir())


class Inverted(Islands):
    """Islands whose maps hold 2 less the id."""

    title = "Inverted Islands"

    def _decode_labels(self, sample: Sample, path: Path) -> NDArray[np.uint8]:
        return 2 - super()._decode_labels(sample, path)


@pytest.fixture
def islands(tmp_path: Path) -> Path:
    """Write two photos of 12x6 pixels, the first with a map: four columns each of sea, island and boat."""
    for path, pixels in {
        "train/photos/north/b.png": np.zeros((6, 12, 3), np.uint8),
        "train/photos/a.png": np.zeros((6, 12, 3), np.uint8),
        "train/classes/a.png": MAP,
        "train/classes/other.png": MAP,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / path), pixels)
    return tmp_path


def test_a_layout_says_where_images_and_maps_lie_and_the_rest_follows(islands: Path) -> None:
    dataset = Islands.open(islands, "train", None, DataOptions())
    with_map, without = dataset.samples
    assert [(sample.name, sample.city, sample.split) for sample in dataset.samples] == [
        ("a", "", "train"),
        ("north/b", "north", "train"),
    ]
    assert dataset.has_ground_truth
    assert not dataset.has_instances
    assert not dataset.labels_whole_images
    assert (dataset.class_names, dataset.class_colors, dataset.ignore_ids) == (NAMES, COLORS, frozenset())
    labels, foreground = dataset.read_labels(with_map), dataset.read_foreground(with_map)
    assert labels is not None
    assert foreground is not None
    np.testing.assert_array_equal(labels, MAP)
    np.testing.assert_array_equal(foreground, MAP == 2)
    assert dataset.mask_paths(with_map) == dataset.label_paths(with_map) == (islands / "train" / "classes" / "a.png",)
    assert dataset.mask_paths(without) == dataset.label_paths(without) == ()
    assert dataset.read_labels(without) is None
    assert dataset.read_foreground(without) is None
    for sample in dataset.samples:
        assert dataset.read_instances(sample) is None
        assert dataset.read_instance_runs(sample) is None
        assert dataset.is_foreground(sample) is None


def test_objects_are_those_of_the_constructor_unless_others_are_named(islands: Path) -> None:
    assert Islands.open(islands, "train", None, DataOptions()).foreground == ("boat",)
    named = Islands.open(islands, "train", ["island", "sea"], DataOptions())
    foreground = named.with_options(DataOptions(scale=0.5)).read_foreground(named.samples[0])
    assert foreground is not None
    np.testing.assert_array_equal(foreground, (MAP < 2)[1::2, 1::2])


def test_without_chosen_classes_no_map_is_a_mask(islands: Path) -> None:
    dataset = Islands(islands, foreground=None)
    assert dataset.foreground is None
    assert dataset.read_foreground(dataset.samples[0]) is None
    assert dataset.mask_paths(dataset.samples[0]) == ()
    assert dataset.label_paths(dataset.samples[0]) != ()


def test_without_a_map_there_is_no_class(islands: Path) -> None:
    (islands / "train" / "classes" / "a.png").unlink()
    dataset = Islands(islands)
    assert not dataset.has_ground_truth, "the map that is left belongs to no image"
    assert (dataset.class_names, dataset.class_colors) == ({}, {})


def test_maps_of_another_coding_are_decoded_by_their_layout(islands: Path) -> None:
    dataset = Inverted(islands)
    labels, foreground = dataset.read_labels(dataset.samples[0]), dataset.read_foreground(dataset.samples[0])
    assert labels is not None
    assert foreground is not None
    np.testing.assert_array_equal(labels, 2 - MAP)
    np.testing.assert_array_equal(foreground, MAP == 0)


def test_a_map_of_another_size_is_refused(islands: Path) -> None:
    cv2.imwrite(str(islands / "train" / "classes" / "a.png"), MAP[:, :5])
    dataset = Islands(islands)
    with pytest.raises(UnreadableImageError, match=r"classes/a\.png: 5x6 pixels, but its image .*a\.png has 12x6"):
        dataset.read_foreground(dataset.samples[0])


def test_missing_splits_and_unknown_classes_name_what_is_there(islands: Path) -> None:
    with pytest.raises(UsageError, match="no split 'val'; splits with images: train"):
        Islands(islands, "val")
    with pytest.raises(UsageError, match="no class ship for --foreground; there: sea, island, boat"):
        Islands(islands, foreground=("boat", "ship"))
    with pytest.raises(UsageError, match="foreground: ship, sky; Inverted Islands classes are sea, island, boat"):
        Inverted(islands, foreground=("ship", "sky"))
    with pytest.raises(UsageError, match="foreground: empty; Inverted"):
        Inverted(islands, foreground=())


def test_only_the_reading_of_class_ids_decodes_label_maps() -> None:
    """A second way to the class ids would pass by what ``read_labels`` and ``_read_class_ids`` are held to."""
    package = Path(objdisc.__file__).parent
    callers = {
        (path.relative_to(package).parts[0], function.name)
        for path in package.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef) and function.name != "_decode_labels"
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == "_decode_labels"
    }
    assert callers == {("datasets", "_read_class_ids")}


def test_no_layout_with_label_maps_says_again_what_they_share() -> None:
    shared = {"has_ground_truth", "is_foreground", "mask_paths", "read_foreground", "read_labels", "_read_class_ids"}
    layouts = [layout for layout in LAYOUTS if issubclass(layout, SegmentationDataset)]
    assert {Cityscapes, CocoStuff, LabelMaps, Potsdam} <= set(layouts)
    assert not [(layout, name) for layout in layouts for name in shared & set(vars(layout))]
