"""The Cityscapes layout, on small sets written in it; ids are those of cityscapesscripts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import name2label
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets.cityscapes import MOVING_CLASSES, Cityscapes, number_instances
from objdisc.errors import UnreadableImageError, UsageError

PERSON, CAR, ROAD = name2label["person"].id, name2label["car"].id, name2label["road"].id
NAME = "aachen/aachen_000000_000019"
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
FrameWriter = Callable[..., Path]


@pytest.fixture
def labels() -> NDArray[np.uint8]:
    """Road with a car (two of them touching) and a person: (40, 60)."""
    ids = np.full((40, 60), ROAD, np.uint8)
    ids[10:20, 5:35] = CAR
    ids[5:30, 45:50] = PERSON
    return ids


@pytest.fixture
def instances(labels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Instance ids to ``labels``; a group of persons has the bare class id."""
    ids = labels.astype(np.uint16)
    ids[10:20, 5:20] = CAR * 1000 + 1
    ids[10:20, 20:35] = CAR * 1000
    ids[5:30, 45:50] = PERSON * 1000 + 7
    ids[35:40, 0:10] = PERSON
    return ids


def test_samples_are_sorted_and_named_by_city(tmp_path: Path, write_cityscapes_frame: FrameWriter) -> None:
    names = ["zurich/zurich_000001_000019", "aachen/aachen_000002_000019", "aachen/aachen_000001_000019"]
    paths = {name: write_cityscapes_frame(tmp_path, name, IMAGE) for name in names}
    dataset = Cityscapes(tmp_path)
    assert [sample.name for sample in dataset.samples] == sorted(names)
    assert [sample.city for sample in dataset.samples] == ["aachen", "aachen", "zurich"]
    assert {sample.name: sample.image_path for sample in dataset.samples} == paths
    assert {sample.split for sample in dataset.samples} == {"train"}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg"])
def test_left_images_may_be_png_or_jpeg(tmp_path: Path, write_cityscapes_frame: FrameWriter, suffix: str) -> None:
    write_cityscapes_frame(tmp_path, NAME, IMAGE, np.zeros((40, 60), np.uint8), suffix=suffix)
    dataset = Cityscapes(tmp_path)
    assert dataset.samples[0].name == NAME
    assert dataset.read_image(dataset.samples[0]).shape == IMAGE.shape
    assert dataset.has_ground_truth


def test_png_is_preferred_to_a_jpeg_of_the_same_frame(tmp_path: Path, write_cityscapes_frame: FrameWriter) -> None:
    for suffix in (".jpg", ".png"):
        write_cityscapes_frame(tmp_path, NAME, IMAGE, suffix=suffix)
    (sample,) = Cityscapes(tmp_path).samples
    assert sample.image_path.suffix == ".png"


def test_labels_and_foreground(tmp_path: Path, write_cityscapes_frame: FrameWriter, labels: NDArray[np.uint8]) -> None:
    write_cityscapes_frame(tmp_path, NAME, IMAGE, labels)
    dataset = Cityscapes(tmp_path, foreground=["car"])
    (sample,) = dataset.samples
    foreground = dataset.read_foreground(sample)
    assert foreground is not None
    assert foreground.dtype == np.bool_
    assert np.array_equal(foreground, labels == CAR)
    read = dataset.read_labels(sample)
    assert read is not None
    assert np.array_equal(read, labels)
    assert dataset.read_instances(sample) is None
    assert dataset.is_foreground(sample) is None
    assert dataset.class_names[CAR] == "car"
    assert dataset.class_colors[CAR] == name2label["car"].color
    assert name2label["out of roi"].id in dataset.ignore_ids
    assert CAR not in dataset.ignore_ids


def test_instances_are_numbered_in_raster_order_without_groups(
    tmp_path: Path,
    write_cityscapes_frame: FrameWriter,
    labels: NDArray[np.uint8],
    instances: NDArray[np.uint16],
) -> None:
    write_cityscapes_frame(tmp_path, NAME, IMAGE, labels, instances)
    dataset = Cityscapes(tmp_path)
    read = dataset.read_instances(dataset.samples[0])
    expected = np.zeros((40, 60), np.int32)
    expected[5:30, 45:50], expected[10:20, 5:20], expected[10:20, 20:35] = 1, 2, 3
    assert read is not None
    assert read.dtype == np.int32
    assert np.array_equal(read, expected)


def test_instances_of_other_classes_are_left_out(
    tmp_path: Path, write_cityscapes_frame: FrameWriter, labels: NDArray[np.uint8], instances: NDArray[np.uint16]
) -> None:
    write_cityscapes_frame(tmp_path, NAME, IMAGE, labels, instances)
    dataset = Cityscapes(tmp_path, foreground=["person"])
    read = dataset.read_instances(dataset.samples[0])
    assert read is not None
    assert np.array_equal(read, instances == PERSON * 1000 + 7)


