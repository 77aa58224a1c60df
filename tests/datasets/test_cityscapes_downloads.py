"""Cityscapes as its downloads unpack: every variant of the images, and every kind of map."""

import json
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.helpers.labels import name2label
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage

from objdisc.datasets import Cityscapes, available_splits, open_dataset
from objdisc.datasets.polygons import draw_instance_ids, draw_label_ids
from objdisc.errors import UnreadableImageError
from tests.support.layouts import CAR, SIZE, instance_ids, objects, photo, polygons, put, street, write_json

FRAME = "ulm/ulm_000000_000019"


def image(tree: Path, split: str = "train", end: str = "", frame: str = FRAME) -> None:
    put(tree / split / f"{frame}_leftImg8bit{end}.png", photo())


def truth(tree: Path, split: str = "train", kind: str = "gtFine") -> None:
    put(tree / split / f"{FRAME}_{kind}_labelIds.png", street())
    put(tree / split / f"{FRAME}_{kind}_instanceIds.png", instance_ids())


def check(root: Path, names: list[str], split: str = "train", labelled: int = 1) -> None:
    """Hold a folder to be found with these samples, of which so many have the street's labels and objects."""
    dataset = open_dataset(root, split)
    assert isinstance(dataset, Cityscapes)
    assert [sample.name for sample in dataset.samples] == names
    found = [dataset.read_labels(sample) for sample in dataset.samples]
    assert sum(labels is not None for labels in found) == labelled
    for sample, labels in zip(dataset.samples, found, strict=True):
        if labels is not None:
            np.testing.assert_array_equal(labels, street())
            np.testing.assert_array_equal(dataset.read_instances(sample), objects())


