"""Initialisation of IIC's heads from an encoder that has learned already: by clusters, then by merged clusters."""

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.kmeans import kmeans
from objdisc.clustering.merging import merge_by_cut, merge_by_information
from objdisc.clustering.projections import ridge_classifier
from objdisc.models.heads import SubHeads

_RESTARTS = 1  # sub-heads are restarts already


@torch.no_grad()
def start_from_kmeans(head: SubHeads, features: Tensor, points: Tensor, seed: int) -> None:
    """Make each sub-head the linear classifier of a k-means clustering of its own.

    Args:
        head: S sub-heads of K clusters.
        features: ``(N, F)`` what the head classifies.
        points: ``(N, D)`` points to cluster; N >= K.
        seed: Random seed of the clusterings.
    """
    num_heads, num_clusters = head.bias.shape
    for number in range(num_heads):
        _, clusters = kmeans(points, num_clusters, seed=seed + number, restarts=_RESTARTS)
        _assign(head, number, features, clusters)


def start_from_merging(head: SubHeads, features: Tensor, one: Tensor, other: Tensor, seed: int) -> None:
    """Make each sub-head a linear classifier of merged overclusters.

    The clusters of all overclustering sub-heads are merged as one set. Sub-heads divide the images differently, so a
    cluster of one overlaps nearby clusters of the others: these overlaps, and disagreements between two views, show
    which clusters belong together. Each new sub-head is fitted on its own random images, so that they differ.

    Args:
        head: S sub-heads of K clusters.
        features: ``(N, F)`` what the head classifies.
        one: ``(S', N, K')`` overcluster probabilities of one view of the same images; S' K' >= K.
        other: The probabilities of another view.
        seed: Random seed of the images that are drawn.
    """
    z, z_prime = (_side_by_side(view) for view in (one, other))
    start_from_joint(head, features, z + z_prime, z.T @ z_prime, seed)


def start_from_neighbors(head: SubHeads, features: Tensor, told: Tensor, neighbors: Tensor, seed: int) -> None:
    """Start from merged clusters, where images that are near each other show which clusters belong together.

    With many clusters, pairwise merging takes long, and merging a small cluster wrongly costs little; so the graph of
    clusters is cut instead.

    Args:
        head: S sub-heads of K clusters.
        features: ``(N, F)`` what the head classifies.
        told: ``(S', N, K')`` overcluster probabilities of the images; S' K' >= K.
        neighbors: ``(N, k)`` int64 images that are near each image.
        seed: Random seed of the cut, and of the images that are drawn.
    """
    z = _side_by_side(told)
    joint = sum(z.T @ z[column] for column in neighbors.T)
    assert isinstance(joint, Tensor)  # every image has a neighbour
    _start_from_groups(head, features, z, merge_by_cut(joint, head.bias.shape[1], seed), seed)


def start_from_joint(head: SubHeads, features: Tensor, overclusters: Tensor, joint: Tensor, seed: int) -> None:
    """Do the same as ``start_from_merging`` for known counts of how often overclusters met.

    Args:
        head: S sub-heads of K clusters.
        features: ``(N, F)`` what the head classifies.
        overclusters: ``(N, n)`` membership of each sample in each of the n >= K overclusters of all sub-heads.
        joint: ``(n, n)`` how often overcluster i of one view met overcluster j of the other, any scale.
        seed: Random seed of the samples that are drawn.
    """
    groups, _ = merge_by_information(joint, head.bias.shape[1])
    _start_from_groups(head, features, overclusters, groups, seed)


def _side_by_side(view: Tensor) -> Tensor:
    """Rearrange the overclusters of all sub-heads as one set: ``(S', N, K')`` to ``(N, S' K')``."""
    return view.permute(1, 0, 2).flatten(1)


@torch.no_grad()
def _start_from_groups(head: SubHeads, features: Tensor, overclusters: Tensor, groups: Tensor, seed: int) -> None:
    num_heads, num_clusters = head.bias.shape
    clusters = (overclusters @ F.one_hot(groups, num_clusters).to(overclusters.dtype)).argmax(1)
    generator = torch.Generator().manual_seed(seed)
    for number in range(num_heads):
        drawn = torch.randint(len(features), (len(features),), generator=generator).to(features.device)
        _assign(head, number, features[drawn], clusters[drawn])


def _assign(head: SubHeads, number: int, features: Tensor, clusters: Tensor) -> None:
    weight, bias = ridge_classifier(features, clusters, head.bias.shape[1])
    head.weight[number] = weight
    head.bias[number] = bias
