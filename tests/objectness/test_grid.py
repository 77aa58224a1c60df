"""The ``grid`` source: crops that cover every image, and know which of their pixels are valid."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import read_rgb
from objdisc.objectness.grid import Grid, grid_windows
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions
from objdisc.types import Region, Sample


class Masked(ImageFolder):
    """A folder of images whose upper 30 rows and left 45 columns are not valid."""

    def read_valid(self, sample: Sample) -> NDArray[np.bool_]:
        valid = np.ones(self.image_size(sample), np.bool_)
        valid[:30] = valid[:, :45] = False
        return valid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 100, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., ::-1])
    return tmp_path


def regions_of(dataset: ImageFolder, source: Grid) -> list[Region]:
    return source.regions(dataset, dataset.samples[0], dataset.read_image(dataset.samples[0]))


@pytest.mark.parametrize("frame", [(70, 100), (40, 41), (40, 200), (41, 83)])
@pytest.mark.parametrize("stride", [7, 20, 40])
def test_windows_cover_the_frame_stay_inside_and_step_evenly(frame: tuple[int, int], stride: int) -> None:
    covered = np.zeros(frame, int)
    windows = grid_windows(frame, 40, stride)
    for x, y, side in windows:
        assert 0 <= x <= frame[1] - side
        assert 0 <= y <= frame[0] - side
        covered[y : y + side, x : x + side] += 1
    assert covered.min() >= 1
    steps = np.diff(sorted({x for x, _, _ in windows}))
    assert steps.size == 0 or (steps.max() <= stride and steps.max() - steps.min() <= 1)


def test_a_frame_that_is_too_short_gets_one_square_in_its_middle() -> None:
    assert grid_windows((20, 100), 40, 30) == [(0, -10, 40), (30, -10, 40), (60, -10, 40)]


def test_crops_of_a_wholly_valid_image_need_no_mask(folder: Path) -> None:
    regions = regions_of(ImageFolder(folder), Grid(side=40))
    expected = [(x, y, 40) for y in (0, 30) for x in (0, 30, 60)]
    assert [region.window for region in regions] == expected
    assert all(region.mask is None and region.area == 1600 and region.foreground for region in regions)


def test_the_last_channel_of_a_patch_are_the_valid_pixels(folder: Path, tmp_path: Path) -> None:
    """Context would shift the windows of other sources; a grid's stay where they are."""
    dataset = Masked(folder)
    store = PatchStore.build(dataset, Grid(side=40), PatchOptions(size=40), tmp_path / "store", workers=0)
    image, valid = dataset.read_image(dataset.samples[0]), dataset.read_valid(dataset.samples[0])
    places = [patch.window for patch in store.patches]
    assert places == [(30, 0, 40), (60, 0, 40), (30, 30, 40), (60, 30, 40)], "none without a valid pixel"
    for patch, (x, y, side) in zip(store.images, places, strict=True):
        np.testing.assert_array_equal(patch[..., :3], image[y : y + side, x : x + side])
        np.testing.assert_array_equal(patch[..., 3] == 255, valid[y : y + side, x : x + side])
    assert [patch.region.area for patch in store.patches] == [250, 400, 1000, 1600]


def test_an_image_smaller_than_a_crop_is_named_with_the_fix(folder: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"100x70 .*smaller than a crop of 80; lower --objectness\.side"):
        regions_of(ImageFolder(folder), Grid(side=80))


def test_padding_is_not_valid(folder: Path, tmp_path: Path) -> None:
    source = Grid(side=90, pad=True)
    store = PatchStore.build(ImageFolder(folder), source, PatchOptions(size=90), tmp_path / "store", workers=0)
    assert [patch.window for patch in store.patches] == [(0, -10, 90), (10, -10, 90)]
    assert (store.images[:, :10, :, 3] == 0).all()
    assert (store.images[:, 10:80, :, 3] == 255).all()
    assert (store.images[:, 80:, :, 3] == 0).all()


def test_side_0_is_the_shorter_side_of_each_image(tmp_path: Path) -> None:
    for name, frame in (("a", (40, 100)), ("b", (90, 60)), ("c", (50, 50))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((*frame, 3), np.uint8))
    dataset = ImageFolder(tmp_path)
    windows = [
        [region.window for region in Grid(0).regions(dataset, sample, dataset.read_image(sample))]
        for sample in dataset.samples
    ]
    assert windows == [[(0, 0, 40), (30, 0, 40), (60, 0, 40)], [(0, 0, 60), (0, 30, 60)], [(0, 0, 50)]]


@pytest.mark.parametrize("wrong", [{"side": -1}, {"stride": -1}])
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="grid: side"):
        Grid(**wrong)


class Infrared(ImageFolder):
    """A folder of images with a fourth channel, the inverse of red."""

    num_channels = 4

    def _decode(self, sample: Sample) -> NDArray[np.uint8]:
        image = read_rgb(sample.image_path)
        return np.concatenate([image, 255 - image[..., :1]], axis=2)


def test_a_store_keeps_every_channel(folder: Path, tmp_path: Path) -> None:
    store = PatchStore.build(Infrared(folder), Grid(side=40), PatchOptions(size=20), tmp_path / "store", workers=0)
    assert store.images.shape == (6, 20, 20, 5)
    difference = store.images[..., 3].astype(int) + store.images[..., 0]
    assert np.abs(difference - 255).max() <= 1
    assert (store.images[..., 4] == 255).all()
