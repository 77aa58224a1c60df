"""Masks of another program: matching by name, the two codings, and what does not fit."""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets.cityscapes import Cityscapes
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.objectness.folder import Folder
from objdisc.types import Region


@pytest.fixture
def images(tmp_path: Path) -> ImageFolder:
    folder = tmp_path / "images"
    for name in ("north/häuser 1", "north/2", "south/2"):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((12, 20, 3), np.uint8)).save(path)
    return ImageFolder(folder)


def write_mask(path: Path, values: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imencode(".png", values)[1].tofile(path)


def regions_of(source: Folder, dataset: ImageFolder | Cityscapes, index: int) -> list[Region]:
    sample = dataset.samples[index]
    return source.regions(dataset, sample, dataset.read_image(sample))


TWO_PARTS = np.zeros((12, 20), np.uint8)
TWO_PARTS[2:5, 3:8] = TWO_PARTS[8:10, 12:18] = 1


@pytest.mark.parametrize("name", ["north/häuser 1.png", "häuser 1.png"])
def test_a_mask_is_found_in_the_subfolder_or_flat(images: ImageFolder, tmp_path: Path, name: str) -> None:
    write_mask(tmp_path / "masks" / name, TWO_PARTS)
    index = [sample.name for sample in images.samples].index("north/häuser 1")
    regions = regions_of(Folder(tmp_path / "masks"), images, index)
    assert [region.box for region in regions] == [(3, 2, 5, 3), (12, 8, 6, 2)]


def test_a_flat_name_that_two_images_share_matches_neither(images: ImageFolder, tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "2.png", TWO_PARTS)
    source = Folder(tmp_path / "masks")
    assert [source.files(images, sample) for sample in images.samples] == [(), (), ()]


@pytest.mark.parametrize("name", ["ulm/ulm_0_1", "ulm/ulm_0_1_leftImg8bit", "ulm_0_1", "ulm_0_1_leftImg8bit"])
def test_cityscapes_names_match_with_and_without_their_suffix(tmp_path: Path, name: str) -> None:
    image = tmp_path / "leftImg8bit" / "train" / "ulm" / "ulm_0_1_leftImg8bit.png"
    image.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((12, 20, 3), np.uint8)).save(image)
    write_mask(tmp_path / "masks" / f"{name}.png", TWO_PARTS)
    assert len(regions_of(Folder(tmp_path / "masks"), Cityscapes(tmp_path), 0)) == 2


@pytest.mark.parametrize("scale", [1, 255])
def test_one_value_is_binary_and_several_are_instances(images: ImageFolder, tmp_path: Path, scale: int) -> None:
    write_mask(tmp_path / "masks" / "north" / "2.png", TWO_PARTS * np.uint8(scale))
    coded = TWO_PARTS.astype(np.uint16) * 700
    coded[:, 5:] *= 2
    write_mask(tmp_path / "masks" / "south" / "2.png", coded)
    source = Folder(tmp_path / "masks")
    index = [sample.name for sample in images.samples].index
    assert [region.area for region in regions_of(source, images, index("north/2"))] == [15, 12]
    boxes = [region.box for region in regions_of(source, images, index("south/2"))]
    assert boxes == [(3, 2, 2, 3), (5, 2, 13, 8)], "a value is an instance, connected or not"


def test_the_coding_can_be_said(images: ImageFolder, tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "häuser 1.png", TWO_PARTS)
    index = [sample.name for sample in images.samples].index("north/häuser 1")
    assert len(regions_of(Folder(tmp_path / "masks", "instances"), images, index)) == 1
    assert len(regions_of(Folder(tmp_path / "masks", "binary"), images, index)) == 2
    with pytest.raises(UsageError, match="auto, binary or instances"):
        Folder(tmp_path, "both")  # type: ignore[arg-type]


def test_an_empty_mask_says_that_there_is_no_object(images: ImageFolder, tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "häuser 1.png", TWO_PARTS * np.uint8(0))
    index = [sample.name for sample in images.samples].index("north/häuser 1")
    modes: tuple[Literal["auto", "binary", "instances"], ...] = ("auto", "binary", "instances")
    for mode in modes:
        assert regions_of(Folder(tmp_path / "masks", mode), images, index) == []


def test_a_missing_mask_and_one_of_another_size_name_their_files(images: ImageFolder, tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "north" / "2.png", TWO_PARTS.T)
    source = Folder(tmp_path / "masks")
    index = [sample.name for sample in images.samples].index
    with pytest.raises(UnreadableImageError, match=r"masks/north/2\.png: 12x20 pixels, but its image .* has 20x12"):
        regions_of(source, images, index("north/2"))
    with pytest.raises(UnreadableImageError, match=r"masks/south/2\.png: no mask for"):
        regions_of(source, images, index("south/2"))


def test_a_folder_that_is_missing_or_fits_nothing_is_a_usage_error(images: ImageFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder of masks"):
        Folder(tmp_path / "nowhere").check(images)
    write_mask(tmp_path / "masks" / "other.png", TWO_PARTS)
    with pytest.raises(UsageError, match="expected for instance"):
        Folder(tmp_path / "masks").check(images)
