"""Which patches show a cluster, and the sheet that shows them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.retrieval import rank, sheet, thumbnail


@pytest.fixture
def probabilities() -> NDArray[np.float32]:
    return np.random.default_rng(0).dirichlet(np.ones(4), 300).astype(np.float32)


def test_confident_rows_are_the_best_of_their_cluster_in_order(probabilities: NDArray[np.float32]) -> None:
    for shown in rank(probabilities, count=5):
        of_cluster = [
            (-float(row.max()), index) for index, row in enumerate(probabilities) if int(row.argmax()) == shown.cluster
        ]
        assert shown.confident.tolist() == [index for _, index in sorted(of_cluster)[:5]]
        assert shown.uncertain.tolist() == [index for _, index in sorted(of_cluster)[::-1][:5]]
        assert shown.size == len(of_cluster)
        assert shown.mean_confidence == pytest.approx(np.mean([-value for value, _ in of_cluster]))


def test_random_rows_are_of_the_cluster_distinct_and_seeded(probabilities: NDArray[np.float32]) -> None:
    first, again, other = (rank(probabilities, count=12, seed=seed) for seed in (3, 3, 4))
    for cluster in range(4):
        rows = first[cluster].random
        assert len(set(rows.tolist())) == 12
        assert (probabilities[rows].argmax(axis=1) == cluster).all()
        assert np.array_equal(rows, again[cluster].random)
        assert not np.array_equal(rows, other[cluster].random)


def test_random_rows_are_as_confident_as_the_cluster(probabilities: NDArray[np.float32]) -> None:
    means = [
        float(probabilities.max(axis=1)[rank(probabilities, count=12, seed=seed)[0].random].mean())
        for seed in range(200)
    ]
    assert np.mean(means) == pytest.approx(rank(probabilities)[0].mean_confidence, abs=0.01)


def test_background_is_left_out(probabilities: NDArray[np.float32]) -> None:
    eligible = np.arange(300) % 3 == 0
    ranked = rank(probabilities, eligible, count=300)
    assert sum(shown.size for shown in ranked) == 100
    assert all(eligible[shown.confident].all() and eligible[shown.random].all() for shown in ranked)


def test_small_clusters() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.1, 0.9, 0.0]], np.float32)
    two, one, none = rank(probabilities)
    assert two.confident.tolist() == [0, 1]
    assert one.confident.tolist() == one.random.tolist() == [2]
    assert (none.size, none.mean_confidence, len(none.confident), len(none.random)) == (0, 0.0, 0, 0)
    images = np.zeros((3, 32, 32, 4), np.uint8)
    sheets = [sheet(shown, images, probabilities.max(axis=1)) for shown in (two, one, none)]
    assert len({picture.shape[1] for picture in sheets}) == 1
    assert len(sheets[0]) == len(sheets[1]) > len(sheets[2])


def test_thumbnail_keeps_the_object_and_pales_the_rest() -> None:
    patch = np.full((96, 96, 4), (40, 80, 120, 0), np.uint8)
    patch[:48, :, 3] = 255
    small = thumbnail(patch, 48).astype(int)
    assert small.shape == (48, 48, 3)
    assert (small[:23] == (40, 80, 120)).all()
    assert (small[25:] > small[0, 0] + 50).all()
    assert np.array_equal(np.argsort(small[40, 0]), [0, 1, 2])  # what is there can still be told


def test_thumbnail_of_a_tiny_picture_stays_sharp() -> None:
    patch = np.random.default_rng(0).integers(0, 256, (32, 32, 4), np.uint8)
    patch[..., 3] = 255
    assert np.array_equal(thumbnail(patch, 96), patch[..., :3].repeat(3, axis=0).repeat(3, axis=1))


def test_sheet_shows_confident_rows_above_random_ones() -> None:
    images = np.full((2, 96, 96, 4), 255, np.uint8)
    images[0, ..., :3] = (250, 0, 0)
    images[1, ..., :3] = (0, 0, 250)
    ranked = rank(np.array([[1.0, 0.0], [0.6, 0.4]], np.float32), count=1, seed=0)[0]
    seed = next(seed for seed in range(20) if rank(np.array([[1.0], [0.6]], np.float32), seed=seed)[0].random[0] == 1)
    ranked = rank(np.array([[1.0, 0.0], [0.6, 0.4]], np.float32), count=1, seed=seed)[0]
    picture = sheet(ranked, images, np.array([1.0, 0.6], np.float32), name="Straßenbahn", color=(1, 200, 3))
    red = np.flatnonzero((picture == (250, 0, 0)).all(axis=-1).any(axis=1))
    blue = np.flatnonzero((picture == (0, 0, 250)).all(axis=-1).any(axis=1))
    assert len(red) == len(blue) == 92  # a thumbnail less its border
    assert red.max() < blue.min()
    assert (picture == (1, 200, 3)).all(axis=-1).sum() > 1000


def test_name_and_size_are_in_the_title() -> None:
    probabilities = np.ones((3, 1), np.float32)
    images, confidence = np.zeros((3, 32, 32, 4), np.uint8), probabilities[:, 0]
    plain = sheet(rank(probabilities)[0], images, confidence)
    named = sheet(rank(probabilities)[0], images, confidence, name="car")
    assert plain.shape == named.shape
    changed = np.flatnonzero((plain != named).any(axis=(1, 2)))
    assert 0 < changed.max() < 60


def test_further_bands_are_not_shown() -> None:
    generator = np.random.default_rng(0)
    patch = generator.integers(0, 256, (64, 64, 4), np.uint8)
    infrared = generator.integers(0, 256, (64, 64, 1), np.uint8)
    wider = np.concatenate([patch[..., :3], infrared, patch[..., 3:]], axis=2)
    assert np.array_equal(thumbnail(wider, 32), thumbnail(patch, 32))


def test_of_equally_confident_patches_the_most_typical_come_first() -> None:
    probabilities = np.array([[1.0, 0.0]] * 4 + [[0.6, 0.4]], np.float32)
    features = np.array([[9.0], [2.0], [1.0], [0.0], [2.4]], np.float32)  # their mean is 2.88
    shown = rank(probabilities, features=features)[0]
    assert shown.confident.tolist() == [1, 2, 3, 0, 4]
    assert shown.uncertain.tolist() == [4, 0, 3, 2, 1]
    assert rank(probabilities)[0].confident.tolist() == [0, 1, 2, 3, 4]
