"""Shapes become pixels, and whatever is no object is refused by its reason."""

import math
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from objdisc.annotations import shapes
from objdisc.annotations.base import Shape, ShapeKind
from objdisc.annotations.shapes import BadShape, place
from objdisc.imaging.masks import decode_mask

FRAME = (20, 30)


def box(*corners: Any, shares: bool = False) -> Shape:
    return Shape("box", list(corners), shares)


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_are_the_pixels_that_pycocotools_reads(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(FRAME) < (0.02, 0.2, 0.5, 0.9, 1.1)[seed]
    mask[3, 4] = True
    runs = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(np.concatenate([[False], flat]).astype(int)))
    lengths = np.diff([0, *ends, flat.size]).tolist()
    for counts in (runs["counts"].decode(), lengths, [*lengths[:1], 0, 0, *lengths[1:]]):
        found = place(Shape("runs", [*FRAME, counts]), FRAME)
        assert found.counts == runs["counts"].decode()
        assert found.area == mask.sum()
        assert list(found.box) == coco_masks.toBbox(runs).tolist()
        assert found.first == int(mask.ravel().argmax())


def test_polygons_are_filled_as_pycocotools_fills_them() -> None:
    rings = [[2.0, 3.0, 12.5, 3.0, 9.0, 15.0], [20.0, 2.0, 25.0, 2.0, 25.0, 8.0, 20.0, 8.0]]
    expected = coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects(rings, *FRAME))).astype(bool)
    found = place(Shape("polygons", rings), FRAME)
    assert found.counts is not None
    np.testing.assert_array_equal(decode_mask({"size": list(FRAME), "counts": found.counts}), expected)
    assert (found.area, found.notes) == (expected.sum(), ())
    assert found.first == int(expected.ravel().argmax())


def test_boxes_are_rounded_to_whole_pixels() -> None:
    found = place(box(2.4, 3.6, 10.4, 12.6), FRAME)
    assert (found.box, found.area, found.counts, found.notes) == ((2, 4, 8, 9), 72, None, ())
    assert place(box(2.2, 3.1, 2.4, 3.2), FRAME).box == (2, 3, 1, 1), "less than a pixel is one"


@pytest.mark.parametrize(
    ("shape", "expected", "note"),
    [
        (box(25, 15, 40, 40), (25, 15, 5, 5), shapes.CUT_OFF),
        (box(-4, -4, 3, 3), (0, 0, 3, 3), shapes.CUT_OFF),
        (box(10, 12, 2, 3), (2, 3, 8, 9), shapes.WRONG_ORDER),
        (box(0.1, 0.2, 0.5, 0.6), (3, 4, 12, 8), shapes.AS_SHARES),
        (box(3, 4, 15, 12, shares=True), (3, 4, 12, 8), shapes.AS_PIXELS),
    ],
)
def test_what_can_be_mended_is_mended_and_noted(shape: Shape, expected: tuple[int, ...], note: str) -> None:
    found = place(shape, FRAME)
    assert found.box == expected
    assert found.notes == (note,)


def test_shares_by_convention_are_nothing_to_note() -> None:
    assert place(box(0.1, 0.2, 0.5, 0.6, shares=True), FRAME).notes == ()


@pytest.mark.parametrize(
    ("kind", "values", "reason"),
    [
        ("box", [5, 5, 5, 9], shapes.NO_AREA),
        ("box", [40, 5, 50, 9], shapes.OUTSIDE),
        ("box", [5, -9, 8, -2], shapes.OUTSIDE),
        ("box", [math.nan, 5, 8, 9], shapes.NOT_A_NUMBER),
        ("box", [None, 5, 8, 9], shapes.NOT_A_NUMBER),
        ("box", [1, 5, 1e12, 9], shapes.NOT_A_NUMBER),
        ("polygons", [[1, 1, 5, 5]], shapes.FEW_POINTS),
        ("polygons", [[40, 40, 50, 40, 50, 50]], shapes.OUTSIDE),
        ("polygons", [[4, 4, math.inf, 4, 8, 8]], shapes.NOT_A_NUMBER),
        ("runs", [20, 31, "0"], shapes.OTHER_SIZE),
        ("runs", [20, 30, "not run lengths"], shapes.BROKEN_RUNS),
        ("runs", [20, 30, ""], shapes.BROKEN_RUNS),
        ("runs", [20, 30, [5, -3, 598]], shapes.BROKEN_RUNS),
        ("runs", [20, 30, [5, 3]], shapes.BROKEN_RUNS),
        ("runs", [20, 30, [600]], shapes.NO_AREA),
    ],
)
def test_what_is_no_object_is_left_out_by_its_reason(kind: ShapeKind, values: list[Any], reason: str) -> None:
    with pytest.raises(BadShape) as caught:
        place(Shape(kind, values), FRAME)
    assert str(caught.value) == reason


def test_a_polygon_that_crosses_itself_is_kept_and_noted() -> None:
    bow_tie = [2.0, 2.0, 20.0, 18.0, 20.0, 2.0, 2.0, 18.0]
    found = place(Shape("polygons", [bow_tie]), FRAME)
    assert found.notes == (shapes.CROSSES_ITSELF,)
    assert found.area > 50


def test_one_bad_ring_of_several_leaves_the_others() -> None:
    found = place(Shape("polygons", [[2, 2, 9, 2, 9, 9, 2, 9], [4, 4]]), FRAME)
    assert found.notes == (shapes.FEW_POINTS,)
    assert found.area >= 49


def test_a_polygon_that_reaches_over_the_border_is_cut_off() -> None:
    found = place(Shape("polygons", [[20, 10, 60, 10, 60, 60, 20, 60]]), FRAME)
    assert found.notes == (shapes.CUT_OFF,)
    assert found.box == (20, 10, 10, 10)
