"""A part comes back as it was written, and only under the key it was written with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objdisc.imaging.masks import region_from_mask
from objdisc.pipeline.segmented_shards import SegmentedImage, SegmentedShard
from objdisc.types import Region


@pytest.fixture
def part() -> SegmentedShard:
    mask = np.random.default_rng(0).random((20, 30)) < 0.3
    mask[:5] = False
    regions = (region_from_mask(mask), Region((-2, 3, 40, 7), 280, score=0.25))
    full = SegmentedImage(
        "stadt/straße 1",
        Path('bilder/straße "1".png'),
        (20, 30),
        regions,
        np.array([2, 0]),
        np.array([0.9, 1 / 3], np.float32),
        np.array([0.1, np.nan], np.float32),
    )
    none = np.zeros(0, np.float32)
    empty = SegmentedImage("leer", Path("leer.png"), (4, 4), (), np.zeros(0, np.int64), none, none)
    return SegmentedShard("key", (full, empty), ((Path("kaputt.png"), "the file is empty"),))


def test_it_comes_back_as_it_was_written(part: SegmentedShard, tmp_path: Path) -> None:
    part.write(tmp_path / "parts/0.json")
    again = SegmentedShard.read(tmp_path / "parts/0.json", "key")
    assert again is not None
    assert again.skipped == part.skipped
    for image, before in zip(again.images, part.images, strict=True):
        assert (image.sample, image.path, image.frame) == (before.sample, before.path, before.frame)
        assert image.regions == before.regions
        for name in ("clusters", "confidence", "distances"):
            np.testing.assert_array_equal(getattr(image, name), getattr(before, name))
            assert getattr(image, name).dtype == getattr(before, name).dtype


def test_another_key_no_file_and_damage_are_no_part(part: SegmentedShard, tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    assert SegmentedShard.read(path, "key") is None
    part.write(path)
    assert SegmentedShard.read(path, "other") is None
    path.write_bytes(path.read_bytes()[:-40])
    assert SegmentedShard.read(path, "key") is None
    path.write_text("[1, 2]", encoding="utf-8")
    assert SegmentedShard.read(path, "key") is None


def test_an_image_that_is_one_region_has_no_map(part: SegmentedShard) -> None:
    assert not part.images[0].is_one_region
    whole = replace(part.images[0], regions=(Region((0, 0, 30, 20), 600),))
    assert whole.is_one_region
