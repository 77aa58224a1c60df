"""The number of clusters, chosen without labels: as many as one half of the samples finds again in the other half."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances, silhouette_score
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.hierarchy import ward_cuts
from objdisc.clustering.projections import view_discriminant
from objdisc.errors import UsageError

_NEAR_BEST = 0.9  # share of the best strength that a number must reach
_LEAST_STRENGTH = 0.5  # half of the way from noise to clusters that are all found again

_WEAKEST = 0.25  # quantile of the clusters' recurrences: a quarter of them may recur less
_HALVINGS = 8
_LEAST_DIRECTIONS = 2  # in one direction halves of noise are cut in the same place
_SILHOUETTE_DIRECTIONS = 8
_ROUNDS = 50  # of Lloyd's, at most
_EACH = 8  # samples that a cluster must have on average
_LEAST_SAMPLES = 4 * _EACH  # so that at least 2, 3 and 4 clusters can be compared
_DENSE, _STEP, _MOST = 20, 1.1, 100  # numbers that are tried: each up to the first, then in steps of this factor
_APART = 0.25  # relative difference from which a number counts as another one

Points = NDArray[np.float32]


@dataclass(frozen=True)
class RecommendedNumber:
    """A number of clusters and its evidence.

    Attributes:
        chosen: K.
        runner_up: The number with the highest strength among those that differ by more than a quarter; None if none was
            tried.
        silhouette: The number with the highest silhouette, for comparison.
        strengths: Number of clusters to how well they are found again: 1 if wholly, 0 or less if no better than in
            noise.
        silhouettes: Number of clusters to the mean silhouette of all samples, -1 to 1.
        samples: Number of samples.
        threshold: Strength that a number had to reach.
        noise: Number of clusters to how well those of noise are found again, 0 to 1, which is where strengths begin;
            empty for runs of versions that did not look at noise.
    """

    chosen: int
    runner_up: int | None
    silhouette: int
    strengths: Mapping[int, float]
    silhouettes: Mapping[int, float]
    samples: int
    threshold: float
    noise: Mapping[int, float] = field(default_factory=dict)

    @property
    def is_found_again(self) -> bool:
        """Whether the clusters are found again; otherwise this number only comes closest to that."""
        return self.strengths[self.chosen] >= self.threshold

    def to_json(self) -> dict[str, Any]:
        """Return the values that a JSON file holds."""
        curves = {"strengths": self.strengths, "noise": self.noise, "silhouettes": self.silhouettes}
        return {
            "chosen": self.chosen,
            "runner_up": self.runner_up,
            "silhouette": self.silhouette,
            "threshold": self.threshold,
            "samples": self.samples,
            **{
                name: {str(number): round(value, 4) for number, value in curve.items()}
                for name, curve in curves.items()
            },
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Read the values back, also those of versions that did not look at noise.

        Raises:
            AttributeError: A curve is no mapping.
            KeyError: Something is missing.
            TypeError: A value is of another type.
            ValueError: A value is not a number, or the number that was chosen has no strength.
        """
        strengths, silhouettes, noise = (
            {int(number): float(value) for number, value in curve.items()}
            for curve in (facts["strengths"], facts["silhouettes"], facts.get("noise", {}))
        )
        chosen, runner_up = int(facts["chosen"]), facts["runner_up"]
        if chosen not in strengths:
            raise ValueError(f"{chosen} clusters were chosen, and there is no strength of so many")
        runner_up = None if runner_up is None else int(runner_up)
        silhouette, samples, threshold = int(facts["silhouette"]), int(facts["samples"]), float(facts["threshold"])
        return cls(chosen, runner_up, silhouette, strengths, silhouettes, samples, threshold, noise)


