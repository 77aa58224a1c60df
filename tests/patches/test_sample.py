"""A sample of patches: as many as asked for, evenly over the images, the same for the same seed."""

import numpy as np
import pytest
import torch

from objdisc.patches.memory import PatchArray
from objdisc.patches.sample import sampled_rows, training_patches

FOREGROUND = np.tile([True, True, True, False], 250)  # 250 images of three objects and one patch of background


def test_as_many_objects_and_a_like_share_of_the_background_are_drawn() -> None:
    rows = sampled_rows(FOREGROUND, 75, seed=0)
    assert rows is not None
    assert len(set(rows.tolist())) == len(rows) == 100
    assert int(FOREGROUND[rows].sum()) == 75
    assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize("most", [0, 750, 751])
def test_where_there_are_no_more_all_are_taken(most: int) -> None:
    assert sampled_rows(FOREGROUND, most, seed=0) is None
    patches = PatchArray.of(torch.zeros(8, 3, 4, 4))
    assert training_patches(patches, 8, seed=0) is patches


@pytest.mark.parametrize("seed", range(5))
def test_every_tenth_of_the_images_has_its_share(seed: int) -> None:
    rows = sampled_rows(FOREGROUND, 75, seed)
    assert rows is not None
    objects = rows[FOREGROUND[rows]]
    by_tenth = np.bincount(objects // 100, minlength=10)
    assert by_tenth.min() >= 6
    assert by_tenth.max() <= 9


def test_the_seed_alone_decides() -> None:
    one, again, other = (sampled_rows(FOREGROUND, 75, seed) for seed in (3, 3, 4))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one, again)
    assert one.tolist() != other.tolist()


def test_the_pixels_are_those_of_the_drawn_rows() -> None:
    images = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 4), np.uint8)
    whole = PatchArray(images, np.arange(40) % 4 != 3)
    rows = sampled_rows(whole.foreground, 6, seed=1)
    assert rows is not None
    part = training_patches(whole, 6, seed=1)
    assert part.images.shape == (8, 2, 2, 4)
    assert len(part) == 8
    assert [int(part.images[row][0, 0, 0]) for row in range(8)] == rows.tolist()
    np.testing.assert_array_equal(part.foreground, whole.foreground[rows])
