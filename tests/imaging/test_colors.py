"""Cluster colours: stable, distinct, visible."""

import numpy as np
import pytest

from objdisc.imaging.colors import cluster_colors


def test_a_cluster_keeps_its_colour_when_k_grows() -> None:
    most = cluster_colors(200)
    assert most.shape == (200, 3)
    assert most.dtype == np.uint8
    for num_clusters in (0, 1, 7, 8, 50):
        assert np.array_equal(cluster_colors(num_clusters), most[:num_clusters])


def test_colours_are_all_different_up_to_256() -> None:
    assert len(np.unique(cluster_colors(256), axis=0)) == 256


def test_any_k_has_colours() -> None:
    assert cluster_colors(3000).shape == (3000, 3)


@pytest.mark.parametrize(("num_clusters", "least"), [(8, 40), (20, 25)])
def test_first_colours_are_far_apart_in_rgb(num_clusters: int, least: float) -> None:
    colors = cluster_colors(num_clusters).astype(float)
    distances = np.linalg.norm(colors[:, None] - colors, axis=-1)
    assert distances[~np.eye(num_clusters, dtype=bool)].min() > least


def test_no_colour_is_grey() -> None:
    colors = cluster_colors(100).astype(int)
    assert (colors.max(axis=1) - colors.min(axis=1)).min() > 40


def test_first_colours_differ_to_red_green_blind_eyes() -> None:
    # Without one of red and green, brightness and blueness are what is left (an independent, coarser model).
    colors = cluster_colors(8).astype(float)
    left = np.stack([colors @ (0.299, 0.587, 0.114), colors[:, 2]], axis=1)
    distances = np.linalg.norm(left[:, None] - left, axis=-1)
    assert distances[~np.eye(8, dtype=bool)].min() > 20
