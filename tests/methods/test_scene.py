"""Whole scenes: overclusters of an encoder's maps, joined to categories whatever their share of the images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.methods.scene import Scene
from objdisc.models.encoder import Encoder

from ..support.ranks import OneProcess

SIDE = 64
COLORS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])


class Maps(nn.Module):
    """A network of two blocks whose maps are the image at half and at a quarter of its size."""

    def block_maps(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(images, 2), 10 * nn.functional.avg_pool2d(images, 4)]

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


class Scenes(OneProcess):
    """Stands in for the trainer: images by row."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.foreground = torch.ones(len(images), dtype=torch.bool)
        self.generator = np.random.default_rng(0)

    def encode(self, function: Callable[[Tensor], Tensor], rows: Tensor, view: int | None = None) -> Tensor:
        with torch.no_grad():
            return function(self.images[rows]).float()


def scenes(count: int = 12, noise: float = 0.02) -> tuple[Tensor, NDArray[np.int64]]:
    """Images of four quarters, each of another colour, and the number of each pixel's colour."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.stack([torch.randperm(4, generator=generator) for _ in range(count)]).view(count, 2, 2)
    pixels = kinds.repeat_interleave(SIDE // 2, dim=1).repeat_interleave(SIDE // 2, dim=2)
    images = COLORS[pixels].permute(0, 3, 1, 2) + noise * torch.randn(count, 3, SIDE, SIDE, generator=generator)
    return images, pixels.numpy()


def scene(num_clusters: int, **arguments: Any) -> Scene:
    return Scene(Encoder(Maps(), 3), num_clusters, **({"points": 5000} | arguments))


def inner(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pixels that are not near the middle, where colours run into each other."""
    place = np.arange(SIDE)
    kept = np.abs(place - (SIDE - 1) / 2) > 4
    return pixels[:, kept][:, :, kept].ravel()


def found(method: Scene, images: Tensor) -> NDArray[np.int64]:
    """Return the likeliest cluster of each pixel."""
    probabilities = method.infer(images, images).probabilities
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones_like(probabilities[:, 0]))
    return nn.functional.interpolate(probabilities, (SIDE, SIDE), mode="nearest").argmax(dim=1).numpy()


def test_quarters_of_four_colours_are_four_categories_in_every_image() -> None:
    images, kinds = scenes()
    method = scene(4, stride=2, overclusters=12)
    method.finish(Scenes(images))
    assert adjusted_rand_score(inner(kinds), inner(found(method, images))) == 1


def test_what_covers_most_of_the_images_is_not_cut_before_what_is_small_is_told_apart() -> None:
    """Three quarters of the pixels vary much in brightness, two small categories lie close together."""
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(16, 3, SIDE, SIDE)
    images[:, 0] = 1 + 0.4 * torch.rand(16, SIDE, SIDE, generator=generator)
    images[:, :, :8] = COLORS[1][:, None, None]
    images[:, :, 8:16] = torch.tensor([0.0, 1.0, 0.8])[:, None, None]
    method = scene(3, stride=2, overclusters=12)
    method.finish(Scenes(images))
    clusters = found(method, images)
    assert len(np.unique(clusters[:, 20:])) == 1
    assert len({int(clusters[0, row, 0]) for row in (2, 12, 40)}) == 3


def test_blocks_weigh_alike_whatever_the_size_of_their_values() -> None:
    """The second map is ten times as large; without standardising it alone would decide."""
    images, _ = scenes()
    method = scene(4, stride=2)
    method.finish(Scenes(images))
    spread = torch.cat([torch.ones(3), torch.full((3,), 10.0)]) * method.scale
    torch.testing.assert_close(spread[:3].mean(), spread[3:].mean(), rtol=0.2, atol=0)


def test_the_same_images_give_the_same_categories_and_weights_bring_them_back() -> None:
    images, _ = scenes()
    first, second = (scene(4, stride=2) for _ in range(2))
    first.finish(Scenes(images))
    second.finish(Scenes(images))
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    fresh = scene(4, stride=2)
    fresh.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(found(fresh, images), found(first, images))


def test_few_different_places_are_as_many_overclusters_and_fewer_than_k_are_refused() -> None:
    images = COLORS[:3, :, None, None].expand(-1, -1, SIDE, SIDE)
    method = scene(3, stride=4)
    method.finish(Scenes(images))
    assert len(np.unique(found(method, images))) == 3
    with pytest.raises(UsageError, match="--num-clusters 5: the images show only 3 different places"):
        scene(5, stride=4).finish(Scenes(images))


def test_one_image_of_one_colour_is_refused() -> None:
    with pytest.raises(UsageError, match="the images show only 1 different place"):
        scene(2).finish(Scenes(torch.full((1, 3, SIDE, SIDE), 0.5)))


def test_one_image_alone_is_enough() -> None:
    images, kinds = scenes(1)
    method = scene(4, stride=2)
    method.finish(Scenes(images))
    assert adjusted_rand_score(inner(kinds), inner(found(method, images))) == 1


def test_blocks_that_are_not_there_and_networks_without_maps_are_refused() -> None:
    with pytest.raises(UsageError, match="the encoder has 2"):
        scene(4, blocks=(-3, -1))
    with pytest.raises(UsageError, match="no blocks"):
        Scene(Encoder(nn.Flatten(), 48), 4)
    with pytest.raises(UsageError, match="at least one block"):
        scene(4, blocks=())
    with pytest.raises(UsageError, match="sharpness"):
        scene(4, sharpness=0)
