"""New groups beside known objects: distances as scikit-learn's, and blobs of which some were never seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import make_blobs
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from objdisc.clustering.growth import NEIGHBORS, Seen, find_new_groups, nearness, project


def blobs(number: int, samples: int, seed: int = 0) -> tuple[Seen, NDArray[np.int64]]:
    """Give features of blobs with three views of each sample, and which blob each is of."""
    points, blob = make_blobs(samples, 32, centers=number, cluster_std=0.8, center_box=(-4, 4), random_state=seed)
    generator = torch.Generator().manual_seed(seed)
    features = torch.from_numpy(points).float()
    views = torch.stack([features + 0.4 * torch.randn(features.shape, generator=generator) for _ in range(3)])
    return Seen(features, views, np.arange(samples)), blob


def some(seen: Seen, rows: NDArray[np.bool_]) -> Seen:
    kept = torch.from_numpy(rows)
    return Seen(seen.features[kept], seen.views[:, kept], seen.images[rows])


def split(number: int, hidden: list[int]) -> tuple[Seen, Seen, NDArray[np.int64]]:
    """Give known objects without the hidden blobs, new ones with them, and which blob these are of."""
    seen, blob = blobs(number, 600)
    first = np.arange(600) < 300
    return some(seen, first & ~np.isin(blob, hidden)), some(seen, ~first), blob[~first]


def test_nearness_is_the_mean_distance_to_the_nearest_five() -> None:
    points = F.normalize(torch.randn(40, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    others = F.normalize(torch.randn(30, 6, generator=torch.Generator().manual_seed(1)), dim=1)
    oracle = NearestNeighbors(n_neighbors=NEIGHBORS).fit(others.numpy())
    assert nearness(points, others).numpy() == pytest.approx(
        oracle.kneighbors(points.numpy())[0].mean(axis=1), abs=1e-4
    )
    itself = NearestNeighbors(n_neighbors=NEIGHBORS).fit(points.numpy())
    assert nearness(points, points, torch.arange(40)).numpy() == pytest.approx(
        itself.kneighbors()[0].mean(axis=1), abs=1e-4
    )
    assert nearness(points, others[:2]).numpy() == pytest.approx(torch.cdist(points, others[:2]).mean(1), abs=1e-4)


@pytest.mark.parametrize("hidden", [[], [1], [1, 4]])
def test_blobs_that_were_not_known_are_found_and_nothing_else(hidden: list[int]) -> None:
    known, new, blob = split(6, hidden)
    found = find_new_groups(known, new)
    assert found.count == len(hidden)
    points = project(new.features, found.weight, found.bias)
    for group in range(found.count):
        members = found.members[found.groups == group]
        rows = torch.cdist(members, points).argmin(dim=1).numpy()
        assert len(set(blob[rows])) == 1  # of one blob
        assert len(members) > 0.8 * (blob == blob[rows[0]]).sum()
    assert sorted(torch.bincount(found.groups).tolist(), reverse=True) == torch.bincount(found.groups).tolist()


def test_outliers_of_what_is_known_are_a_tenth() -> None:
    known, new, _blob = split(6, [])
    assert find_new_groups(known, new).far == pytest.approx(0.1, abs=0.05)


def test_what_is_seen_on_one_occasion_or_seldom_is_no_category() -> None:
    known, new, blob = split(6, [1])
    assert find_new_groups(known, replace(new, images=np.arange(len(blob)) % 3)).count == 1
    assert find_new_groups(known, replace(new, images=np.where(blob == 1, 0, new.images))).count == 0
    few = (blob != 1) | (np.cumsum(blob == 1) <= 7)
    assert find_new_groups(known, some(new, few)).count == 0


def test_too_few_known_objects_tell_nothing() -> None:
    known, new, _ = split(6, [1])
    rows = np.arange(len(known.features)) < NEIGHBORS
    found = find_new_groups(some(known, rows), new)
    assert (found.count, found.far) == (0, 0.0)


def test_the_same_object_in_many_frames_does_not_make_all_others_new() -> None:
    known, new, blob = split(6, [])
    film = [part.repeat_interleave(6, dim=-2) for part in (known.features[::6], known.views[:, ::6])]
    again = [part + 0.01 * torch.randn(part.shape, generator=torch.Generator().manual_seed(1)) for part in film]
    count = len(again[0])
    assert (
        find_new_groups(Seen(again[0], again[1], np.arange(count)), some(new, np.arange(len(blob)) < count)).count == 0
    )
    parts = torch.tensor([0, 0, 1, 1])
    points = F.normalize(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    far = torch.cdist(points[:1], points[2:]).sum() + 2 * 2 + 0.0
    assert float(nearness(points, points, parts)[0]) == pytest.approx(float(far) / 4, abs=1e-4)
