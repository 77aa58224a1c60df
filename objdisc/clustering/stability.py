"""Choosing among clusterings without labels: the most stable one between augmented views is taken."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.consensus import consensus
from objdisc.clustering.kmeans import centroids_of
from objdisc.clustering.projections import view_discriminant

logger = logging.getLogger(__name__)

_DIMENSIONS = (8, 10, 12, 14, 16, 20, 24)
_DISTANCES_AT_ONCE = 2**24  # 64 MB of float32
_FINALISTS = 0.2  # share of the candidates, the most stable ones, that vote
_SUSPECT = 0.1  # share of the mean size n / K, below which a cluster is suspected to be outliers
_MULTIPLES = (4, 6, 8)  # of K, that clusters are merged from
_MOST_FINE = 64  # clusters that are merged, unless 2 K are more; merging takes the fourth power of their number
_LEAST_SIZE = 5  # samples in a cluster that is merged, on average
_MARGIN = 0.05  # of normalised mutual information


@dataclass(frozen=True)
class StableClusters:
    """A projection and the clusters that were found in it.

    Attributes:
        weight: ``(D, F)`` weight of the projection; rows of unused directions are 0.
        bias: ``(D,)`` of the projection.
        centroids: ``(K, D)`` mean point of each cluster.
        stability: Mean adjusted Rand index between the clusters of patches and of their views, -0.5 to 1.
    """

    weight: Tensor
    bias: Tensor
    centroids: Tensor
    stability: float


@dataclass(frozen=True)
class _Embedded:
    """The samples under one projection: points ``(n, D)`` and views ``(V, n, D)``."""

    weight: Tensor
    bias: Tensor
    points: Tensor
    views: Tensor

    def centroids(self, labels: Tensor, num_clusters: int) -> Tensor:
        """Return the mean point ``(K, D)`` of each cluster, zeros for an empty one."""
        return centroids_of(self.points, labels, self.points.new_zeros(num_clusters, self.points.shape[1]))

    def confusion(self, candidates: Tensor, num_clusters: int) -> tuple[Tensor, Tensor]:
        """Assign points and views to the centroids of each of c partitions ``(c, n)``.

        Returns:
            ``(c, n)`` int64 clusters of the points, and ``(c, V, K, K)`` float64 counts of them against the views'.
        """
        centroids = torch.stack([self.centroids(labels, num_clusters) for labels in candidates])  # (c, K, D)
        everything = torch.cat([self.points[None], self.views]).flatten(0, 1)  # ((V + 1) * n, D)
        at_once = max(_DISTANCES_AT_ONCE // (len(everything) * num_clusters), 1)
        nearest = torch.cat([_nearest_of_each(everything, part) for part in torch.split(centroids, at_once)])
        nearest = nearest.view(len(candidates), -1, len(self.points))  # (c, V + 1, n)
        assigned, seen = nearest[:, :1], nearest[:, 1:]
        tables = torch.arange(assigned.shape[0] * seen.shape[1], device=seen.device).view(-1, seen.shape[1], 1)
        cells = (tables * num_clusters + assigned) * num_clusters + seen
        counts = torch.bincount(cells.flatten(), minlength=tables.numel() * num_clusters**2)
        return assigned[:, 0], counts.view(*seen.shape[:2], num_clusters, num_clusters).double()


def _nearest_of_each(points: Tensor, centroids: Tensor) -> Tensor:
    """Find the nearest of the K centroids of each of c partitions, ``(c, K, D)``, to each point: ``(c, n)`` int64."""
    with torch.autocast(points.device.type, enabled=False):
        lengths = centroids.square().sum(2).flatten()
        distances = torch.addmm(lengths, points, centroids.flatten(0, 1).T, alpha=-2)  # but for the points' own lengths
        return distances.view(len(points), *centroids.shape[:2]).argmin(2).T


def discriminant_projections(
    views: Tensor, dim: int, trials: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield discriminant projections of all views and of random halves of them, with fewer and fewer directions.

    Args:
        views: ``(V, n, F)`` features of V views of n samples.
        dim: D, the most directions.
        trials: Number of choices of views; the first takes all views, the others half of them.
        generator: Generator on the CPU that draws the halves.

    Yields:
        Weight ``(D, F)`` and bias ``(D,)``; rows of dropped directions are 0.
    """
    for trial in range(trials):
        half = torch.randperm(len(views), generator=generator)[: max(len(views) // 2, 2)]
        weight, bias = view_discriminant(views if trial == 0 else views[half], dim)
        for kept in [fewer for fewer in _DIMENSIONS if fewer < dim] + [dim]:
            used = (torch.arange(dim, device=weight.device) < kept).float()
            yield weight * used[:, None], bias * used


def most_stable(
    features: Tensor,
    views: Tensor,
    projections: Iterable[tuple[Tensor, Tensor]],
    project: Callable[[Tensor, Tensor, Tensor], Tensor],
    cluster: Callable[[Tensor, Sequence[int]], Sequence[Tensor]],
    num_clusters: int,
    finer: int | Literal["auto"] = "auto",
) -> StableClusters:
    """Cluster under each projection, and take the consensus of the clusterings that augmented views reproduce best.

    A partition that views agree on is in the data (the idea of Ben-Hur et al. 2002, with augmentation in place of
    resampling). Each projection gives candidates: patches, and the means of their views, are clustered into a multiple
    of K, and the clusters that views confuse most are merged. Each candidate is then tested under all projections,
    because an accident of one does not recur in another; the consensus of the most stable candidates is taken, under
    the projection where views keep it best.

    Merging can only keep a cluster that existed before: a rare one that Ward's method separates late is lost at some
    seeds if all candidates have one small multiple, so ``auto`` takes several. Pairs of samples, which the index
    counts, are mostly in the large clusters: if clusters are about equally frequent and have no parts, merging joins
    some of them into a large one, and cuts small ones off others. So ``auto`` merges nothing if views agree better, by
    0.05 of normalised mutual information, on the K clusters that are found at once. Both were chosen on the objects of
    CamVid train and the toy city. That the most stable fifth votes, and that partitions with a cluster below a tenth of
    the mean size come last, was also chosen on halves of CamVid train and of IDD-Lite (one half of IDD-Lite had nine
    outliers that were more stable against all others than living things against vehicles).

    Args:
        features: ``(n, F)`` of the patches.
        views: ``(V, n, F)`` of their augmented views.
        projections: Weights and biases to try.
        project: Function of weight, bias and features ``(..., F)`` that returns embeddings ``(..., D)``.
        cluster: Function of embeddings ``(n, D)`` and numbers m that returns clusters ``(n,)`` int64 in ``[0, m)`` for
            each.
        num_clusters: K.
        finer: Number of clusters that are found for each final one, at least 1; 1 merges nothing.
    """
    embedded = [
        _Embedded(weight, bias, project(weight, bias, features), project(weight, bias, views))
        for weight, bias in projections
    ]
    merged = _multiples(num_clusters, len(features)) if finer == "auto" else [min(finer * num_clusters, len(features))]
    numbers = sorted({*merged, num_clusters} if finer == "auto" else merged)
    cuts: dict[int, list[tuple[_Embedded, Tensor]]] = {number: [] for number in numbers}
    for under in embedded:
        for points in (under.points, F.normalize(under.views.mean(0), dim=-1)):
            for number, fine in zip(numbers, cluster(points, numbers), strict=True):
                cuts[number].append((under, fine))
    candidates = {number: _candidates(cuts[number], number, num_clusters) for number in numbers}
    finalists = _finalists(embedded, torch.cat([candidates[number] for number in merged]), num_clusters)
    if finer == "auto":
        direct = _finalists(embedded, candidates[num_clusters], num_clusters)
        finalists = _not_merged(embedded, direct, finalists, num_clusters)
    return _under_the_best(embedded, consensus(finalists, num_clusters), num_clusters)


def _multiples(num_clusters: int, samples: int) -> list[int]:
    """Numbers of clusters that K are merged from: several multiples of K, as far as samples and time allow."""
    most = max(min(max(_MOST_FINE, 2 * num_clusters), samples // _LEAST_SIZE), num_clusters)
    return sorted({min(multiple * num_clusters, most) for multiple in _MULTIPLES})


def _finalists(embedded: Sequence[_Embedded], candidates: Tensor, num_clusters: int) -> Tensor:
    """Return the candidates ``(p, n)`` that views keep best under all projections.

    Those with a cluster of a few outliers come after all others: nothing is as stable as one odd object against the
    rest.
    """
    stability = _agreement(embedded, candidates, num_clusters, adjusted_rand_index).mean(1)
    smallest = F.one_hot(candidates, num_clusters).sum(1).amin(1)  # (c,)
    stability[smallest < _SUSPECT * candidates.shape[1] / num_clusters] -= 2  # below all values of the index
    return candidates[stability.topk(math.ceil(_FINALISTS * len(candidates))).indices]


def _not_merged(embedded: Sequence[_Embedded], direct: Tensor, merged: Tensor, num_clusters: int) -> Tensor:
    """Return those of two sets of partitions ``(p, n)`` that views speak for: found at once, or merged."""
    found, joined = (
        float(_agreement(embedded, partitions, num_clusters, _normalized_information).mean())
        for partitions in (direct, merged)
    )
    loses = found > joined + _MARGIN
    logger.info(
        "init_finer: clusters are %s; views of an object share %.3f of the information in clusters that are found at "
        "once, %.3f in merged ones",
        "not merged" if loses else "merged from finer ones",
        found,
        joined,
    )
    return direct if loses else merged


def _agreement(
    embedded: Sequence[_Embedded], candidates: Tensor, num_clusters: int, index: Callable[[Tensor], Tensor]
) -> Tensor:
    """Mean index ``(c, projections)`` between points and views, both assigned to the centroids of each candidate."""
    return torch.stack([index(under.confusion(candidates, num_clusters)[1]).mean(1) for under in embedded], 1)


def _under_the_best(embedded: Sequence[_Embedded], labels: Tensor, num_clusters: int) -> StableClusters:
    """Take the projection under which views keep clusters ``(n,)`` best."""
    stability = _agreement(embedded, labels[None], num_clusters, adjusted_rand_index)[0]
    under = embedded[int(stability.argmax())]
    centroids = under.centroids(labels, num_clusters)
    found = StableClusters(under.weight, under.bias, centroids, float(stability.max()))
    directions = int(found.weight.any(dim=1).sum())
    logger.info("clusters in %d directions: adjusted Rand index %.3f between views", directions, found.stability)
    return found


def _candidates(cuts: Sequence[tuple[_Embedded, Tensor]], number: int, num_clusters: int) -> Tensor:
    """Merge each of c fine clusterings into K clusters, starting with those that views confuse most: ``(c, n)``."""
    return torch.stack([_merged(under, fine, number, num_clusters) for under, fine in cuts])


def _merged(under: _Embedded, fine: Tensor, finest: int, num_clusters: int) -> Tensor:
    """Merge fine clusters into K, starting with those that views confuse most: the cluster ``(n,)`` of each point."""
    (assigned,), (confusion,) = under.confusion(fine[None], finest)
    group_of = torch.zeros(finest, dtype=torch.int64, device=assigned.device)
    for group, members in enumerate(merge_confused(confusion, num_clusters)):
        group_of[members] = group
    return group_of[assigned]


def _normalized_information(confusion: Tensor) -> Tensor:
    """Mutual information of contingency tables ``(..., m, m)`` over the mean entropy, 0 to 1; 1 where there is none."""
    joint = confusion / confusion.sum((-1, -2), keepdim=True)
    entropies = [
        -torch.special.xlogy(shares, shares).flatten(joint.ndim - 2).sum(-1)
        for shares in (joint.sum(-1), joint.sum(-2), joint)
    ]
    mean = (entropies[0] + entropies[1]) / 2
    return torch.where(mean > 0, (2 * mean - entropies[2]) / mean.clamp_min(1e-12), 1.0)


def merge_confused(confusion: Tensor, num_clusters: int) -> list[list[int]]:
    """Merge clusters, two at a time, so that the adjusted Rand index between patches and views stays highest.

    Args:
        confusion: ``(V, m, m)`` floating: samples in cluster i whose view v is in cluster j.
        num_clusters: K, 1 to m.

    Returns:
        K lists, the clusters in each group.
    """
    groups = [[cluster] for cluster in range(confusion.shape[1])]
    while len(groups) > num_clusters:
        scores = _index_after_merges(confusion).mean(0)
        # pairs once, and no cluster with itself
        pairs = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
        first, second = divmod(int(pairs.argmax()), len(groups))
        groups[first] += groups.pop(second)
        kept = [cluster for cluster in range(confusion.shape[1]) if cluster != second]
        confusion = confusion.clone()
        confusion[:, first] += confusion[:, second]
        confusion[:, :, first] += confusion[:, :, second]
        confusion = confusion[:, kept][:, :, kept]
    return groups


def adjusted_rand_index(confusion: Tensor) -> Tensor:
    """Return the adjusted Rand index (Hubert and Arabie 1985) of tables ``(..., m, m)``; 1 if nothing is split."""
    return _adjusted(
        confusion.square().sum((-1, -2)),
        confusion.sum(-1).square().sum(-1),
        confusion.sum(-2).square().sum(-1),
        confusion.sum((-1, -2)),
    )


def _index_after_merges(confusion: Tensor) -> Tensor:
    """Return the adjusted Rand index ``(V, m, m)`` after merging clusters i and j, for all pairs by matrix products."""
    rows, columns = confusion.sum(2), confusion.sum(1)
    total = rows.sum(1)[:, None, None]
    diagonal = confusion.diagonal(dim1=1, dim2=2)
    # merging adds twice the products of the cells that come together
    gained = 2 * (
        confusion @ confusion.mT
        + confusion.mT @ confusion
        + diagonal[:, :, None] * diagonal[:, None, :]
        + confusion * confusion.mT
    )
    cells = confusion.square().sum((1, 2))[:, None, None] + gained
    row_squares = rows.square().sum(1)[:, None, None] + 2 * rows[:, :, None] * rows[:, None, :]
    column_squares = columns.square().sum(1)[:, None, None] + 2 * columns[:, :, None] * columns[:, None, :]
    return _adjusted(cells, row_squares, column_squares, total)


def _adjusted(cells: Tensor, rows: Tensor, columns: Tensor, total: Tensor) -> Tensor:
    """Return the adjusted Rand index from sums of squared cells, row sums, column sums, and the number of samples."""
    together, in_rows, in_columns = (cells - total) / 2, (rows - total) / 2, (columns - total) / 2
    expected = in_rows * in_columns / (total * (total - 1) / 2).clamp_min(1)
    span = (in_rows + in_columns) / 2 - expected
    return torch.where(span > 0, (together - expected) / span.clamp_min(1e-12), 1.0)
