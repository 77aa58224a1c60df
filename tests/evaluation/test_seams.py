"""Label disagreement across tile borders against inside tiles."""

import math

import numpy as np
import pytest

from objdisc.evaluation.seams import seam_figure, tile_borders


def test_the_figure_is_the_share_of_neighbours_that_differ() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, (11, 14))
    rows, columns = {4, 8}, {7}
    counted = {True: [0, 0], False: [0, 0]}
    for y in range(11):
        for x in range(14):
            for dy, dx, border in ((1, 0, y + 1 in rows), (0, 1, x + 1 in columns)):
                if y + dy < 11 and x + dx < 14:
                    counted[border][0] += int(ids[y, x] != ids[y + dy, x + dx])
                    counted[border][1] += 1
    figure = seam_figure(ids, rows, columns)
    assert figure.across == pytest.approx(counted[True][0] / counted[True][1])
    assert figure.inside == pytest.approx(counted[False][0] / counted[False][1])
    assert (figure.pairs_across, figure.pairs_inside) == (counted[True][1], counted[False][1])


def test_tiles_that_ignore_each_other_show_and_a_smooth_map_does_not() -> None:
    tiles = np.kron(np.array([[0, 1], [1, 0]]), np.ones((10, 10), np.int64))
    figure = seam_figure(tiles, [10], [10])
    assert (figure.across, figure.inside, figure.ratio) == (1.0, 0.0, math.inf)
    noise = np.random.default_rng(1).integers(0, 2, (400, 400))
    assert seam_figure(noise, range(0, 400, 50), range(0, 400, 50)).ratio == pytest.approx(1, abs=0.05)
    assert math.isnan(seam_figure(np.zeros((20, 20), np.int64), [10], []).ratio), "nothing changes anywhere"


def test_pixels_without_a_cluster_are_left_out() -> None:
    ids = np.array([[0, 0, 0], [-1, 0, 1]])
    figure = seam_figure(ids, [1], [])
    assert (figure.across, figure.pairs_across) == (0.5, 2)
    assert figure.inside == pytest.approx(1 / 3)
    assert figure.pairs_inside == 3


def test_the_borders_of_the_image_and_an_image_of_one_tile_have_no_seam() -> None:
    figure = seam_figure(np.eye(4, dtype=np.int64), [0, 4], [0, 4])
    assert math.isnan(figure.across)
    assert figure.pairs_across == 0
    assert math.isnan(seam_figure(np.zeros((1, 1), np.int64), [], []).inside)
    assert figure.to_json().keys() == {"across", "inside", "pairs_across", "pairs_inside", "ratio"}


def test_overlapping_tiles_have_a_border_where_each_begins_and_ends() -> None:
    tiles = [(0, 0, 10, 8), (6, 0, 10, 8), (0, 4, 10, 8), (6, 4, 10, 8)]
    assert tile_borders(tiles) == ([0, 4, 8, 12], [0, 6, 10, 16])
