"""Small k-means memory methods on the small world of methods."""

from typing import Any

import torch
from torch import Tensor

from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder

from ..methods.conftest import World, told

PAPER: dict[str, Any] = {
    "projection": "relu",
    "init": "random",
    "normalize": False,
    "prior": "uniform",
    "agreement_weight": 0.0,
    "l2_weight": 0.25,
    "count_weight": 1.0,
    "counts": "hard",
}


def method_of(encoder: Encoder, clusters: int = 3, **switches: Any) -> KMeansMemory:
    torch.manual_seed(1)
    return KMeansMemory(encoder, clusters, **{"embedding_dim": 16, "queue_size": 64, "init_views": 3} | switches)


def objects(world: World) -> Tensor:
    return world.foreground.nonzero()[:, 0]


@torch.no_grad()
def embedded(method: KMeansMemory, world: World) -> Tensor:
    return told(method.eval(), world.images[objects(world)]).embedding


def nearest_memory(method: KMeansMemory, points: Tensor) -> Tensor:
    return torch.cdist(points, method.memories.detach()).argmin(dim=1)
