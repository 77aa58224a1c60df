"""The toy city's drawing board: picture and label maps stay in step."""

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import name2label

from objdisc.datasets.toycity.canvas import Canvas, Frame
from objdisc.datasets.toycity.shapes import Part, box
from objdisc.datasets.toycity.street import paint_street, rectangle

COLORS = {"body": (200.0, 40.0, 40.0), "pale": (255.0, 255.0, 255.0)}
PLAIN = (1.0, 1.0, 1.0)


@pytest.fixture
def canvas() -> Canvas:
    """Give a canvas of 256x128 pixels, filled with road: a pixel is two units."""
    canvas = Canvas((256, 128), np.random.default_rng(0))
    canvas.stuff("road", rectangle(-1, -1, 513, 257), (100, 100, 100))
    return canvas


def _square(left: float, top: float, role: str = "body") -> Part:
    return box(left, top, left + 40, top + 40, role)


def test_sizes_and_types(canvas: Canvas) -> None:
    frame = canvas.finish(PLAIN, 0.0)
    assert (frame.image.shape, str(frame.image.dtype)) == ((128, 256, 3), "uint8")
    assert (frame.label_ids.shape, str(frame.label_ids.dtype)) == ((128, 256), "uint8")
    assert (frame.instance_ids.shape, str(frame.instance_ids.dtype)) == ((128, 256), "uint16")
    assert (frame.label_ids == name2label["road"].id).all()


def test_each_thing_is_an_instance_and_the_later_one_hides_the_earlier(canvas: Canvas) -> None:
    canvas.thing("car", [_square(100, 100)], COLORS, texture=0.0)
    canvas.thing("car", [_square(120, 100)], COLORS, texture=0.0)
    canvas.thing("bus", [_square(300, 100)], COLORS, texture=0.0)
    frame = canvas.finish(PLAIN, 0.0)
    car, bus = name2label["car"].id, name2label["bus"].id
    assert frame.instance_ids[60, 55] == 1000 * car
    assert frame.instance_ids[60, 65] == 1000 * car + 1
    assert frame.instance_ids[60, 160] == 1000 * bus
    # 20x20 pixels; OpenCV counts the border in.
    assert 400 <= (frame.instance_ids == 1000 * car + 1).sum() <= 441
    assert [label for label, _ in frame.polygons] == ["road", "car", "car", "bus"]


def test_picture_and_mask_cover_the_same_pixels(canvas: Canvas) -> None:
    before = canvas.finish(PLAIN, 0.0).image.astype(int)
    canvas.thing("car", [_square(100, 100), _square(130, 120)], COLORS, texture=0.05)
    frame: Frame = canvas.finish(PLAIN, 0.0)
    changed = np.abs(frame.image - before).max(axis=2) > 40
    assert (changed != (frame.instance_ids >= 1000)).mean() < 0.002


def test_pale_parts_let_the_background_through(canvas: Canvas) -> None:
    canvas.thing("bicycle", [_square(100, 100, "pale")], COLORS, texture=0.0)
    frame = canvas.finish(PLAIN, 0.0)
    assert 110 < frame.image[60, 60].mean() < 180
    assert frame.label_ids[60, 60] == name2label["bicycle"].id


def test_a_thing_beyond_the_border_is_cut_off(canvas: Canvas) -> None:
    canvas.thing("car", [_square(-20, 230)], COLORS, texture=0.1)
    frame = canvas.finish(PLAIN, 0.0)
    assert frame.instance_ids[-1, 0] == 1000 * name2label["car"].id
    assert all((points >= 0).all() for _, points in frame.polygons)


def test_an_empty_street_has_scenery_everywhere_and_no_object() -> None:
    rng = np.random.default_rng(0)
    canvas = Canvas((256, 128), rng)
    paint_street(canvas, rng, rails=True)
    frame = canvas.finish(PLAIN, 0.0)
    found = set(np.unique(frame.label_ids).tolist())
    wanted = {name2label[name].id for name in ("sky", "building", "sidewalk", "road", "vegetation", "pole")}
    assert found == wanted
    assert (frame.instance_ids < 1000).all()
