"""Superpixels: their borders against a loop over pixels, their means against a map that OpenCV brings to size."""

from collections import defaultdict

import cv2
import numpy as np
import pytest

from objdisc.imaging.superpixels import borders, mean_of_map, superpixels


def test_superpixels_are_connected_numbered_without_gaps_and_follow_edges() -> None:
    image = np.full((60, 80, 3), 40, np.uint8)
    image[15:40, 22:61] = (200, 60, 90)
    labels = superpixels(image, 40)
    numbers = np.unique(labels)
    np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert 20 <= len(numbers) <= 60
    for number in numbers:
        assert cv2.connectedComponents((labels == number).astype(np.uint8), connectivity=4)[0] == 2
        assert len(np.unique(image[labels == number].reshape(-1, 3), axis=0)) == 1, "none crosses the edge"


def test_borders_equal_a_loop_over_neighbouring_pixels() -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.permutation(12).reshape(3, 4), np.ones((3, 2), np.int64))
    edges = rng.random(labels.shape)
    expected: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < height and u < width and labels[y, x] != labels[v, u]:
                    one, other = sorted((int(labels[y, x]), int(labels[v, u])))
                    expected[one, other].append(max(edges[y, x], edges[v, u]))
    found = borders(labels, edges)
    assert [tuple(pair) for pair in found.pairs.tolist()] == sorted(expected)
    for pair, length, strength in zip(found.pairs.tolist(), found.lengths, found.strengths, strict=True):
        assert length == len(expected[pair[0], pair[1]])
        assert strength == pytest.approx(np.mean(expected[pair[0], pair[1]]))


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (1, 9), (24, 32), (12, 40)])
def test_means_equal_those_of_the_map_at_full_size(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3, *size)).astype(np.float32)
    labels = np.unique(rng.integers(0, 6, (24, 32)), return_inverse=True)[1].reshape(24, 32).astype(np.int64)
    large = np.stack([cv2.resize(channel, (32, 24), interpolation=cv2.INTER_LINEAR) for channel in values])
    expected = [large[:, labels == number].mean(axis=1) for number in range(labels.max() + 1)]
    np.testing.assert_allclose(mean_of_map(labels, values), expected, atol=1e-4)
