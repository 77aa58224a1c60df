"""The moving toy city: what moves in it keeps its number and its looks, and the rest moves with the camera."""

import numpy as np
import pytest

from objdisc.datasets.toycity.sequence import MovingFrame, render_sequence
from objdisc.imaging.flow import frame_motion
from objdisc.imaging.masks import regions_from_map
from objdisc.imaging.overlaps import overlap


@pytest.fixture(scope="module")
def frames() -> list[MovingFrame]:
    return render_sequence(np.random.default_rng(0), (512, 256), 3)


def test_the_same_seed_gives_the_same_sequence() -> None:
    one, same, another = (render_sequence(np.random.default_rng(seed), (96, 48), 2) for seed in (3, 3, 4))
    for shown, again, other in zip(one, same, another, strict=True):
        assert np.array_equal(shown.frame.image, again.frame.image)
        assert np.array_equal(shown.moving, again.moving)
        assert not np.array_equal(shown.frame.image, other.frame.image)


def test_what_moves_are_objects_and_not_all_of_them(frames: list[MovingFrame]) -> None:
    for shown in frames:
        assert shown.frame.image.shape == (256, 512, 3)
        assert shown.moving.shape == shown.frame.label_ids.shape == shown.frame.instance_ids.shape == (256, 512)
        objects = shown.frame.instance_ids >= 1000
        assert (objects | (shown.moving == 0)).all()
        assert (objects & (shown.moving == 0)).any()
        assert shown.moving.any()


def test_what_moves_leaves_the_place_to_which_the_camera_takes_it(frames: list[MovingFrame]) -> None:
    motion = frame_motion(frames[0].frame.image, frames[1].frame.image)
    assert motion is not None
    speed = np.linalg.norm(motion.rest, axis=2)
    moving = frames[0].moving > 0
    assert np.median(speed[~moving]) < 0.3
    assert np.median(speed[moving]) > 1


def test_an_object_keeps_its_number_and_its_looks(frames: list[MovingFrame]) -> None:
    numbers = [set(np.unique(shown.moving).tolist()) - {0} for shown in frames]
    assert set.intersection(*numbers)
    for number in set.intersection(*numbers):
        masks = [shown.moving == number for shown in frames]
        sizes = [int(mask.sum()) for mask in masks]
        if min(sizes) < 200 or masks[0][:, [0, -1]].any() or masks[2][:, [0, -1]].any():
            continue
        assert max(sizes) < 1.3 * min(sizes)
        colors = [shown.frame.image[mask].mean(axis=0) for shown, mask in zip(frames, masks, strict=True)]
        assert np.abs(colors[0] - colors[2]).max() < 8
        parts = [regions_from_map(mask.astype(np.int32)) for mask in (masks[0], masks[2])]
        assert overlap(parts[0], parts[1], masks[0].shape)[0, 0] < 0.95
