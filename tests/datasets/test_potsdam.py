"""ISPRS Potsdam in its published layout: four-band tiles, colour-coded maps, tiles without a map."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets import DataOptions, Potsdam, available_splits, open_dataset
from objdisc.datasets.potsdam import CLASS_COLORS, TEST_TILES, TRAIN_TILES
from objdisc.errors import UnreadableImageError, UsageError

POTSDAM_3 = {"ground": [0, 4], "buildings": [1, 5], "green": [2, 3]}
SIDE = 60
COLORS: Mapping[str, tuple[int, int, int]] = {
    "road": (255, 255, 255),
    "building": (0, 0, 255),
    "low vegetation": (0, 255, 255),
    "tree": (0, 255, 0),
    "car": (255, 255, 0),
    "clutter": (255, 0, 0),
}


def _write_map(path: Path, colors: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(colors[..., ::-1]))


def _write_tile(root: Path, name: str, seed: int = 0) -> NDArray[np.uint8]:
    """Write a four-band TIFF as the benchmark's: RGB and a fourth sample that is no opacity."""
    rasterio = pytest.importorskip("rasterio")
    bands = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)
    path = root / "4_Ortho_RGBIR" / f"{name}_RGBIR.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 4, "dtype": "uint8", "photometric": "RGB"}
    where = rasterio.transform.from_origin(366676.5, 5808365.1, 0.05, 0.05)
    with rasterio.open(path, "w", **profile, ALPHA="NO", crs="EPSG:32633", transform=where) as file:
        file.write(bands.transpose(2, 0, 1))
    return bands


@pytest.fixture
def labels() -> NDArray[np.uint8]:
    """Give six columns of ten pixels, ids 0 to 5."""
    return np.tile(np.repeat(np.arange(6, dtype=np.uint8), 10), (SIDE, 1))


@pytest.fixture
def potsdam(tmp_path: Path, labels: NDArray[np.uint8]) -> Path:
    """Write a labelled and an unlabelled tile of the benchmark's training set, and a tile of its test set."""
    for seed, name in enumerate(("top_potsdam_2_10", "top_potsdam_7_9", "top_potsdam_2_13")):
        _write_tile(tmp_path, name, seed)
    colors = np.array(list(COLORS.values()), np.uint8)[labels]
    _write_map(tmp_path / "5_Labels_all" / "top_potsdam_2_10_label.tif", colors)
    return tmp_path


def test_the_benchmark_has_24_and_14_tiles() -> None:
    assert (len(TRAIN_TILES), len(TEST_TILES)) == (24, 14)
    assert not TRAIN_TILES & TEST_TILES
    assert {"top_potsdam_2_10", "top_potsdam_6_7", "top_potsdam_7_12"} <= TRAIN_TILES
    assert {"top_potsdam_2_13", "top_potsdam_4_15", "top_potsdam_7_13"} <= TEST_TILES


def test_the_published_layout_is_recognised_with_labelled_and_unlabelled_tiles(potsdam: Path) -> None:
    assert available_splits(potsdam) == ("train", "test", "all")
    everything, train, test = (open_dataset(potsdam, split) for split in ("all", "train", "test"))
    assert isinstance(everything, Potsdam)
    assert [s.name for s in everything.samples] == ["top_potsdam_2_10", "top_potsdam_2_13", "top_potsdam_7_9"]
    assert [s.name for s in train.samples] == ["top_potsdam_2_10", "top_potsdam_7_9"]
    assert [s.name for s in test.samples] == ["top_potsdam_2_13"]
    assert [train.read_labels(sample) is None for sample in train.samples] == [False, True]
    assert (train.has_ground_truth, test.has_ground_truth) == (True, False)


def test_tiles_are_read_with_infrared_as_the_fourth_channel(potsdam: Path) -> None:
    dataset = open_dataset(potsdam, "all")
    image = dataset.read_image(dataset.samples[0])
    assert image.shape == (SIDE, SIDE, 4)
    assert dataset.num_channels == 4
    assert np.array_equal(image, np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8))


def test_colours_are_ids_in_the_order_of_the_paper(potsdam: Path, labels: NDArray[np.uint8]) -> None:
    dataset = open_dataset(potsdam, "train")
    read = dataset.read_labels(dataset.samples[0])
    assert read is not None
    assert np.array_equal(read, labels)
    assert {dataset.class_names[label]: color for label, color in CLASS_COLORS.items()} == COLORS


