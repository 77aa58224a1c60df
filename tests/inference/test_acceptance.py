"""Shares on objects are learned as logistic regression learns them, and come back from a file as they were."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from objdisc.errors import UsageError
from objdisc.inference.acceptance import Acceptance

FACTS = {"images": 3, "regions": 400, "on_objects": 100}


@pytest.fixture(scope="module")
def regions() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Features of 400 regions in two halves of 6, and shares that depend on two of them."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 12)).astype(np.float32)
    halves = np.split(features, 2, axis=1)
    first, second = (half / np.linalg.norm(half, axis=1, keepdims=True) for half in halves)
    return features, 1 / (1 + np.exp(-(6 * first[:, 0] - 4 * second[:, 1])))


def test_it_is_the_minimum_of_the_penalised_cross_entropy(
    regions: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> None:
    features, inside = regions
    learned = Acceptance.fit(features, inside, "key", FACTS)
    halves = np.split(features.astype(np.float64), 2, axis=1)
    points = np.concatenate([half / np.linalg.norm(half, axis=1, keepdims=True) for half in halves], axis=1)
    centered = points - points.mean(axis=0)
    centered /= np.sqrt((centered**2).sum(axis=1).mean())

    def penalised(values: NDArray[np.float64]) -> float:
        logits = centered @ values[:-1] + values[-1]
        losses = inside * np.logaddexp(0, -logits) + (1 - inside) * np.logaddexp(0, logits)
        return float(losses.sum() + values[:-1] @ values[:-1] / (2 * 5.0))

    best = minimize(penalised, np.zeros(13), method="BFGS").x
    expected = 1 / (1 + np.exp(-(centered @ best[:-1] + best[-1])))
    np.testing.assert_allclose(learned(features), expected, atol=5e-3)


def test_shares_do_not_depend_on_the_length_of_features(
    regions: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> None:
    features, inside = regions
    learned = Acceptance.fit(features, inside, "key", FACTS)
    scaled = features * np.repeat([3, 0.2], 6).astype(np.float32)
    np.testing.assert_allclose(learned(scaled), learned(features), rtol=1e-4)
    assert np.abs(learned(features) - inside).mean() < 0.05


def test_a_file_gives_the_same_back_for_its_key_alone(
    regions: tuple[NDArray[np.float32], NDArray[np.float64]], tmp_path: Path
) -> None:
    path = tmp_path / "acceptance.safetensors"
    assert Acceptance.read(path, "key") is None
    learned = Acceptance.fit(*regions, "key", FACTS)
    learned.write(path)
    again = Acceptance.read(path, "key")
    assert again is not None
    np.testing.assert_array_equal(again(regions[0]), learned(regions[0]))
    assert (again.key, again.facts) == ("key", FACTS)
    assert Acceptance.read(path, "other") is None
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UsageError, match=r"acceptance\.safetensors: cannot be read"):
        Acceptance.read(path, "key")
