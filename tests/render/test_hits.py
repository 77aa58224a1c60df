"""Pictures of a search show what was found, where, and in which colour."""

import numpy as np

from objdisc.imaging.masks import region_from_mask
from objdisc.render.hits import draw_hits, hit_sheet
from objdisc.types import Region

RED, BLUE = (250, 0, 0), (0, 0, 250)


def test_the_sheet_shows_the_query_above_the_finds_in_their_order() -> None:
    patches = [np.full((32, 32, 4), (level, level, level, 255), np.uint8) for level in (10, 60, 110)]
    query = np.full((32, 32, 4), (0, 200, 0, 255), np.uint8)
    picture = hit_sheet("query", ["a line"], query, patches, ["1", "2", "3"], [RED, BLUE, RED])
    green = np.argwhere((picture == (0, 200, 0)).all(axis=-1))
    places = [
        np.argwhere((picture == level).all(axis=-1) & (picture[..., :1] < 255).all(axis=-1)) for level in (10, 60)
    ]
    assert green[:, 0].max() < places[0][:, 0].min()
    assert places[0][:, 1].max() < places[1][:, 1].min()
    assert (picture == RED).all(axis=-1).sum() > 2 * 900
    assert (picture == BLUE).all(axis=-1).sum() > 900
    without = hit_sheet("cluster 3", ["a line"], None, patches, ["1", "2", "3"], [RED, BLUE, RED])
    assert without.shape[1] == picture.shape[1]
    assert len(without) < len(picture)


def test_finds_stay_bright_have_outlines_and_all_else_is_dimmed() -> None:
    image = np.full((200, 300, 3), 100, np.uint8)
    mask = np.zeros((200, 300), np.bool_)
    mask[80:140, 50:100] = True
    mask[80:100, 50:60] = False
    box = Region((200, 100, 60, 50), 3000)
    picture = draw_hits(image, [region_from_mask(mask), box], ["1", "2"], [RED, BLUE])
    assert (picture[110:130, 65:90] == 100).all()
    assert (picture[110:140, 215:245] == 100).all()
    assert (picture[180:, :] == 70).all()
    assert (picture[85:95, 53:57] == 70).all()  # in the box, outside the outline
    red = (picture == RED).all(axis=-1)
    assert red[138:140, 60:90].any()  # the outline's lower edge
    assert not red[:, 120:].any()
    assert (picture == BLUE).all(axis=-1)[100:150, 200:260].any()


def test_labels_stay_inside_the_frame() -> None:
    image = np.full((60, 90, 3), 100, np.uint8)
    corners = [Region((x, y, 20, 20), 400) for x in (-5, 80) for y in (-5, 50)]
    picture = draw_hits(image, corners, ["100: 0.99"] * 4, [RED] * 4)
    assert picture.shape == image.shape
