"""A run's named objects: who is in, in which category, and how their frames look."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objdisc.datasets import open_dataset
from objdisc.export.objects import NamedObjects
from objdisc.imaging.masks import decode_mask
from objdisc.io.files import write_image
from objdisc.naming.categories import Names
from objdisc.objectness.whole import Whole
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions

MakeObjects = Callable[..., NamedObjects]
NAMES = Names.of([("car", (255, 0, 0)), None, ("person", (0, 255, 0)), ("car", (0, 0, 255))])


def test_background_and_what_is_rejected_are_in_no_category(make_objects: MakeObjects) -> None:
    named = make_objects(names=NAMES)
    foreground = named.store.foreground
    assert not foreground.all()
    assert (named.categories[~foreground] == -1).all()
    expected = {0: 1, 1: -1, 2: 2, 3: 1}
    for row in np.flatnonzero(foreground):
        assert named.categories[row] == expected[int(named.clusters[row])]
    assert set(named.object_rows) == set(np.flatnonzero(named.categories > 0))


def test_every_frame_comes_once_with_its_own_objects(make_objects: MakeObjects) -> None:
    named = make_objects(names=Names.of([("x", (0, 0, 0)), None, None, None]))
    frames = list(named.objects())
    assert [frame for frame, _ in frames] == list(named.frames)
    assert len(frames) == 6
    assert any(not objects for _, objects in frames) or len(named.object_rows) >= 6
    listed = [row for frame, objects in frames for row, patch in objects if patch.sample == frame.sample]
    assert listed == named.object_rows.tolist()


def test_frames_without_objects_are_there_too(make_objects: MakeObjects) -> None:
    named = make_objects(names=Names.of([None] * 4))
    assert [objects for _, objects in named.objects()] == [[]] * 6


def test_files_are_named_below_the_data_folder(make_objects: MakeObjects, toy_city: Path) -> None:
    for frame in make_objects().frames:
        assert frame.file_name.startswith("leftImg8bit/val/")
        assert toy_city / frame.file_name == frame.path
        assert (frame.height, frame.width) == (128, 256)


def test_where_objects_overlap_the_more_confident_wins(make_objects: MakeObjects) -> None:
    named = make_objects(names=NAMES)
    for frame, objects in named.objects():
        expected = np.zeros((frame.height, frame.width), np.int64)
        best = np.full(expected.shape, -1.0)
        for row, patch in objects:
            assert patch.region.mask is not None
            better = decode_mask(patch.region.mask) & (named.confidence[row] > best)
            expected[better] = named.categories[row]
            best[better] = named.confidence[row]
        np.testing.assert_array_equal(named.category_map(frame, objects), expected)


def test_score_is_objectness_times_confidence(make_objects: MakeObjects) -> None:
    named = make_objects()
    row = int(named.object_rows[0])
    assert named.score(row, named.store.patch(row)) == pytest.approx(float(named.confidence[row]))


def test_images_that_are_one_object_have_no_outline(make_objects: MakeObjects, tmp_path: Path) -> None:
    write_image(tmp_path / "images/a b.png", np.zeros((20, 30, 3), np.uint8))
    dataset = open_dataset(tmp_path / "images", "")
    store = PatchStore.build(dataset, Whole(), PatchOptions(size=16), tmp_path / "patches", workers=0)
    named = make_objects(np.array([[0.2, 0.8]], np.float32), store=store, dataset=dataset)
    assert [len(objects) for _, objects in named.objects()] == [1]
    assert list(named.outlined()) == []
