"""Methods that cluster the training images predict exactly those clusters, and for others a neighbour's."""

import pytest
import torch
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.methods.support.transductive import TransductiveMethod, fingerprints
from objdisc.models.encoder import Encoder

from ..conftest import World, clusters_of, told


class ByOrder(TransductiveMethod):
    """Gives clusters that no feature explains: row by row in turn."""

    trains = False

    def cluster(self, points: Tensor) -> Tensor:
        return torch.arange(len(points)) % self.num_clusters

    def embed(self, images: Tensor) -> Tensor:
        embedding: Tensor = self.encoder(images)
        return embedding


def test_training_images_get_exactly_the_clusters_they_were_given(pixels: Encoder, world: World) -> None:
    method = ByOrder(pixels, 4)
    method.finish(world)
    given = torch.arange(60) % 4
    assert torch.equal(clusters_of(method, world.images[:60]), given)
    mixed = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    channels_last = world.images[mixed].contiguous(memory_format=torch.channels_last)
    assert torch.equal(clusters_of(method, channels_last), given[mixed])


def test_images_with_the_same_features_are_still_told_apart(world: World) -> None:
    class Blind(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.zeros(len(images), 2)

    method = ByOrder(Encoder(Blind(), 2), 3)
    method.finish(world)
    assert torch.equal(clusters_of(method, world.images[:60]), torch.arange(60) % 3)


def test_other_images_get_the_cluster_of_the_nearest_training_image(pixels: Encoder, world: World) -> None:
    method = ByOrder(pixels, 4)
    method.finish(world)
    others = world.images[60:]  # background
    distances = (others.flatten(1)[:, None] - world.images[:60].flatten(1)[None]).square().sum(dim=2)
    assert torch.equal(clusters_of(method, others), distances.argmin(dim=1) % 4)


def test_equal_images_get_one_cluster_that_of_the_first(pixels: Encoder, world: World) -> None:
    world.images[7] = world.images[2]
    method = ByOrder(pixels, 4)
    method.finish(world)
    assert clusters_of(method, world.images[[2, 7]]).tolist() == [2, 2]


def test_assignment_is_part_of_the_saved_state_and_needs_no_setup(pixels: Encoder, world: World) -> None:
    finished, fresh = ByOrder(pixels, 4), ByOrder(pixels, 4)
    finished.finish(world)
    fresh.load_state_dict(finished.state_dict())
    assert torch.equal(*(told(method, world.images).probabilities for method in (fresh, finished)))


def test_fewer_objects_than_clusters_and_asking_too_early_are_errors(pixels: Encoder, world: World) -> None:
    with pytest.raises(UsageError, match="nothing was clustered yet"):
        told(ByOrder(pixels, 4), world.images)
    world.foreground = torch.arange(90) < 3
    with pytest.raises(UsageError, match=r"--num-clusters 4: there are only 3 foreground patches"):
        ByOrder(pixels, 4).finish(world)


def test_fingerprints_tell_images_apart_that_differ_in_one_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 2, (2000, 1, 4, 8), generator=generator).float()
    unique = len({tuple(image.flatten().tolist()) for image in images})
    assert len(set(fingerprints(images).tolist())) == unique
    assert torch.equal(fingerprints(torch.tensor([[[[0.0]]]])), fingerprints(torch.tensor([[[[-0.0]]]])))
