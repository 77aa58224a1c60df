"""What k-means memory starts from: clusters of the first embeddings, and settings for a network without weights."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from objdisc.clustering.hierarchy import ward_cuts
from objdisc.clustering.kmeans import kmeans, kmeans_plus_plus
from objdisc.clustering.neighbors import nearest_centroid

Start = Literal["ward", "kmeans", "kmeans++", "random"]

PRETRAINED: Mapping[str, Any] = MappingProxyType({"patches.size": 224, "epochs": 3})
"""Settings for an encoder that has weights: objects at the size that ImageNet's networks know, and few epochs, for
only the embedding and the heads learn.

At 96 pixels, people and riders of CamVid train fall into one cluster at each of four seeds (NMI 0.62-0.69), at 224 at
none."""

FROM_SCRATCH: Mapping[str, Any] = MappingProxyType(
    {
        "encoder": "nin",
        "patches.size": 24,
        "epochs": 16,
        "lr": 0.002,
        "encoder_lr_scale": 1.0,
        "background": "keep",
        "background_share": 0.33,
        "equalization": 0.0,
        "augmentation.crop_scale": 0.5,
        "method.embedding_dim": 128,
        "method.projection": "batchnorm",
        "method.init": "random",
        "method.prior": "uniform",
        "method.counts": "soft",
        "method.kmeans_weight": 0.1,
        "method.agreement_weight": 1.0,
    }
)
"""Settings under which an encoder with random weights learns; chosen on CIFAR-10 train (automobile and dog)."""


@torch.no_grad()
def clustered(
    points: Tensor, numbers: Sequence[int], start: Start, seed: int, generator: torch.Generator
) -> list[Tensor]:
    """Cluster embeddings into several numbers of clusters.

    Args:
        points: ``(n, D)`` float32.
        numbers: How many clusters, 1 to n each.
        start: ``ward``, ``kmeans``; anything else for the cells of k-means++ seeds.
        seed: Seed of k-means.
        generator: On the CPU, of the draws of k-means++ seeds.

    Returns:
        For each number the clusters ``(n,)`` int64 below it.
    """
    if start == "ward":
        return ward_cuts(points, numbers)
    if start == "kmeans":
        return [kmeans(points, number, seed=seed)[1] for number in numbers]
    seeds = [kmeans_plus_plus(points, number, generator) for number in numbers]
    return [nearest_centroid(points, centers)[0] for centers in seeds]
