"""DataOptions a data set another way: classes grouped, the rest masked, images scaled or left out."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.config.parser import dump, load, parse
from objdisc.datasets import Cityscapes, DataOptions, ImageFolder, open_dataset
from objdisc.datasets.grouping import group_ids, scale_image, scale_map
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.pipeline.options import DiscoverOptions

CAMVID_3 = {"sky": [23], "ground": [7, 8], "plants": [21]}


@pytest.fixture
def street(tmp_path: Path, write_cityscapes_frame: Callable[..., Path]) -> tuple[Path, NDArray[np.uint8]]:
    """Write one frame of 40x20 pixels whose columns are sky, road, sidewalk, plants, car, void, five pixels each."""
    columns = np.repeat(np.array([23, 7, 8, 21, 26, 0, 23, 7], np.uint8), 5)
    labels = np.tile(columns, (20, 1))
    image = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    write_cityscapes_frame(tmp_path, "ulm/ulm_000000_000000", image, labels, labels.astype(np.uint16) * 1000)
    return tmp_path, labels


def test_groups_are_scored_as_classes_and_everything_else_is_left_out(street: tuple[Path, NDArray[np.uint8]]) -> None:
    root, labels = street
    dataset = open_dataset(root, "train", options=DataOptions(classes=CAMVID_3))
    read = dataset.read_labels(dataset.samples[0])
    wanted = np.select([labels == 23, (labels == 7) | (labels == 8), labels == 21], [0, 1, 2], 255)
    assert read is not None
    assert read.dtype == np.uint8
    assert np.array_equal(read, wanted)
    assert dataset.class_names == {0: "sky", 1: "ground", 2: "plants"}
    assert dataset.class_colors[0] == (70, 130, 180), "the colour of sky in Cityscapes"
    assert dataset.ignore_ids == {255}


def test_training_sees_which_pixels_take_part_and_not_their_class(street: tuple[Path, NDArray[np.uint8]]) -> None:
    root, labels = street
    readings = [
        DataOptions(classes=CAMVID_3),
        DataOptions(classes={"a": [21, 7], "b": [23, 8]}),
    ]
    datasets = [open_dataset(root, "train", options=reading) for reading in readings]
    masks = [dataset.read_valid(dataset.samples[0]) for dataset in datasets]
    assert np.array_equal(masks[0], np.isin(labels, [23, 7, 8, 21]))
    assert np.array_equal(masks[0], masks[1])
    assert datasets[0].fingerprint() == datasets[1].fingerprint(), "a cache key holds no class either"
    assert open_dataset(root, "train").read_valid(datasets[0].samples[0]).all(), "no groups: every pixel takes part"


def test_without_labels_every_pixel_takes_part(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((6, 8, 3), np.uint8))
    dataset = open_dataset(tmp_path, "", options=DataOptions(classes={"sky": [23]}, scale=0.5))
    valid = dataset.read_valid(dataset.samples[0])
    assert valid.shape == (3, 4)
    assert valid.all()


def test_an_image_without_a_valid_pixel_says_so(street: tuple[Path, NDArray[np.uint8]]) -> None:
    dataset = open_dataset(street[0], "train", options=DataOptions(classes={"snow": [5], "ice": [6]}))
    with pytest.raises(UnreadableImageError, match=r"labelIds\.png: no valid pixel in it: none is snow, ice; leave"):
        dataset.read_valid(dataset.samples[0])


def test_scale_holds_for_images_labels_masks_and_instances_alike(street: tuple[Path, NDArray[np.uint8]]) -> None:
    full, half = (open_dataset(street[0], "train", ["car"], DataOptions(classes=CAMVID_3, scale=s)) for s in (1, 0.5))
    sample = full.samples[0]
    image = full.read_image(sample).astype(float)
    averages = (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
    assert np.abs(half.read_image(sample) - averages).max() <= 0.5
    assert half.image_size(sample) == (10, 20)
    for read in ("read_labels", "read_valid", "read_foreground", "read_instances"):
        small, large = getattr(half, read)(sample), getattr(full, read)(sample)
        assert np.array_equal(small, large[1::2, 1::2]), read
        assert small.dtype == large.dtype


def test_a_window_is_a_crop_of_the_image(street: tuple[Path, NDArray[np.uint8]]) -> None:
    dataset = open_dataset(street[0], "train", options=DataOptions(scale=0.75))
    sample = dataset.samples[0]
    assert np.array_equal(dataset.read_window(sample, 3, 5, 9, 4), dataset.read_image(sample)[5:9, 3:12])


@pytest.mark.parametrize("scale", [0.33, 0.5, 1.7])
def test_maps_are_scaled_as_opencvs_exact_nearest_neighbour(scale: float) -> None:
    ids = np.random.default_rng(1).integers(0, 255, (37, 53), dtype=np.uint8)
    small = scale_map(ids, scale)
    wanted = cv2.resize(ids, (round(53 * scale), round(37 * scale)), interpolation=cv2.INTER_NEAREST_EXACT)
    assert np.array_equal(small, wanted)
    assert scale_image(np.dstack([ids] * 4), scale).shape == (*small.shape, 4)


def test_small_and_mostly_masked_images_can_be_left_out(
    tmp_path: Path, write_cityscapes_frame: Callable[..., Path]
) -> None:
    for number, (size, sky) in enumerate([((30, 30), 1.0), ((20, 40), 1.0), ((30, 30), 0.5), ((30, 30), 0.8)]):
        labels = np.zeros(size, np.uint8)
        labels[:, : round(size[1] * sky)] = 23
        write_cityscapes_frame(tmp_path, f"ulm/ulm_000000_{number:06d}", np.zeros((*size, 3), np.uint8), labels)
    reading = DataOptions(classes={"sky": [23]}, min_side=25, min_share=0.75)
    names = [sample.name[-1] for sample in open_dataset(tmp_path, "train", options=reading).samples]
    assert names == ["0", "3"]
    with pytest.raises(UsageError, match="split 'train': no image has sides of 500 pixels"):
        open_dataset(tmp_path, "train", options=DataOptions(min_side=500))


def test_further_bands_of_any_folder_of_tiffs_are_read_where_asked(tmp_path: Path) -> None:
    bands = np.random.default_rng(2).integers(0, 256, (8, 6, 4), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), bands[..., [2, 1, 0, 3]])
    for channels in (1, 4):
        dataset = open_dataset(tmp_path, "", options=DataOptions(channels=channels))
        image = dataset.read_image(dataset.samples[0])
        assert dataset.num_channels == channels
        assert np.array_equal(image, bands[..., :channels])
        assert dataset.image_size(dataset.samples[0]) == (8, 6)
        assert dataset.read_valid(dataset.samples[0]).shape == (8, 6)
    with pytest.raises(UnreadableImageError, match=r"a\.png: has 4 channels; expected 5 \(--data\.channels\)"):
        dataset.with_options(DataOptions(channels=5)).read_image(dataset.samples[0])


def test_grouping_is_a_table_over_ids() -> None:
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    grouped = group_ids(ids, {"b": [200, 3], "a": [0]})
    assert {int(i): int(g) for i, g in zip(ids.ravel(), grouped.ravel(), strict=True) if g != 255} == {
        0: 1,
        3: 0,
        200: 0,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": {}}, "is empty"),
        ({"classes": {"sky": []}}, "'sky' has no label id"),
        ({"classes": {"sky": [256]}}, "holds 256; label ids go from 0 to 255"),
        ({"classes": {"sky": [1], "sea": [2, 1]}}, "label id 1 is in 'sky' and in 'sea'"),
        ({"scale": 0.0}, "--data.scale 0.0: give a factor above 0"),
        ({"channels": 0}, "--data.channels 0: give the number of bands"),
        ({"min_share": 2.0}, "a share from 0 to 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DataOptions(**arguments)  # type: ignore[arg-type]


def test_ids_that_the_data_set_lacks_and_a_second_grouping_are_refused(street: tuple[Path, NDArray[np.uint8]]) -> None:
    with pytest.raises(UsageError, match="has no label id 77; its ids: 0 to 33"):
        open_dataset(street[0], "train", options=DataOptions(classes={"moon": [77]}))
    grouped = Cityscapes(street[0]).with_options(DataOptions(classes=CAMVID_3))
    with pytest.raises(UsageError, match="grouped already"):
        grouped.with_options(DataOptions(classes={"sky": [0]}))


def test_other_images_are_read_at_the_same_scale_and_not_by_these_classes() -> None:
    reading = DataOptions(classes=CAMVID_3, scale=0.5, channels=4, only="list.txt", min_side=9, min_share=0.5)
    assert reading.of_any_images() == DataOptions(scale=0.5, channels=4)


def test_the_original_data_set_is_untouched(street: tuple[Path, NDArray[np.uint8]]) -> None:
    plain = Cityscapes(street[0])
    plain.with_options(DataOptions(classes=CAMVID_3, scale=0.5))
    assert plain.options == DataOptions()
    assert plain.read_image(plain.samples[0]).shape == (20, 40, 3)
    assert plain.class_names[23] == "sky"


def test_constant_class_maps_of_folders_can_be_grouped_too(tmp_path: Path) -> None:
    for name in ("cat", "dog", "frog"):
        (tmp_path / "train" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "train" / name / "0.png"), np.zeros((4, 4, 3), np.uint8))
    dataset = ImageFolder(tmp_path, "train").with_options(DataOptions(classes={"pet": [0, 1]}))
    values = [int(labels.max()) for s in dataset.samples if (labels := dataset.read_labels(s)) is not None]
    assert values == [0, 0, 255]


def test_a_config_and_flags_set_the_classes_and_a_run_keeps_them(tmp_path: Path) -> None:
    config = tmp_path / "camvid3.yaml"
    config.write_text("data:\n  classes: {sky: [23], ground: [7, 8], plants: [21]}\n  scale: 0.5\n")
    options = parse(DiscoverOptions, ["--config", str(config), "--data.min-side", "360"], "objdisc discover")
    assert options.data == DataOptions(classes=CAMVID_3, scale=0.5, min_side=360)
    config.write_text(dump(options))
    assert load(DiscoverOptions, config).data == options.data
    with pytest.raises(UsageError, match=r"data\.classes: expected list, got 'x'"):
        parse(DiscoverOptions, ['--data.classes={"sky": "x"}'], "objdisc discover")


def test_the_former_name_is_read_with_one_line_of_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = tmp_path / "old.yaml"
    config.write_text("reading:\n  classes: {sky: [23], ground: [7, 8], plants: [21]}\n  scale: 0.25\n")
    options = parse(DiscoverOptions, ["--config", str(config), "--reading.scale", "0.5"], "objdisc discover")
    assert options.data == DataOptions(classes=CAMVID_3, scale=0.5)
    assert sorted(caplog.messages) == ["--reading is now called --data", f"{config}: --reading is now called --data"]
