"""Probabilities that follow edges: borders lie where the image has them, and memory does not grow with K."""

import tracemalloc

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.inference.edges import follow_edges, within_segments


def halves(width: int, edge: int, height: int = 64) -> NDArray[np.uint8]:
    """An image, dark left of a column and light from it on."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, edge:] = 200
    return image


def coarse(width: int, border: float, height: int = 8) -> NDArray[np.float32]:
    """Two clusters whose border is blurred over several coarse pixels."""
    place = np.arange(width) + 0.5
    right = 1 / (1 + np.exp(-(place - border)))
    return np.stack([np.tile(1 - right, (height, 1)), np.tile(right, (height, 1))]).astype(np.float32)


def test_a_coarse_border_moves_to_the_edge_of_the_image() -> None:
    image = halves(128, 70)
    clusters, confidence = follow_edges(coarse(16, 8.0), image, 32)
    np.testing.assert_array_equal(clusters, image[..., 0] > 100)
    assert clusters.dtype == np.int16
    assert confidence.dtype == np.float32
    assert clusters.shape == confidence.shape == (64, 128)


def test_without_edges_it_is_a_smooth_enlargement() -> None:
    image = np.full((64, 128, 3), 90, np.uint8)
    probabilities = coarse(16, 6.0)
    clusters, confidence = follow_edges(probabilities, image, 8)
    enlarged = np.stack([cv2.resize(given, (128, 64), interpolation=cv2.INTER_LINEAR) for given in probabilities])
    assert (clusters == enlarged.argmax(axis=0)).mean() > 0.98
    assert confidence.min() >= 0
    assert confidence.max() <= 1


def test_probabilities_still_sum_to_one_so_that_the_best_has_at_least_its_share() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), (16, 16)).transpose(2, 0, 1).astype(np.float32)
    image = rng.integers(0, 256, (96, 96, 3), np.uint8)
    _, confidence = follow_edges(probabilities, image, 12)
    assert confidence.min() >= 1 / 5 - 1e-4


def test_memory_does_not_grow_with_the_clusters_at_full_size() -> None:
    image = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
    peaks = []
    for clusters in (2, 32):
        probabilities = np.full((clusters, 15, 20), 1 / clusters, np.float32)
        tracemalloc.start()
        follow_edges(probabilities, image, 16)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_segments_draw_a_blurred_border_to_where_colours_change() -> None:
    image = halves(64, 40)
    blurred = coarse(64, 32.0, height=64)
    found = within_segments(blurred, image)
    np.testing.assert_allclose(found.sum(axis=0), blurred.sum(axis=0), atol=1e-6)
    right = image[..., 0] > 100
    wrong = [(given.argmax(axis=0) != right).mean() for given in (blurred, found)]
    assert wrong[1] < 0.7 * wrong[0]
    assert found.dtype == np.float32


def test_segments_of_one_colour_are_the_whole_image_and_tiny_images_work() -> None:
    for side in (1, 2, 40):
        image = np.full((side, side, 3), 120, np.uint8)
        probabilities = np.random.default_rng(0).dirichlet(np.ones(3), (side, side)).transpose(2, 0, 1)
        found = within_segments(probabilities.astype(np.float32), image)
        mean = probabilities.mean(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(found, (probabilities + 2 * mean) / 3, atol=1e-5)
