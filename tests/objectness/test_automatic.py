"""Which source is taken where none is named: the most exact that the data set has files for."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.config.components import component_names, resolve_class_path
from objdisc.datasets import Cityscapes, ImageDataset, ImageFolder, LabelMaps
from objdisc.objectness.automatic import AUTOMATIC, BESIDE_SCENES, automatic_source
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.folder import Folder
from objdisc.objectness.grid import Grid
from objdisc.objectness.instances import Instances
from objdisc.objectness.labels import Labels
from objdisc.objectness.tree import Tree
from objdisc.objectness.union import Union
from objdisc.objectness.whole import Whole
from objdisc.objectness.windows import Windows

BLACK = np.zeros((8, 8, 3), np.uint8)
FrameWriter = Callable[..., Path]


def taken(dataset: ImageDataset) -> type[ObjectnessSource]:
    return next(source for source in AUTOMATIC if source.serves(dataset))


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "train" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "train" / name / "0.png"), BLACK)
    return tmp_path


def test_instance_masks_are_taken_before_label_maps(tmp_path: Path, write_cityscapes_frame: FrameWriter) -> None:
    labels = np.full((8, 8), 26, np.uint8)
    write_cityscapes_frame(tmp_path, "ulm/ulm_0_0", BLACK)
    assert taken(Cityscapes(tmp_path)) is Tree
    write_cityscapes_frame(tmp_path, "ulm/ulm_0_1", BLACK, labels)
    assert taken(Cityscapes(tmp_path)) is Labels
    write_cityscapes_frame(tmp_path, "ulm/ulm_0_2", BLACK, labels, labels.astype(np.uint16) * 1000)
    assert taken(Cityscapes(tmp_path)) is Instances


def test_label_maps_are_masks_where_objects_are_named(tmp_path: Path) -> None:
    for folder, pixels in (("images", BLACK), ("labels", BLACK[..., 0])):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), pixels)
    assert taken(LabelMaps(tmp_path)) is Tree
    assert taken(LabelMaps(tmp_path, foreground=["class 0"])) is Labels


def test_images_with_a_class_or_a_word_on_them_are_whole(animals: Path) -> None:
    assert taken(ImageFolder(animals, "train")) is Whole
    assert taken(ImageFolder(animals / "train", foreground=["dog"])) is Whole
    assert taken(ImageFolder(animals / "train", foreground=["dog"], labels_from_folders=False)) is Whole
    assert taken(ImageFolder(animals / "train")) is Tree, "a folder of photos"


def test_where_regions_were_parts_of_scenes_they_are_so_again(animals: Path) -> None:
    photos, whole = ImageFolder(animals / "train"), ImageFolder(animals, "train")
    assert automatic_source(photos) is Tree
    assert automatic_source(photos, scenes=True) is BESIDE_SCENES is Union
    assert automatic_source(whole, scenes=True) is Whole


def test_a_choice_reads_no_pixel(tmp_path: Path, write_cityscapes_frame: FrameWriter) -> None:
    path = write_cityscapes_frame(tmp_path, "ulm/ulm_0_0", BLACK, BLACK[..., 0], BLACK[..., 0].astype(np.uint16))
    for file in (path, *tmp_path.rglob("gtFine/**/*.png")):
        file.write_bytes(b"no image")
    assert {source for source in AUTOMATIC if source.serves(Cityscapes(tmp_path))} == {Instances, Labels, Tree}


def test_a_source_that_reads_nothing_of_the_data_set_serves_any(animals: Path) -> None:
    dataset = ImageFolder(animals)
    assert all(source.serves(dataset) for source in (Folder, Grid, Tree, Windows))


def test_what_is_taken_can_be_built_without_arguments_and_named_by_hand() -> None:
    package = "objdisc.objectness"
    names = component_names(ObjectnessSource, package)
    own = {resolve_class_path(name, ObjectnessSource, package) for name in names}
    for source in (*AUTOMATIC, BESIDE_SCENES):
        assert isinstance(source(), source)
        assert f"{source.__module__}.{source.__name__}" in own
    assert not {"automatic", "base", "annotated", "support"} & set(names)
