"""Centres and distances are the direct formulas'; the threshold is a quantile of training distances."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from objdisc.errors import UsageError
from objdisc.retrieval import Centers


@pytest.fixture
def fitted() -> tuple[np.ndarray, np.ndarray, Centers]:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(500, 6)).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(4), 500).astype(np.float32)
    probabilities[:, 2] = 0  # nobody's cluster
    return embeddings, probabilities, Centers.fit(embeddings, probabilities, "hash")


def test_centers_are_means_and_an_empty_cluster_has_none(fitted: tuple[np.ndarray, np.ndarray, Centers]) -> None:
    embeddings, probabilities, centers = fitted
    chosen = probabilities.argmax(axis=1)
    for cluster in (0, 1, 3):
        np.testing.assert_allclose(centers.centers[cluster], embeddings[chosen == cluster].mean(axis=0), atol=1e-6)
    assert np.isnan(centers.centers[2]).all()
    np.testing.assert_array_equal(centers.clusters, chosen)


def test_distances_are_to_the_nearest_center(fitted: tuple[np.ndarray, np.ndarray, Centers]) -> None:
    embeddings, _, centers = fitted
    expected = cdist(embeddings, centers.centers[[0, 1, 3]]).min(axis=1)
    np.testing.assert_allclose(centers.distances, expected, rtol=1e-5)
    others = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
    np.testing.assert_allclose(
        centers.to_nearest(others), cdist(others, centers.centers[[0, 1, 3]]).min(axis=1), rtol=1e-5
    )


def test_without_any_center_everything_is_far() -> None:
    centers = Centers(np.full((2, 3), np.nan, np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), "hash")
    assert centers.to_nearest(np.ones((4, 3), np.float32)).tolist() == [np.inf] * 4


def test_the_threshold_leaves_out_the_share_that_was_asked_for(fitted: tuple[np.ndarray, np.ndarray, Centers]) -> None:
    _, _, centers = fitted
    assert np.mean(centers.distances > centers.threshold(0.9)) == pytest.approx(0.1, abs=0.002)
    assert centers.threshold(1.0) == centers.distances.max()


def test_a_file_gives_the_same_back(fitted: tuple[np.ndarray, np.ndarray, Centers], tmp_path: Path) -> None:
    centers = fitted[2]
    centers.write(tmp_path / "centers.safetensors")
    again = Centers.read(tmp_path / "centers.safetensors")
    assert again is not None
    np.testing.assert_array_equal(again.centers, centers.centers)
    np.testing.assert_array_equal(again.distances, centers.distances)
    np.testing.assert_array_equal(again.clusters, centers.clusters)
    assert again.weights == "hash"


def test_earlier_runs_have_none_and_damage_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "centers.safetensors"
    assert Centers.read(path) is None
    path.write_bytes(b"\x80\x04 a pickle is code")
    with pytest.raises(UsageError, match="cannot be read"):
        Centers.read(path)