def test_zip_files_unpacked_side_by_side(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit_trainvaltest/leftImg8bit")
    image(tmp_path / "leftImg8bit_trainextra/leftImg8bit", "train_extra")
    truth(tmp_path / "gtFine_trainvaltest/gtFine")
    truth(tmp_path / "gtCoarse/gtCoarse", "train_extra", "gtCoarse")
    assert available_splits(tmp_path) == ("train", "train_extra")
    check(tmp_path, [FRAME])
    check(tmp_path, [FRAME], "train_extra")
    check(tmp_path / "leftImg8bit_trainvaltest", [FRAME])


@pytest.mark.parametrize(
    ("tree", "ends"),
    [
        ("leftImg8bit_foggy", ["_foggy_beta_0.005", "_foggy_beta_0.02"]),
        ("leftImg8bit_rain", ["_rain_alpha_0.01_beta_0.005_dropsize_0.01_pattern_1"]),
        ("leftImg8bit_blurred", ["_blurred"]),
    ],
)
def test_variants_share_the_maps_of_their_frame(tmp_path: Path, tree: str, ends: list[str]) -> None:
    for end in ends:
        image(tmp_path / tree, end=end)
    truth(tmp_path / "gtFine")
    check(tmp_path, [f"{FRAME}{end}" for end in ends], labelled=len(ends))
    image(tmp_path / "leftImg8bit")
    check(tmp_path, [FRAME])
    check(tmp_path / tree, [f"{FRAME}{end}" for end in ends], labelled=len(ends))


def test_of_a_sequence_the_annotated_frame_is_labelled(tmp_path: Path) -> None:
    names = [f"ulm/ulm_000000_{number:06d}" for number in (18, 19, 20)]
    for name in names:
        image(tmp_path / "leftImg8bit_sequence_trainvaltest/leftImg8bit_sequence", frame=name)
    truth(tmp_path / "gtFine_trainvaltest/gtFine")
    check(tmp_path, names)


def test_coarse_maps_serve_where_there_are_no_fine_ones(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit")
    truth(tmp_path / "gtCoarse", kind="gtCoarse")
    check(tmp_path, [FRAME])
    put(tmp_path / f"gtCoarse/train/{FRAME}_gtCoarse_labelIds.png", np.zeros(SIZE, np.uint8))
    truth(tmp_path / "gtFine")
    check(tmp_path, [FRAME])


def test_a_split_itself_is_that_split(tmp_path: Path) -> None:
    for split in ("train", "val"):
        image(tmp_path / "leftImg8bit", split)
        truth(tmp_path / "gtFine", split)
    assert available_splits(tmp_path / "leftImg8bit/val") == ("val",)
    check(tmp_path / "leftImg8bit/val", [FRAME], "val")


def test_only_train_ids(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit")
    train_ids = np.full(SIZE, 255, np.uint8)
    for name in ("road", "car", "person"):
        train_ids[street() == name2label[name].id] = name2label[name].trainId
    train_ids[0, 0] = 255
    path = put(tmp_path / f"gtFine/train/{FRAME}_gtFine_labelTrainIds.png", train_ids)
    dataset = open_dataset(tmp_path, "train")
    labels, foreground = (read(dataset.samples[0]) for read in (dataset.read_labels, dataset.read_foreground))
    assert labels is not None
    assert labels[0, 0] == name2label["unlabeled"].id
    labels[0, 0] = street()[0, 0]
    np.testing.assert_array_equal(labels, street())
    np.testing.assert_array_equal(foreground, objects() > 0)
    assert not dataset.has_instances
    put(path, np.full(SIZE, 19, np.uint8))
    with pytest.raises(UnreadableImageError, match="holds the id 19; trainIds go from 0 to 18"):
        dataset.read_labels(dataset.samples[0])


def test_only_polygons_are_drawn_as_the_benchmark_s_own_program_does(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit")
    write_json(tmp_path / f"gtFine/train/{FRAME}_gtFine_polygons.json", polygons())
    check(tmp_path, [FRAME])


def test_any_polygons_agree_with_cityscapesscripts(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = ["road", "car", "cargroup", "person", "rider", "license plate", "train", "out of roi", "sky"]
    shapes = [
        {
            "label": labels[random.integers(len(labels))],
            "polygon": random.integers(-10, 80, (random.integers(2, 9), 2)).tolist(),
            "deleted": int(random.random() < 0.1),
        }
        for _ in range(60)
    ]
    path = write_json(tmp_path / "a_polygons.json", {"imgHeight": 50, "imgWidth": 70, "objects": shapes})
    official = Annotation()
    official.fromJsonText(path.read_text())
    np.testing.assert_array_equal(draw_label_ids(path), np.array(createLabelImage(official, "ids")))
    np.testing.assert_array_equal(draw_instance_ids(path), np.array(createInstanceImage(official, "ids")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "no file of polygons"),
        ('{"imgWidth": 4}', "no file of polygons"),
        ('{"imgWidth": 0, "imgHeight": 4, "objects": []}', "0x4 pixels"),
        ('{"imgWidth": 4, "imgHeight": 4, "objects": [{"label": "x", "polygon": []}]}', "'x', which Cityscapes lacks"),
    ],
)
def test_files_of_polygons_that_are_none_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a_polygons.json"
    path.write_text(text)
    with pytest.raises(UnreadableImageError, match=message):
        draw_label_ids(path)


def test_polygons_of_another_size_than_the_image_are_an_error(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit")
    document = json.loads(json.dumps(polygons())) | {"imgWidth": 9}
    write_json(tmp_path / f"gtFine/train/{FRAME}_gtFine_polygons.json", document)
    dataset = open_dataset(tmp_path, "train")
    with pytest.raises(UnreadableImageError, match="9x24 pixels, but its image"):
        dataset.read_labels(dataset.samples[0])


def test_three_equal_channels_are_accepted_and_others_are_named(tmp_path: Path) -> None:
    image(tmp_path / "leftImg8bit")
    path = put(tmp_path / f"gtFine/train/{FRAME}_gtFine_labelIds.png", np.repeat(street()[..., None], 3, 2))
    dataset = open_dataset(tmp_path, "train")
    np.testing.assert_array_equal(dataset.read_labels(dataset.samples[0]), street())
    put(path, photo())
    with pytest.raises(UnreadableImageError, match="colour image"):
        dataset.read_labels(dataset.samples[0])
    put(path, np.where(street() == CAR, 200, street()).astype(np.uint8))
    with pytest.raises(UnreadableImageError, match="holds the id 200, which is no class"):
        dataset.read_labels(dataset.samples[0])