def test_permuted_class_ids_give_the_same_masks(
    tmp_path: Path, write_cityscapes_frame: FrameWriter, labels: NDArray[np.uint8], instances: NDArray[np.uint16]
) -> None:
    """Nothing that training code may read tells persons from cars."""
    swap = {PERSON: CAR, CAR: PERSON}
    class_ids = np.where(instances >= 1000, instances // 1000, instances)
    swapped_ids = np.vectorize(lambda value: swap.get(value, value))(class_ids)
    swapped = np.where(instances >= 1000, swapped_ids * 1000 + instances % 1000, swapped_ids).astype(np.uint16)
    swapped_labels = np.vectorize(lambda value: swap.get(value, value))(labels).astype(np.uint8)
    write_cityscapes_frame(tmp_path / "original", NAME, IMAGE, labels, instances)
    write_cityscapes_frame(tmp_path / "swapped", NAME, IMAGE, swapped_labels, swapped)
    one, other = Cityscapes(tmp_path / "original"), Cityscapes(tmp_path / "swapped")
    assert not np.array_equal(one.read_labels(one.samples[0]), other.read_labels(other.samples[0]))  # type: ignore[arg-type]
    for read in ("read_instances", "read_foreground"):
        first, second = getattr(one, read)(one.samples[0]), getattr(other, read)(other.samples[0])
        assert np.array_equal(first, second)
        assert first.any()


def test_numbering_agrees_with_the_direct_definition() -> None:
    rng = np.random.default_rng(0)
    pool = np.array([0, 7, 24, 24000, 24001, 25000, 26003, 26300, 33999, 65535], np.uint16)
    ids = np.kron(rng.choice(pool, (9, 11)), np.ones((3, 4), np.uint16))
    expected = np.zeros(ids.shape, np.int32)
    seen: dict[int, int] = {}
    for position, value in np.ndenumerate(ids):
        if value >= 1000 and value // 1000 in (24, 26):
            expected[position] = seen.setdefault(int(value), len(seen) + 1)
    assert np.array_equal(number_instances(ids, frozenset({24, 26})), expected)


@pytest.mark.parametrize(
    "ids", [np.zeros((3, 4), np.uint16), np.full((3, 4), 26001, np.uint16), np.zeros((2, 2), np.uint8)]
)
def test_numbering_of_uniform_maps(ids: NDArray[np.uint16]) -> None:
    assert np.array_equal(number_instances(ids, frozenset({26})), (ids == 26001).astype(np.int32))


def test_images_without_ground_truth_are_fine(
    tmp_path: Path, write_cityscapes_frame: FrameWriter, labels: NDArray[np.uint8]
) -> None:
    write_cityscapes_frame(tmp_path, "bonn/bonn_000000_000019", IMAGE)
    dataset = Cityscapes(tmp_path)
    (sample,) = dataset.samples
    assert not dataset.has_ground_truth
    assert dataset.class_names == {}
    assert dataset.mask_paths(sample) == ()
    assert dataset.read_instances(sample) is None
    assert dataset.read_foreground(sample) is None
    assert dataset.read_labels(sample) is None
    write_cityscapes_frame(tmp_path, NAME, IMAGE, labels)
    mixed = Cityscapes(tmp_path)
    assert mixed.has_ground_truth
    assert [mixed.read_labels(sample) is None for sample in mixed.samples] == [False, True]


def test_a_label_map_of_another_size_is_an_error_that_names_both_files(
    tmp_path: Path, write_cityscapes_frame: FrameWriter, labels: NDArray[np.uint8], instances: NDArray[np.uint16]
) -> None:
    image_path = write_cityscapes_frame(tmp_path, NAME, IMAGE, labels[:30], instances[:, :50])
    dataset = Cityscapes(tmp_path)
    with pytest.raises(UnreadableImageError, match=r"labelIds\.png: 60x30 pixels, but its image .* has 60x40") as error:
        dataset.read_foreground(dataset.samples[0])
    assert str(image_path) in str(error.value)
    with pytest.raises(UnreadableImageError, match=r"instanceIds\.png: 50x40 pixels"):
        dataset.read_instances(dataset.samples[0])


def test_a_map_drawn_on_the_unrotated_pixels_of_a_phone_image_is_an_error_that_says_so(
    tmp_path: Path, write_cityscapes_frame: FrameWriter, labels: NDArray[np.uint8]
) -> None:
    path = write_cityscapes_frame(tmp_path, NAME, IMAGE, labels, suffix=".jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(IMAGE).save(path, exif=exif)
    dataset = Cityscapes(tmp_path)
    assert dataset.read_image(dataset.samples[0]).shape == (60, 40, 3)
    with pytest.raises(UnreadableImageError, match="EXIF rotation"):
        dataset.read_labels(dataset.samples[0])
    write_cityscapes_frame(tmp_path / "upright", NAME, IMAGE, np.rot90(labels, -1), suffix=".jpg")
    Image.fromarray(IMAGE).save(tmp_path / "upright" / path.relative_to(tmp_path), exif=exif)
    upright = Cityscapes(tmp_path / "upright")
    assert np.array_equal(upright.read_labels(upright.samples[0]), np.rot90(labels, -1))  # type: ignore[arg-type]


def test_instance_ids_in_the_place_of_label_ids_are_an_error(
    tmp_path: Path, write_cityscapes_frame: FrameWriter, instances: NDArray[np.uint16]
) -> None:
    write_cityscapes_frame(tmp_path, NAME, IMAGE, instances)
    dataset = Cityscapes(tmp_path)
    with pytest.raises(UnreadableImageError, match=r"labelIds\.png: holds the id 26001"):
        dataset.read_labels(dataset.samples[0])


def test_root_may_be_the_image_folder_or_one_level_above(tmp_path: Path, write_cityscapes_frame: FrameWriter) -> None:
    root = tmp_path / "download" / "cityscapes"
    write_cityscapes_frame(root, NAME, IMAGE)
    for path in (root, root / "leftImg8bit", root.parent):
        assert Cityscapes(path).root == root


def test_ground_truth_beside_the_images_as_the_zip_files_unpack(
    tmp_path: Path, write_cityscapes_frame: FrameWriter, labels: NDArray[np.uint8]
) -> None:
    write_cityscapes_frame(tmp_path / "leftImg8bit_trainvaltest", NAME, IMAGE, labels)
    (tmp_path / "gtFine_trainvaltest").mkdir()
    (tmp_path / "leftImg8bit_trainvaltest" / "gtFine").rename(tmp_path / "gtFine_trainvaltest" / "gtFine")
    assert Cityscapes(tmp_path).has_ground_truth


def test_cities_can_be_chosen(tmp_path: Path, write_cityscapes_frame: FrameWriter) -> None:
    for city in ("aachen", "bonn", "ulm"):
        write_cityscapes_frame(tmp_path, f"{city}/{city}_000000_000019", IMAGE)
    assert [sample.city for sample in Cityscapes(tmp_path, cities=["ulm", "bonn"]).samples] == ["bonn", "ulm"]
    with pytest.raises(UsageError, match="no city köln; cities there: aachen, bonn, ulm"):
        Cityscapes(tmp_path, cities=["köln"])


def test_errors_say_what_is_there_instead(tmp_path: Path, write_cityscapes_frame: FrameWriter) -> None:
    with pytest.raises(UsageError, match="no leftImg8bit/ folder"):
        Cityscapes(tmp_path / "missing")
    write_cityscapes_frame(tmp_path, NAME, IMAGE, split="val")
    with pytest.raises(UsageError, match="no such split; splits with images: val"):
        Cityscapes(tmp_path, "train")
    (tmp_path / "leftImg8bit" / "train" / "aachen").mkdir(parents=True)
    (tmp_path / "leftImg8bit" / "train" / "aachen" / "photo.png").touch()
    with pytest.raises(UsageError, match="no image named"):
        Cityscapes(tmp_path, "train")
    with pytest.raises(UsageError, match=r"foreground: dog; Cityscapes classes are .*person"):
        Cityscapes(tmp_path, "val", foreground=["car", "dog"])


def test_the_moving_classes_are_those_with_instances_that_the_benchmark_scores() -> None:
    scored = {label.name for label in name2label.values() if label.hasInstances and not label.ignoreInEval}
    assert set(MOVING_CLASSES) == scored


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "split", "count"), [("camvid", "train", 367), ("camvid", "val", 101), ("idd_lite", "train", 1403)]
)
def test_real_sets_open_with_instances_inside_the_foreground(name: str, split: str, count: int) -> None:
    root = Path("data") / name
    if not root.is_dir():
        pytest.skip(f"{root} is absent; see data/README.md")
    dataset = Cityscapes(root, split)
    assert len(dataset.samples) == count
    for sample in dataset.samples[:: count // 10]:
        instances, foreground = dataset.read_instances(sample), dataset.read_foreground(sample)
        assert instances is not None
        assert foreground is not None
        assert instances.shape == dataset.read_image(sample).shape[:2]
        assert not (instances > 0)[~foreground].any()
