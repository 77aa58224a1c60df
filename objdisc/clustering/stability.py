"""Choosing among clusterings without labels: the one that changes least from view to view."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.discriminant import view_discriminant
from objdisc.clustering.kmeans import centroids_of, nearest

logger = logging.getLogger(__name__)

_DIMENSIONS = (8, 10, 12, 14, 16, 20, 24)


@dataclass(frozen=True)
class StableClusters:
    """A projection and the clusters that were found in it.

    Attributes:
        weight: ``(D, F)`` of the projection; rows of directions that are not used are 0.
        bias: ``(D,)`` of the projection.
        centroids: ``(K, D)``.
        stability: Mean adjusted Rand index between the clusters of patches and of their views, -0.5 to 1.
    """

    weight: Tensor
    bias: Tensor
    centroids: Tensor
    stability: float


def discriminant_projections(
    views: Tensor, dim: int, trials: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield discriminant projections of all views and of random halves of them, cut to fewer and fewer directions.

    Args:
        views: ``(V, n, F)`` features of V views of n samples.
        dim: D, the most directions.
        trials: The first takes all views, the others half of them.
        generator: On the CPU, of the draws of halves.

    Yields:
        Weight ``(D, F)`` and bias ``(D,)``; rows beyond the directions that are kept are 0.
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
    cluster: Callable[[Tensor], Tensor],
    num_clusters: int,
) -> StableClusters:
    """Cluster under each projection, and take the clusters that come back in augmented views.

    Hierarchical clusterings hang on small differences; a partition that views agree on is in the data (the idea of
    Ben-Hur et al. 2002, with augmentation in place of resampling). Patches and the means of their views are clustered.

    Args:
        features: ``(n, F)`` of the patches.
        views: ``(V, n, F)`` of their augmented views.
        projections: Weights and biases to try.
        project: From weight, bias and features ``(..., F)`` to embeddings ``(..., D)``.
        cluster: From embeddings ``(n, D)`` to clusters ``(n,)`` int64 in ``[0, K)``.
        num_clusters: K.
    """
    best: StableClusters | None = None
    for weight, bias in projections:
        points, seen = project(weight, bias, features), project(weight, bias, views)
        for embeddings in (points, F.normalize(seen.mean(0), dim=-1)):
            empty = torch.zeros(num_clusters, points.shape[1], device=points.device)
            centroids = centroids_of(points, cluster(embeddings), empty)
            assignments = nearest(points, centroids)[0].cpu()
            others = [nearest(view, centroids)[0].cpu() for view in seen]
            stability = float(np.mean([adjusted_rand_score(assignments, other) for other in others]))
            if best is None or stability > best.stability:
                best = StableClusters(weight, bias, centroids, stability)
    assert best is not None  # there is at least one projection
    directions = int(best.weight.any(dim=1).sum())
    logger.info("clusters in %d directions: adjusted Rand index %.3f between views", directions, best.stability)
    return best