def recommend_number(features: Tensor, views: Tensor, *, seed: int) -> RecommendedNumber:
    """Recommend a number of clusters: the largest that is found again nearly as well as any other.

    The means of K clusters span K - 1 directions. So K clusters are looked for in as many: those that separate samples
    but not their augmented views (Fisher's discriminant), where samples are brought to unit length. Ding and Li
    ("Adaptive dimension reduction using discriminant analysis and k-means clustering", 2007) find K clusters in K - 1
    directions too. The samples are halved at random, several times; k-means, started from Ward's clusters, divides
    each half, and the centres of one half also divide the other (Tibshirani and Walther, "Cluster validation by
    prediction strength", 2005). A cluster recurs if the two divisions agree on it, by the index of Jaccard as in
    Hennig's "Cluster-wise assessment of cluster stability" (2007). The weakest cluster often is that of a few
    outliers, so that the lower quartile of the clusters counts.

    Few clusters in few directions recur in noise too. So the recurrence r of Gaussian noise of the same size is
    measured in the same way (the reference of Dudoit and Fridlyand, "A prediction-based resampling method for
    estimating the number of clusters in a dataset", 2002): (s - r) / (1 - r) is the strength of a recurrence s. Groups
    of true clusters recur as well as they do, so that it is the largest number near the best strength that is
    recommended: one within a tenth of it.

    The rule was chosen on the toy city (8), USPS (10), COIL-20 (20) and the objects of CamVid train (3). On all but
    USPS, where it finds 6 to 10, any share from 0.84 to 0.97 gives numbers within a quarter of the truth. On other data
    it can be far off: on UMIST (20 people) it finds 3.

    Args:
        features: ``(n, F)`` float32 of the samples.
        views: ``(V, n, F)`` of V >= 2 augmented views of each.
        seed: Seed of the halvings and of the noise.

    Raises:
        UsageError: There are too few samples to halve them.
    """
    if len(features) < _LEAST_SAMPLES:
        raise UsageError(
            f"--num-clusters auto: {len(features)} objects are too few; at least {_LEAST_SAMPLES} are "
            "needed. Give a number of clusters, or more images."
        )
    numbers = numbers_to_try(len(features))
    points = _projected(features, views, max(numbers[-1] - 1, _SILHOUETTE_DIRECTIONS))
    found = recurrences(points, numbers, seed=seed)
    noise = noise_recurrences(len(points), points.shape[1], numbers, seed=seed)
    strengths = {number: (found[number] - noise[number]) / max(1 - noise[number], 1e-3) for number in numbers}
    threshold = max(_NEAR_BEST * max(strengths.values()), _LEAST_STRENGTH)
    again = [number for number in numbers if strengths[number] >= threshold]
    chosen = max(again) if again else max(numbers, key=lambda number: strengths[number])
    others = [number for number in numbers if abs(number - chosen) > _APART * chosen]
    runner_up = max(others, key=lambda number: strengths[number]) if others else None
    silhouettes = _silhouettes(points, numbers)
    silhouette = max(numbers, key=lambda number: silhouettes[number])
    return RecommendedNumber(
        chosen, runner_up, silhouette, strengths, silhouettes, len(points), round(threshold, 4), noise
    )


def numbers_to_try(samples: int) -> list[int]:
    """Return the numbers of clusters to compare, ascending from 2, in steps that grow.

    Args:
        samples: How many samples there are, at least 16.
    """
    numbers = [*range(2, _DENSE + 1)]
    while numbers[-1] < _MOST:
        numbers.append(math.ceil(numbers[-1] * _STEP))
    return [number for number in numbers if number * _EACH <= samples]