def test_half_scale_and_three_classes(potsdam: Path, labels: NDArray[np.uint8]) -> None:
    dataset = open_dataset(potsdam, "train", options=DataOptions(classes=POTSDAM_3, scale=0.5))
    sample = dataset.samples[0]
    read = dataset.read_labels(sample)
    assert read is not None
    assert np.array_equal(read, np.array([0, 1, 2, 2, 0, 1])[labels[::2, ::2]])
    assert dataset.image_size(sample) == (SIDE // 2, SIDE // 2)
    image = dataset.read_image(sample)
    for window in ((0, 0, 20, 20), (7, 3, 11, 9), (10, 20, 20, 10)):
        x, y, width, height = window
        assert np.array_equal(dataset.read_window(sample, *window), image[y : y + height, x : x + width])


def test_training_takes_every_pixel_of_labelled_and_unlabelled_tiles_and_reads_no_map(potsdam: Path) -> None:
    dataset = open_dataset(potsdam, "all", options=DataOptions(classes=POTSDAM_3))
    _write_map(potsdam / "5_Labels_all" / "top_potsdam_2_10_label.tif", np.full((3, 3, 3), 7, np.uint8))
    assert all(dataset.read_valid(sample).all() for sample in dataset.samples)


def test_unknown_colours_are_counted_and_the_first_is_placed(potsdam: Path, labels: NDArray[np.uint8]) -> None:
    colors = np.array(list(COLORS.values()), np.uint8)[labels]
    colors[4, 9] = (255, 0, 255)
    colors[5, 2:4] = (12, 34, 56)
    _write_map(potsdam / "5_Labels_all" / "top_potsdam_2_10_label.tif", colors)
    dataset = open_dataset(potsdam, "train")
    message = r"_label\.tif: 3 pixels of no class's colour, the first \(255, 0, 255\) at column 9, row 4; expected road"
    with pytest.raises(UnreadableImageError, match=message):
        dataset.read_labels(dataset.samples[0])


def test_black_is_a_colour_of_its_own_only_in_maps_with_eroded_borders(tmp_path: Path) -> None:
    _write_tile(tmp_path, "top_potsdam_2_11")
    colors = np.zeros((SIDE, SIDE, 3), np.uint8)
    colors[:30] = COLORS["tree"]
    eroded = tmp_path / "5_Labels_all_noBoundary" / "top_potsdam_2_11_label.tif"
    _write_map(eroded, colors)
    dataset = open_dataset(tmp_path, "train")
    read = dataset.read_labels(dataset.samples[0])
    assert read is not None
    assert (read[:30] == 3).all()
    assert (read[30:] == 255).all()
    _write_map(tmp_path / "5_Labels_for_participants" / eroded.name, colors)
    dataset = open_dataset(tmp_path, "train")
    with pytest.raises(UnreadableImageError, match=r"1800 pixels of no class's colour, the first \(0, 0, 0\)"):
        dataset.read_labels(dataset.samples[0])


def test_the_two_published_maps_with_other_colours_are_read(tmp_path: Path) -> None:
    painted = {"top_potsdam_6_7": (252, 255, 0), "top_potsdam_4_12": (225, 227, 40)}
    for name, color in painted.items():
        _write_tile(tmp_path, name)
        colors = np.full((SIDE, SIDE, 3), 255, np.uint8)
        colors[:20] = color
        _write_map(tmp_path / "5_Labels_all" / f"{name}_label.tif", colors)
    dataset = open_dataset(tmp_path, "train")
    for sample in dataset.samples:
        read = dataset.read_labels(sample)
        assert read is not None
        assert (read[:20] == 4).all()
        assert (read[20:] == 0).all()
    seams = np.full((SIDE, SIDE, 3), 255, np.uint8)
    seams[0, :30] = (100, 100, 90)
    path = tmp_path / "5_Labels_all" / "top_potsdam_4_12_label.tif"
    _write_map(path, seams)
    read = dataset.read_labels(dataset.samples[0])
    assert read is not None
    assert (read[0, :30] == 255).all()
    _write_map(path, np.zeros((SIDE, SIDE, 3), np.uint8))
    with pytest.raises(UnreadableImageError, match="3600 pixels"):
        dataset.read_labels(dataset.samples[0])


def test_a_map_of_another_size_is_refused(potsdam: Path) -> None:
    _write_map(potsdam / "5_Labels_all" / "top_potsdam_2_10_label.tif", np.full((SIDE, SIDE // 2, 3), 255, np.uint8))
    dataset = open_dataset(potsdam, "train")
    with pytest.raises(UnreadableImageError, match=r"30x60 pixels, but its image .*RGBIR\.tif has 60x60; export"):
        dataset.read_labels(dataset.samples[0])


def test_a_tile_without_infrared_is_refused(tmp_path: Path) -> None:
    _write_map(tmp_path / "4_Ortho_RGBIR" / "top_potsdam_2_10_RGBIR.tif", np.zeros((SIDE, SIDE, 3), np.uint8))
    dataset = open_dataset(tmp_path, "train")
    with pytest.raises(
        UnreadableImageError, match=r"has 3 channels; expected 4 \(red, green, blue, infrared; give the"
    ):
        dataset.read_image(dataset.samples[0])


def test_foreground_is_what_was_named(potsdam: Path, labels: NDArray[np.uint8]) -> None:
    dataset = open_dataset(potsdam, "train", ["car", "building"])
    foreground = dataset.read_foreground(dataset.samples[0])
    assert foreground is not None
    assert np.array_equal(foreground, np.isin(labels, [1, 4]))
    assert open_dataset(potsdam, "train").read_foreground(dataset.samples[0]) is None
    with pytest.raises(UsageError, match="foreground: boat; Potsdam classes are road"):
        open_dataset(potsdam, "train", ["boat"])


def test_missing_splits_name_those_that_are_there(potsdam: Path) -> None:
    with pytest.raises(UsageError, match="no tile of split 'val'; splits with tiles: train, test, all"):
        Potsdam(potsdam, "val")
