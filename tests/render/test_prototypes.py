"""Prototypes: the patch of the surest ones that is nearest to their mean, and a picture of them."""

import numpy as np

from objdisc.render.prototypes import prototype_picture, prototypes


def told(clusters: list[int], confidence: list[float], count: int = 3) -> np.ndarray:
    rest = [(1 - sure) / (count - 1) for sure in confidence]
    probabilities = np.repeat(np.array(rest, np.float32)[:, None], count, axis=1)
    probabilities[np.arange(len(clusters)), clusters] = confidence
    return probabilities


def test_of_the_surest_patches_the_one_nearest_to_their_mean_stands_for_a_cluster() -> None:
    features = np.array([[0.0], [1.0], [5.0], [2.1], [9.0], [9.0]], np.float32)
    probabilities = told([0, 0, 0, 0, 1, 1], [0.9, 0.95, 0.99, 0.5, 0.8, 0.7])
    everywhere = np.ones(6, bool)
    # among the three surest of cluster 0 the mean is 2: row 1 at 1.0 is nearest; with the fourth, row 3 at 2.1
    assert prototypes(probabilities, features, everywhere, confident=3) == [1, 4, None]
    assert prototypes(probabilities, features, everywhere, confident=4) == [3, 4, None]


def test_where_all_are_equally_sure_all_are_looked_at() -> None:
    """The first in the store would else stand for a cluster, whatever they show."""
    features = np.array([[9.0], [8.0], [1.0], [1.1], [1.2], [1.3]], np.float32)
    assert prototypes(told([0] * 6, [1.0] * 6), features, np.ones(6, bool), confident=2)[0] == 5


def test_background_stands_for_nothing() -> None:
    features = np.zeros((3, 2), np.float32)
    eligible = np.array([False, True, False])
    assert prototypes(told([0, 0, 1], [0.9, 0.8, 0.9]), features, eligible) == [1, None, None]


def test_the_picture_has_a_tile_for_each_cluster_in_its_colour() -> None:
    images = np.zeros((2, 8, 8, 4), np.uint8)
    images[..., 3] = 255
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    picture = prototype_picture([1, None, 0], images, colors, {0: "ключ"})
    for color in colors:
        assert (picture == np.array(color)).all(axis=2).sum() > 1000
    assert (picture == 0).all(axis=2).sum() >= 2 * 100 * 100, "two black patches"
    many = prototype_picture([None] * 25, images, [(9, 9, 9)] * 25, {})
    assert many.shape[0] > 2 * picture.shape[0]
