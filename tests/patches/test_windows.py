"""Windows around objects and windows of background, against the rules in words and plain numpy."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import Cityscapes
from objdisc.errors import UsageError
from objdisc.imaging.masks import decode_mask, region_from_mask
from objdisc.objectness.instances import Instances
from objdisc.patches.windows import PatchOptions, background_windows, object_window
from objdisc.types import Region

CAMVID = Path(__file__).parents[2] / "data" / "camvid"


def box_region(x: int, y: int, width: int, height: int, frame: tuple[int, int] = (200, 300)) -> Region:
    mask = np.zeros(frame, np.bool_)
    mask[y : y + height, x : x + width] = True
    return region_from_mask(mask)


@pytest.mark.parametrize(
    ("box", "context", "window"),
    [
        ((50, 60, 40, 20), 0.0, (50, 50, 40)),
        ((50, 60, 40, 20), 10.0, (46, 46, 48)),
        ((50, 60, 20, 40), 10.0, (36, 56, 48)),
        ((50, 60, 25, 25), 10.0, (47, 57, 31)),  # 2.5 pixels of margin: 3
        ((50, 60, 24, 24), 10.0, (48, 58, 28)),  # 2.4: 2
        ((50, 60, 40, 21), 0.0, (50, 51, 40)),  # 19 pixels of slack: 9 above, 10 below
        ((0, 0, 30, 10), 10.0, (-3, -13, 36)),  # over the border
    ],
)
def test_an_object_window_is_the_box_made_square_with_its_margin(
    box: tuple[int, int, int, int], context: float, window: tuple[int, int, int]
) -> None:
    assert object_window(box_region(*box), context) == window


def test_a_region_without_mask_is_its_own_view() -> None:
    assert object_window(Region((5, 6, 30, 30), 900), 10.0) == (5, 6, 30)


@pytest.mark.parametrize(
    "bad", [{"size": 0}, {"context": -1.0}, {"min_area": -1}, {"background_ratio": -0.5}, {"context": float("nan")}]
)
def test_options_out_of_range_say_what_to_give(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="give"):
        PatchOptions(**bad)  # type: ignore[arg-type]


def random_scene(rng: np.random.Generator) -> tuple[list[Region], NDArray[np.bool_]]:
    """Blobs of all sizes, from specks to most of the frame; the union of their masks beside them."""
    frame = (int(rng.integers(20, 120)), int(rng.integers(20, 160)))
    union = np.zeros(frame, np.bool_)
    regions = []
    for _ in range(rng.integers(0, 12)):
        y, x = rng.integers(0, frame[0] - 2), rng.integers(0, frame[1] - 2)
        height, width = rng.integers(1, 60, size=2)
        mask = np.zeros(frame, np.bool_)
        mask[y : y + height, x : x + width] = rng.random(mask[y : y + height, x : x + width].shape) < 0.9
        if mask.any():
            regions.append(region_from_mask(mask))
            union |= mask
    return regions, union


def test_background_windows_lie_in_the_frame_and_touch_no_region_however_small() -> None:
    rng = np.random.default_rng(0)
    options = PatchOptions(min_area=100)
    seen = 0
    for _ in range(200):
        regions, union = random_scene(rng)
        large = [region for region in regions if region.area >= options.min_area]
        windows = background_windows(regions, (union.shape[0], union.shape[1]), options, random.Random(0))
        assert len(windows) <= max(1, len(large))
        sides = {min(object_window(region, options.context)[2], *union.shape) for region in large}
        for window in windows:
            x, y, side, height = window.box
            assert side == height
            assert window.area == side * side
            assert 0 <= x <= union.shape[1] - side
            assert 0 <= y <= union.shape[0] - side
            assert not union[y : y + side, x : x + side].any()
            assert not window.foreground
            assert window.mask is None
            assert not large or side in sides | ({round(0.1 * min(union.shape))} if len(windows) == 1 else set())
            seen += 1
    assert seen > 100


def test_the_one_free_place_is_found() -> None:
    mask = np.ones((50, 70), np.bool_)
    mask[23:33, 41:51] = False
    small = np.zeros((50, 70), np.bool_)
    small[:1, :6] = True
    large, speck = region_from_mask(mask & ~small), region_from_mask(small)
    speck_window = object_window(speck, 0.0)[2]
    windows = background_windows([large, speck], (50, 70), PatchOptions(min_area=1, context=0.0), random.Random(0))
    assert speck_window == 6
    assert windows
    for window in windows:
        x, y, side, _ = window.box
        assert side == 6
        assert not mask[y : y + side, x : x + side].any()


def test_no_room_gives_no_window() -> None:
    full = region_from_mask(np.ones((30, 30), np.bool_))
    assert background_windows([full], (30, 30), PatchOptions(), random.Random(0)) == []


@pytest.mark.parametrize(
    ("ratio", "objects", "expected"), [(0.0, 3, 0), (1.0, 3, 3), (2.0, 3, 6), (0.5, 3, 2), (0.1, 3, 1)]
)
def test_the_ratio_counts_windows_per_object(ratio: float, objects: int, expected: int) -> None:
    regions = [box_region(20 * index, 0, 20, 20) for index in range(objects)]
    options = PatchOptions(min_area=100, background_ratio=ratio)
    assert len(background_windows(regions, (200, 300), options, random.Random(0))) == expected


def test_an_image_without_objects_gives_one_window() -> None:
    (window,) = background_windows([], (200, 300), PatchOptions(), random.Random(0))
    assert window.box[2] in {20, 40, 60}


def test_the_same_chance_gives_the_same_windows() -> None:
    regions = [box_region(20 * index, 0, 20, 20) for index in range(5)]
    draws = [
        background_windows(regions, (200, 300), PatchOptions(min_area=1), random.Random(seed)) for seed in (3, 3, 4)
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.real_data
@pytest.mark.skipif(not CAMVID.is_dir(), reason="data/camvid is absent; see data/README.md")
@pytest.mark.parametrize(
    ("split", "expected"),
    [("train", {"person": 255, "rider": 102, "car": 763}), ("val", {"person": 101, "rider": 187, "car": 103})],
)
def test_camvid_has_the_objects_that_its_description_counts(split: str, expected: dict[str, int]) -> None:
    dataset = Cityscapes(CAMVID, split)
    counts: Counter[str] = Counter()
    for sample in dataset.samples:
        labels = dataset.read_labels(sample)
        assert labels is not None
        image = np.zeros((*labels.shape, 3), np.uint8)
        for region in Instances().regions(dataset, sample, image):
            if region.area >= PatchOptions().min_area:
                assert region.mask is not None
                label = np.bincount(labels[decode_mask(region.mask)]).argmax()
                counts[dataset.class_names[int(label)]] += 1
    assert counts == expected
