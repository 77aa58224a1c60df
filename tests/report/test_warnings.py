"""What is suspicious is said, with numbers; what is ordinary is not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from objdisc.report.warnings import (
    logged_occupancy,
    objectness_warnings,
    occupancy_warnings,
    stability_warnings,
    training_warnings,
)


@pytest.mark.parametrize("sizes", [[10, 12, 9], [60, 40], [], [7], [0, 0], [50, 30, 10, 10]])
def test_ordinary_sizes_raise_no_alarm(sizes: list[int]) -> None:
    assert occupancy_warnings(sizes) == []


def test_one_cluster_of_nearly_everything_is_a_collapse() -> None:
    (found,) = occupancy_warnings([95, 6])
    assert "Cluster 0 holds 94%" in found
    assert "collapsed" in found


def test_one_cluster_of_more_than_half_and_three_even_shares_is_crowded() -> None:
    (found,) = occupancy_warnings([77, *[2] * 11, 1])
    assert found.startswith("Cluster 0 holds 77% of all patches, more than three times an even share")
    assert occupancy_warnings([52, 16, 16, 16]) == []  # three even shares are 0.75
    assert occupancy_warnings([49, *[5] * 10]) == []


def test_empty_clusters_are_counted_and_listed() -> None:
    (found,) = occupancy_warnings([5, 0, 6, 0])
    assert "2 of 4 clusters are empty (1, 3)" in found
    (many,) = occupancy_warnings([5] * 30 + [0] * 30)
    assert "(30, 31," in many
    assert "49, ...)" in many


def test_clusters_far_below_an_even_share_are_named() -> None:
    assert occupancy_warnings([100, 90, 5, 5]) == []  # an even share is 50
    (found,) = occupancy_warnings([100, 90, 4, 60])
    assert "1 of 4 clusters hold less than a tenth of an even share (2)" in found


def _log(shares: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    return [{"epoch": number, "loss": 1.0, "occupancy": list(row)} for number, row in enumerate(shares)]


def test_clusters_that_settle_raise_no_alarm() -> None:
    assert training_warnings(_log([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.48, 0.52]])) == []
    assert training_warnings(_log([[0.9, 0.1]])) == []
    assert training_warnings([{"loss": 1.0}]) == []


def test_movement_in_the_last_epoch_is_not_settled() -> None:
    (found,) = training_warnings(_log([[0.9, 0.1], [0.6, 0.4]]))
    assert found.startswith("Not settled: 30% of the patches")


def test_movement_to_and_fro_is_unstable() -> None:
    (found,) = training_warnings(_log([[0.5, 0.5], [0.7, 0.3]] * 3))
    assert found.startswith("Unstable: over the last 4 epochs 20% of the patches an epoch")
    drifting = _log([[0.9 - 0.08 * epoch, 0.1 + 0.08 * epoch] for epoch in range(8)])
    assert training_warnings(drifting) == []


def test_occupancy_is_read_as_shares() -> None:
    log = [*_log([[30, 10], [0, 0]]), {"occupancy": [1, None]}, {"loss": 2.0}]
    assert logged_occupancy(log) == pytest.approx(np.array([[0.75, 0.25], [0, 0], [1, 0]]))
    assert logged_occupancy(_log([[1, 0], [1, 0, 0]])).size == 0


def test_clusters_that_lose_augmented_patches_are_named() -> None:
    assert stability_warnings({}) == []
    assert stability_warnings({0: 0.9, 1: 0.7}) == []
    (one,) = stability_warnings({0: 0.9, 1: 0.3})
    assert "more than 40% of the patches leave cluster 1:" in one
    (two,) = stability_warnings({3: 0.1, 0: float("nan"), 1: 0.3})
    assert "clusters 1, 3:" in two


def test_squares_and_an_objectness_that_says_yes_to_all_are_told() -> None:
    assert objectness_warnings(0.0, None) == []
    assert objectness_warnings(0.4, 0.5) == []
    squares, yes = objectness_warnings(1.0, 0.97)
    assert "Regions do not follow objects: 100% are squares" in squares
    assert "says yes to nearly everything: 97%" in yes
