"""A grown method: known categories to the bit as before, new ones where objects are nearer to these."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from objdisc.clustering.growth import NewGroups, Seen, find_new_groups, nearness, project
from objdisc.errors import UsageError
from objdisc.methods.grown import Grown
from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.models.encoder import Encoder

from .conftest import World, told

KNOWN: dict[str, Any] = {"known": "kmeans_baseline", "known_args": '{"restarts": 2}'}


def before(pixels: Encoder, world: World) -> KMeansBaseline:
    """Give k-means of two of the three kinds."""
    world.calm()
    world.foreground &= world.kinds != 2
    method = KMeansBaseline(pixels, 2, restarts=2)
    method.finish(world)
    return method.eval()


def groups(world: World) -> NewGroups:
    """Find what is new where the third kind is there, too."""
    features = world.images.flatten(1)
    views = torch.stack([features + 0.05 * torch.randn_like(features) for _ in range(2)])
    old, images = world.kinds != 2, np.arange(90)
    return find_new_groups(Seen(features[old], views[:, old], images[old.numpy()]), Seen(features, views, images))


def grown(pixels: Encoder, state: dict[str, Tensor], found: NewGroups | None) -> Grown:
    method = Grown(pixels, 2 + (0 if found is None else found.count), **KNOWN, num_known=2)
    method.take_known(state)
    if found is not None:
        method.take_new(found)
    return method.eval()


def test_the_third_kind_is_new_and_the_others_keep_their_ids(pixels: Encoder, world: World) -> None:
    old = before(pixels, world)
    torch.manual_seed(0)
    found = groups(world)
    assert found.count == 1
    method = grown(pixels, old.state_dict(), found)
    ids = told(method, world.images).probabilities[:, :, 0, 0].argmax(dim=1)
    third = world.kinds == 2
    assert (ids[third] == 2).all()
    assert torch.equal(ids[~third], told(old, world.images).probabilities[:, :, 0, 0].argmax(dim=1)[~third])


def test_the_nearer_side_decides(pixels: Encoder, world: World) -> None:
    old = before(pixels, world)
    found = groups(world)
    method = grown(pixels, old.state_dict(), found)
    images = world.images + 2 * torch.randn(world.images.shape, generator=torch.Generator().manual_seed(3))
    said = told(method, images)
    points = project(images.flatten(1), found.weight, found.bias)
    is_new = nearness(points, found.members) < nearness(points, found.known)
    assert 0 < int(is_new.sum()) < len(images)
    assert torch.equal(said.probabilities[:, :, 0, 0].argmax(dim=1) == 2, is_new)
    assert said.probabilities.sum(dim=1).flatten().numpy() == pytest.approx(1, abs=1e-5)
    assert torch.equal(said.embedding[:, -points.shape[1] :], points)


def test_the_encoder_is_asked_once(pixels: Encoder, world: World) -> None:
    old = before(pixels, world)
    method, asked = grown(pixels, old.state_dict(), groups(world)), list[int]()
    pixels.register_forward_hook(lambda _, given, __: asked.append(len(given[0])))
    told(method, world.images)
    assert asked == [90]


def test_without_new_ones_it_is_the_method_before(pixels: Encoder, world: World) -> None:
    old = before(pixels, world)
    method = grown(pixels, old.state_dict(), None)
    assert torch.equal(told(method, world.images).probabilities, told(old, world.images).probabilities)


def test_its_weights_hold_the_encoder_once_and_come_back(learner: Encoder, world: World) -> None:
    old = KMeansBaseline(learner, 2)
    features = torch.randn(40, 128, generator=torch.Generator().manual_seed(0))
    views = features[None] + 0.1 * torch.randn(2, 40, 128, generator=torch.Generator().manual_seed(1))
    images = np.arange(20)
    found = find_new_groups(Seen(features[:20], views[:, :20], images), Seen(features[20:], views[:, 20:], images))
    method = grown(learner, old.state_dict(), found)
    state = method.state_dict()
    pointers = [value.data_ptr() for value in state.values() if value.numel()]
    assert len(pointers) == len(set(pointers))
    fresh = Grown(learner, method.num_clusters, **KNOWN, num_known=2)
    assert not fresh.load_state_dict(state).missing_keys
    assert torch.equal(fresh.known_points, found.known)


def test_it_is_made_of_a_run_alone(pixels: Encoder) -> None:
    with pytest.raises(UsageError, match="--method grown: made of a finished run; give --init-from RUN --grow"):
        Grown(pixels, 3)
    with pytest.raises(UsageError, match="no JSON"):
        Grown(pixels, 3, known="kmeans_baseline", known_args="restarts", num_known=2)
    with pytest.raises(UsageError, match="its module would be run"):
        Grown(pixels, 3, known="os.path", num_known=2)
    with pytest.raises(UsageError, match="the 4 categories of the run before stay"):
        Grown(pixels, 3, **KNOWN, num_known=4)
