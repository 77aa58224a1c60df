"""What each process counts of its own samples is added up at the end of an epoch."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from objdisc.config.components import Component, resolve_class_path
from objdisc.methods.base import Method
from objdisc.models.encoder import build_encoder

from .conftest import World

COUNTED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "deepcluster_v2": ({"overclusters": 6, "embedding_dim": 8}, {"collected", "counts"}),
    "iic": ({"overclusters": 6, "order": ["B"]}, {"losses", "sizes"}),
    "iic_dense": ({"overclusters": 6, "order": ["AB"], "half_t": 0}, {"losses", "pixels"}),
    "kmeans_memory": ({"embedding_dim": 8}, {"wins"}),
    "scan": ({"neighbors": 4}, {"sizes"}),
    "selflabel": ({"threshold": 0.1}, {"sizes", "seen"}),
}


class Twins(World):
    """A second process has counted the same."""

    world: int = 2

    def sum(self, tensor: Tensor) -> Tensor:
        return 2 * tensor


def built(name: str, settings: dict[str, Any]) -> Method:
    torch.manual_seed(0)
    named = Component(resolve_class_path(name, Method, "objdisc.methods"), settings)
    method = named.build(Method, encoder=build_encoder("segnet:8,M,16", "none"), num_clusters=3, seed=0)
    method.setup(90)
    return method


def counted(method: Method, world: World, epoch: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the buffers before and after the end of an epoch of one batch."""
    method.begin_epoch(epoch, world)
    batch = world.batch(torch.arange(60), num_views=2)
    valid, unmoved = torch.ones(60, 4, 4, dtype=torch.bool), torch.eye(2, 3).expand(60, 2, 3)
    method.train()(replace(batch, valid=valid, to_first=unmoved), world)
    before = {name: value.clone() for name, value in method.named_buffers()}
    method.end_epoch(epoch, world)
    return before, dict(method.named_buffers())


def grown(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("name", COUNTED)
def test_counts_of_all_processes_are_added_up(name: str, world: World) -> None:
    settings, expected = COUNTED[name]
    before, after = counted(built(name, settings), Twins(world.images, world.kinds, world.foreground))
    assert grown(before, after) == expected
    assert all(torch.equal(after[counter], 2 * before[counter]) for counter in expected)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("iic", {"overclusters": 6, "order": ["A"]}, set[str]()),
        ("iic_dense", {"overclusters": 6, "order": ["AB"], "half_t": 0, "lead_epochs": 1}, {"joint"}),
    ],
)
def test_what_was_counted_earlier_is_not_added_up_again(
    name: str, settings: dict[str, Any], expected: set[str], world: World
) -> None:
    method = built(name, settings)
    for counter in ("losses", "sizes", "pixels"):
        if hasattr(method, counter):
            getattr(method, counter).fill_(3)
    assert grown(*counted(method, Twins(world.images, world.kinds, world.foreground))) == expected
