"""Label maps are never taken for photos, and photos of few values are never taken for label maps."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets import open_dataset
from objdisc.datasets.lookalikes import label_maps_among
from objdisc.errors import UsageError
from objdisc.imaging.leftout import LABEL_MAPS

RANDOM = np.random.default_rng(0)
SIZE = (24, 32)


def photo(channels: int = 3) -> NDArray[np.uint8]:
    shape = SIZE if channels == 1 else (*SIZE, channels)
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def ids(dtype: type = np.uint8, values: int = 5) -> NDArray[np.integer]:
    small = RANDOM.integers(0, values, (3, 4))
    small.flat[:values] = np.arange(min(values, 12))
    return np.kron(small, np.ones((8, 8), np.int64)).astype(dtype)


def put(path: Path, pixels: NDArray[np.integer]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def names(folder: Path) -> list[str]:
    return [sample.name for sample in open_dataset(folder, "").samples]


@pytest.mark.parametrize(
    "name",
    [
        "{0}_gtFine_labelIds.png",
        "{0}_instanceIds.png",
        "{0}_mask.png",
        "{0}_seg.tif",
        "masks/{0}.png",
        "some/where/gt/{0}.png",
        "SegmentationClass/{0}.png",
        "instances/{0}_instance.png",
        "result/{0}.png",
        "{0}.png",
    ],
)
def test_maps_beside_photos_are_left_out_and_counted(tmp_path: Path, name: str) -> None:
    for stem in ("a", "b", "c"):
        put(tmp_path / f"{stem}.jpg", photo())
        put(tmp_path / name.format(stem), ids(np.uint16 if "instance" in name else np.uint8))
    dataset = open_dataset(tmp_path, "")
    assert [sample.name for sample in dataset.samples] == ["a", "b", "c"]
    assert dataset.left_out.number(LABEL_MAPS) == 3
    assert f"3 {Path(name).suffix}: label maps (--labels takes them)" in str(dataset.left_out)


def test_maps_in_colour_with_a_palette_or_as_lossy_masks_are_left_out(tmp_path: Path) -> None:
    colors = RANDOM.integers(0, 256, (256, 3), dtype=np.uint8)
    for stem in ("a", "b"):
        put(tmp_path / f"photos/{stem}_sat.jpg", photo())
        put(tmp_path / f"colored/{stem}_color.png", colors[ids()])
        indexed = Image.fromarray(ids(np.uint8, 9), "P")
        indexed.putpalette(colors.tobytes())
        indexed.save(tmp_path / f"colored/{stem}.png")
        put(tmp_path / f"masks/{stem}_mask.jpg", 255 * ids(np.uint8, 2))
    assert names(tmp_path) == ["photos/a_sat", "photos/b_sat"]


def test_scanned_pages_grey_photos_and_digits_are_photos(tmp_path: Path) -> None:
    digit = np.zeros((28, 28), np.uint8)
    digit[6:22, 10:18] = RANDOM.integers(0, 256, (16, 8))
    for number in range(3):
        Image.fromarray(ids(np.uint8, 2) > 0).save(_made(tmp_path / f"scans/book one/page{number}.png"))
        Image.fromarray(ids(np.uint8, 2) > 0).save(_made(tmp_path / f"scans/book two/page{number}.png"))
        put(tmp_path / f"grey/page{number}.png", photo(1))
        for kind in range(3):
            put(tmp_path / f"digits/{kind}/{number}.png", digit)
        put(tmp_path / f"masks of faces/mask/{number}.jpg", photo())
        put(tmp_path / f"masks of faces/no mask/{number}.jpg", photo())
        Image.fromarray(photo()).quantize(64).save(_made(tmp_path / f"gif/drawing {number}.gif"))
    assert len(names(tmp_path)) == 3 * (2 + 1 + 3 + 2 + 1)


def test_a_binary_scan_beside_a_grey_photo_of_its_stem_is_a_photo_where_no_name_says_else(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"book/page{number}.png", 255 * ids(np.uint8, 2))
        put(tmp_path / f"album/page{number}.png", photo(1))
    assert len(names(tmp_path)) == 6


@pytest.mark.parametrize("name", ["shirt_color.png", "tv_l.png", "masks/scream.png", "labels/wine.png"])
def test_a_telling_name_without_a_photo_of_the_stem_or_with_a_photo_s_pixels_is_a_photo(
    tmp_path: Path, name: str
) -> None:
    put(tmp_path / "other.jpg", photo())
    put(tmp_path / name, ids())
    assert len(names(tmp_path)) == 2
    put(tmp_path / name, photo())
    put(tmp_path / f"{Path(name).stem.split('_')[0]}.jpg", photo())
    assert len(names(tmp_path)) == 3


def test_a_folder_of_nothing_but_label_maps_says_so(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        put(tmp_path / f"{stem}_gtFine_labelIds.png", ids())
    with pytest.raises(UsageError, match=r"no image in it .*found 2 \.png: label maps \(--labels takes them\)"):
        open_dataset(tmp_path, "")


def test_a_hundred_thousand_names_are_sorted_out_within_seconds() -> None:
    images = {f"photos/{i:06d}.jpg": Path(f"/nowhere/photos/{i:06d}.jpg") for i in range(100_000)}
    maps = {f"gt/{i:06d}_labelIds.png": Path(f"/nowhere/gt/{i:06d}_labelIds.png") for i in range(1000)}
    began = time.monotonic()
    assert label_maps_among(images | maps) == maps.keys()
    assert time.monotonic() - began < 10


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
