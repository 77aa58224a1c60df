"""The number of clusters, chosen without labels: as many as one half of the samples finds again in the other half."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances, silhouette_score
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.projections import view_discriminant
from objdisc.errors import UsageError

STRENGTH = 0.52
"""Prediction strength that each cluster must reach. Halves of a cluster that is cut anywhere have 0.5."""

_APART_STRENGTH = 0.97  # of clusters with space between them, which then all have it

_DIRECTIONS = 8  # of the discriminant
_HALVINGS = 6
_STARTS = 3  # of k-means
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
        strengths: Number of clusters to its prediction strength, 0 to 1.
        silhouettes: Number of clusters to the mean silhouette of all samples, -1 to 1.
        samples: Number of samples.
    """

    chosen: int
    runner_up: int | None
    silhouette: int
    strengths: Mapping[int, float]
    silhouettes: Mapping[int, float]
    samples: int

    @property
    def is_found_again(self) -> bool:
        """Whether each of the clusters is found again; otherwise this number only comes closest to that."""
        return self.strengths[self.chosen] >= STRENGTH

    def to_json(self) -> dict[str, Any]:
        """Return the values that a JSON file holds."""
        return {
            "chosen": self.chosen,
            "runner_up": self.runner_up,
            "silhouette": self.silhouette,
            "threshold": STRENGTH,
            "samples": self.samples,
            "strengths": {str(number): round(value, 4) for number, value in self.strengths.items()},
            "silhouettes": {str(number): round(value, 4) for number, value in self.silhouettes.items()},
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Read the values back.

        Raises:
            KeyError: Something is missing.
            TypeError: A value is of another type.
            ValueError: A value is not a number, or the number that was chosen has no strength.
        """
        strengths = {int(number): float(value) for number, value in facts["strengths"].items()}
        silhouettes = {int(number): float(value) for number, value in facts["silhouettes"].items()}
        chosen, runner_up = int(facts["chosen"]), facts["runner_up"]
        if chosen not in strengths:
            raise ValueError(f"{chosen} clusters were chosen, and there is no strength of so many")
        runner_up = None if runner_up is None else int(runner_up)
        return cls(chosen, runner_up, int(facts["silhouette"]), strengths, silhouettes, int(facts["samples"]))


def recommend_number(features: Tensor, views: Tensor, *, seed: int) -> RecommendedNumber:
    """Recommend a number of clusters: the largest whose clusters are all found again.

    Samples are projected to the eight directions that separate them but not their augmented views (Fisher's
    discriminant), and brought to unit length. They are halved at random, several times; k-means divides each half, and
    the clusters of one half are predicted by the centres of the other. The prediction strength of a number (Tibshirani,
    Walther 2005) is the share of the pairs of a cluster that stay together, in the cluster where it is lowest, averaged
    over all halvings. Their rule is used too: the largest number that reaches a threshold. If a number reaches 0.97,
    there are gaps between the clusters, and 0.97 is the threshold: one cluster too many has about 0.5, because each
    half cuts a cluster in another direction. The features of images seldom have such gaps; the threshold is 0.52 then.

    Both thresholds, the number of directions and k-means were chosen on four sets whose number is known: the toy city
    (8), USPS (10), COIL-20 (20) and the objects of CamVid (3). The draw of views and halves moves the strengths by
    about 0.05, so that numbers near the threshold change with the seed. On other data the rule can be far off: on UMIST
    (20 people), on which nothing was chosen, it finds 3 and 2.

    Args:
        features: ``(n, F)`` float32 of the samples.
        views: ``(V, n, F)`` of V >= 2 augmented views of each.
        seed: Seed of the halvings and of k-means.

    Raises:
        UsageError: There are too few samples to halve them.
    """
    if len(features) < _LEAST_SAMPLES:
        raise UsageError(
            f"--num-clusters auto: {len(features)} objects are too few; at least {_LEAST_SAMPLES} are "
            "needed. Give a number of clusters, or more images."
        )
    points = _projected(features, views)
    numbers = numbers_to_try(len(points))
    strengths = prediction_strengths(points, numbers, seed=seed)
    distances = pairwise_distances(points)
    silhouettes = {number: _silhouette(points, distances, number, seed) for number in numbers}
    clear = [number for number in numbers if strengths[number] >= _APART_STRENGTH]
    again = clear or [number for number in numbers if strengths[number] >= STRENGTH]
    chosen = max(again) if again else max(numbers, key=lambda number: strengths[number])
    others = [number for number in numbers if abs(number - chosen) > _APART * chosen]
    runner_up = max(others, key=lambda number: strengths[number]) if others else None
    silhouette = max(numbers, key=lambda number: silhouettes[number])
    return RecommendedNumber(chosen, runner_up, silhouette, strengths, silhouettes, len(points))


def numbers_to_try(samples: int) -> list[int]:
    """Return the numbers of clusters to compare, ascending from 2, in steps that grow.

    Args:
        samples: How many samples there are, at least 16.
    """
    numbers = [*range(2, _DENSE + 1)]
    while numbers[-1] < _MOST:
        numbers.append(math.ceil(numbers[-1] * _STEP))
    return [number for number in numbers if number * _EACH <= samples]


def prediction_strengths(points: Points, numbers: Sequence[int], *, seed: int) -> dict[int, float]:
    """Measure how well the clusters of one half of the points predict those of the other.

    Args:
        points: ``(n, D)`` float32.
        numbers: Numbers of clusters, each at most n / 2.
        seed: Seed of the halvings and of k-means.

    Returns:
        Number to prediction strength, 0 to 1: the mean over halvings, each used in both directions.
    """
    random = np.random.default_rng(seed)
    found: dict[int, list[float]] = {number: [] for number in numbers}
    for halving in range(_HALVINGS):
        order = random.permutation(len(points))
        halves = points[order[: len(order) // 2]], points[order[len(order) // 2 :]]
        for number in numbers:
            one, other = (_kmeans(half, number, seed + halving) for half in halves)
            found[number] += [
                weakest_cluster(one.labels_, other.predict(halves[0]), number),
                weakest_cluster(other.labels_, one.predict(halves[1]), number),
            ]
    return {number: float(np.mean(values)) for number, values in found.items()}


def weakest_cluster(clusters: NDArray[np.integer], predicted: NDArray[np.integer], number: int) -> float:
    """Return the share of a cluster's pairs that are predicted to be together, in the cluster where it is lowest.

    Args:
        clusters: ``(n,)`` cluster of each sample, in [0, number).
        predicted: ``(n,)`` the cluster that the other half predicts; its numbering may differ.
        number: How many clusters there are.

    Returns:
        0 to 1; 0 if a cluster has fewer than two samples, and therefore no pair.
    """
    table = np.zeros((number, number), np.int64)
    np.add.at(table, (clusters, predicted), 1)
    sizes = table.sum(axis=1)
    together, pairs = (table * (table - 1)).sum(axis=1), sizes * (sizes - 1)
    return float(np.where(pairs > 0, together / np.maximum(pairs, 1), 0).min())


def _projected(features: Tensor, views: Tensor) -> Points:
    """Return samples ``(n, D)`` projected by their discriminant, of unit length."""
    unit = F.normalize(views.float(), dim=2)
    weight, bias = view_discriminant(unit, min(_DIRECTIONS, features.shape[1]))
    seen = F.normalize(F.normalize(features.float(), dim=1) @ weight.T + bias, dim=1)
    return np.asarray(torch.nan_to_num(seen).cpu().numpy(), np.float32)


def _kmeans(points: Points, number: int, seed: int) -> KMeans:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # points that coincide leave clusters empty, which shows
        return KMeans(number, n_init=_STARTS, random_state=seed).fit(points)


def _silhouette(points: Points, distances: NDArray[np.floating], number: int, seed: int) -> float:
    """Return the mean silhouette (Rousseeuw 1987) of k-means clusters; -1 if all points coincide."""
    labels = _kmeans(points, number, seed).labels_
    return float(silhouette_score(distances, labels, metric="precomputed")) if len(set(labels.tolist())) > 1 else -1.0