def recurrences(points: Points, numbers: Sequence[int], *, seed: int, halvings: int = _HALVINGS) -> dict[int, float]:
    """Measure how well the clusters of one half of the points are found again by those of the other.

    Args:
        points: ``(n, D)`` float32, the most discriminative direction first; K clusters are looked for in the first
            K - 1, at least 2.
        numbers: Numbers of clusters, each at most n / 2.
        seed: Seed of the halvings.
        halvings: How many there are.

    Returns:
        Number to recurrence, 0 to 1: the lower quartile of that of the clusters, averaged over halvings, each used in
            both directions.
    """
    random = np.random.default_rng(seed)
    found: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(halvings):
        order = random.permutation(len(points))
        halves = points[order[: len(order) // 2]], points[order[len(order) // 2 :]]
        for number in numbers:
            one, other = (_unit(half[:, : max(number - 1, _LEAST_DIRECTIONS)]) for half in halves)
            centers, other_centers = _centers(one, number), _centers(other, number)
            for half, own, foreign in ((one, centers, other_centers), (other, other_centers, centers)):
                agreed = recurrence_of_each(_nearest(half, own), _nearest(half, foreign), number)
                found[number].append(float(np.quantile(agreed, _WEAKEST)))
    return {number: float(np.mean(values)) for number, values in found.items()}


def noise_recurrences(samples: int, directions: int, numbers: Sequence[int], *, seed: int) -> dict[int, float]:
    """Measure the recurrences of standard Gaussian noise, drawn anew for each halving.

    Its covariance is that of points that a discriminant projects. Arguments and result are as those of
    ``recurrences``, for ``(samples, directions)`` points.
    """
    random = np.random.default_rng(seed)
    each = [
        recurrences(random.standard_normal((samples, directions), np.float32), numbers, seed=seed + draw, halvings=1)
        for draw in range(_HALVINGS)
    ]
    return {number: float(np.mean([drawn[number] for drawn in each])) for number in numbers}


def recurrence_of_each(
    clusters: NDArray[np.integer], predicted: NDArray[np.integer], number: int
) -> NDArray[np.float64]:
    """Return how much of each cluster ``(number,)`` another division keeps together and apart from the rest.

    Each sample is in a cluster of both divisions. The Jaccard index of the two, which is the share of their union that
    is in both, is averaged over the samples of a cluster of the first.

    Args:
        clusters: ``(n,)`` cluster of each sample, in [0, number).
        predicted: ``(n,)`` its cluster in the other division, in [0, number); the numbering may differ.
        number: How many clusters there are.

    Returns:
        0 to 1; 0 for a cluster without samples.
    """
    table = np.zeros((number, number), np.int64)
    np.add.at(table, (clusters, predicted), 1)
    sizes = table.sum(axis=1, keepdims=True)
    indices = table / np.maximum(sizes + table.sum(axis=0) - table, 1)
    return np.asarray((table * indices).sum(axis=1) / np.maximum(sizes[:, 0], 1), np.float64)


def _projected(features: Tensor, views: Tensor, directions: int) -> Points:
    """Return samples ``(n, D)`` projected by their discriminant, of variance 1 along each direction."""
    weight, bias = view_discriminant(F.normalize(views.float(), dim=2), min(directions, features.shape[1]))
    seen = F.normalize(features.float(), dim=1) @ weight.T + bias
    return np.asarray(torch.nan_to_num(seen).cpu().numpy(), np.float32)


def _unit(points: Points) -> Points:
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12), np.float32)


def _centers(points: Points, number: int) -> Points:
    """Return the centres ``(number, D)`` of k-means that starts from Ward's clusters, which need no luck."""
    (cut,) = ward_cuts(torch.from_numpy(points), [number])
    clusters = cut.numpy()
    centers = np.zeros((number, points.shape[1]), np.float32)
    for _ in range(_ROUNDS):
        members = np.eye(number, dtype=np.float32)[clusters]  # (n, number)
        sizes = members.sum(axis=0)[:, None]
        centers = np.where(sizes > 0, members.T @ points / np.maximum(sizes, 1), centers)
        moved = _nearest(points, centers)
        if np.array_equal(moved, clusters):
            break
        clusters = moved
    return centers


def _nearest(points: Points, centers: Points) -> NDArray[np.int64]:
    """Return the nearest of the centres ``(K, D)`` to each point: ``(n,)``."""
    return np.asarray((np.square(centers).sum(axis=1) - 2 * points @ centers.T).argmin(axis=1), np.int64)


def _silhouettes(points: Points, numbers: Sequence[int]) -> dict[int, float]:
    """Return the mean silhouette (Rousseeuw 1987) of each number of clusters, in eight directions."""
    points = _unit(points[:, :_SILHOUETTE_DIRECTIONS])
    distances = pairwise_distances(points)
    found = {}
    for number in numbers:
        labels = _nearest(points, _centers(points, number))
        several = len(np.unique(labels)) > 1
        found[number] = float(silhouette_score(distances, labels, metric="precomputed")) if several else -1.0
    return found
