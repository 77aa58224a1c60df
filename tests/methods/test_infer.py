"""What asking a method for everything it knows costs: every network sees every image once."""

from typing import Any

import pytest
import torch
from torch import nn

from objdisc.config.components import Component, component_names, resolve_class_path
from objdisc.methods.base import Method
from objdisc.models.encoder import build_encoder

from .conftest import World

SMALL: dict[str, dict[str, Any]] = {
    "deepcluster": {"overclusters": 6, "dimensions": 8},
    "deepcluster_v2": {"overclusters": 6, "embedding_dim": 8},
    "grown": {"known": "kmeans_baseline", "num_known": 2},
    "iic": {"overclusters": 6, "subheads": 2},
    "iic_dense": {"overclusters": 6},
    "kmeans_memory": {"embedding_dim": 8},
    "scan": {"neighbors": 4, "heads": 2},
}


def finished(name: str, world: World, **switches: Any) -> Method:
    torch.manual_seed(0)
    named = Component(resolve_class_path(name, Method, "objdisc.methods"), SMALL.get(name, {}) | switches)
    method = named.build(Method, encoder=build_encoder("segnet:8,M,16", "none"), num_clusters=3, seed=0)
    method.setup(len(world.images))
    method.begin_epoch(0, world)
    method.finish(world)
    return method.eval()


def count_images(network: nn.Module) -> list[int]:
    """Note from now on how many images go through the first layer of a network."""
    seen: list[int] = []
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    first.register_forward_hook(lambda layer, given, result: seen.append(len(result)))
    return seen


@pytest.mark.parametrize("name", component_names(Method, "objdisc.methods"))
def test_each_image_is_encoded_once_and_its_context_where_that_is_looked_at(name: str, world: World) -> None:
    method = finished(name, world)
    seen = count_images(method.encoder)
    images = world.images[:7]
    method.infer(images, images)
    assert sum(seen) == 7
    said = method.infer(images, images.clone())
    assert sum(seen) == 7 + (7 if said.foreground is None else 14)


@pytest.mark.parametrize("name", ["scan", "selflabel"])
def test_a_kept_copy_sees_each_image_once(name: str, world: World) -> None:
    method = finished(name, world, kept_side=4)
    copy = method.get_submodule("kept_copy")
    seen = count_images(copy)
    method.infer(world.images[:7], world.images[:7])
    assert seen == [7]
