"""Image IIC: which heads learn when, what starts them, which one predicts, and that kinds are found without labels."""

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from objdisc.clustering.projections import ridge_classifier
from objdisc.errors import UsageError
from objdisc.losses.iid import iid_loss
from objdisc.methods.base import Views
from objdisc.methods.iic import IIC, center_crop
from objdisc.models.encoder import Encoder
from objdisc.models.sobel import sobel

from .conftest import World, clusters_of, told

OBJECTS = torch.arange(60)


@pytest.fixture
def flat() -> Encoder:
    """An encoder that hands the 48 pixels on."""
    return Encoder(nn.Flatten(), 48)


def step(method: IIC, world: World) -> dict[str, Tensor]:
    return method.training_step(world.batch(torch.arange(90), method.num_views), world)


def moved(method: IIC, world: World, epoch: int) -> set[str]:
    """Return the parts whose parameters a step of this epoch pulls at."""
    method.begin_epoch(epoch, world)
    method.zero_grad()
    torch.autograd.backward(step(method, world)["loss"])
    parts = {"A": method.head_a, "B": method.head_b, "pretext": method.embedding}
    gradients = {name: [p.grad for p in part.parameters()] for name, part in parts.items()}
    return {name for name, found in gradients.items() if any(g is not None and bool(g.any()) for g in found)}


def test_heads_take_turns_as_the_order_says(flat: Encoder, world: World) -> None:
    method = IIC(flat, 3, overclusters=6, order=["B", "A", "AB"])
    assert [moved(method, world, epoch) for epoch in range(4)] == [{"B"}, {"A"}, {"A", "B"}, {"B"}]


def test_pretext_and_lead_come_before_the_order(flat: Encoder, world: World) -> None:
    method = IIC(flat, 3, overclusters=6, order=["B", "A"], pretext_epochs=1, lead_epochs=2)
    turns = [moved(method, world, epoch) for epoch in range(5)]
    assert turns == [{"pretext"}, {"A"}, {"A"}, {"B"}, {"A"}]


def test_loss_is_the_mean_over_sub_heads_of_pairs_of_objects(flat: Encoder, world: World) -> None:
    method = IIC(flat, 3, overclusters=6, subheads=2, order=["B"], lamb_b=1.3)
    method.begin_epoch(0, world)
    loss = step(method, world)["loss"]
    one, other = (method.head_b(world.view(OBJECTS, view).flatten(1)) for view in (0, 1))
    expected = torch.stack([iid_loss(a, b, 1.3) for a, b in zip(one, other, strict=True)]).mean()
    torch.testing.assert_close(loss, expected)


def test_one_first_view_is_paired_with_several_second_ones(flat: Encoder, world: World) -> None:
    method = IIC(flat, 3, overclusters=6, subheads=1, order=["B"], repeats=3)
    assert method.num_views == 4
    method.begin_epoch(0, world)
    views = [method.head_b(world.view(OBJECTS, view).flatten(1))[0] for view in range(4)]
    expected = iid_loss(torch.cat([views[0]] * 3), torch.cat(views[1:]))
    torch.testing.assert_close(step(method, world)["loss"], expected)


def test_the_sub_head_with_the_lowest_loss_predicts(flat: Encoder, world: World) -> None:
    method = IIC(flat, 3, overclusters=6, subheads=3, order=["B", "A"])
    method.begin_epoch(0, world)
    losses = torch.zeros(3)
    for _ in range(2):
        step(method, world)
        one, other = (method.head_b(world.view(OBJECTS, view).flatten(1)) for view in (0, 1))
        losses += torch.stack([iid_loss(a, b) for a, b in zip(one, other, strict=True)]).detach()
    torch.testing.assert_close(method.losses, losses)
    chosen = int(losses.argmin())
    said = told(method, world.images[:7])
    assert said.subheads is not None
    torch.testing.assert_close(said.probabilities[:, :, 0, 0], said.subheads[chosen])
    method.begin_epoch(1, world)
    step(method, world)
    assert method.chosen == chosen, "an epoch of head A says nothing about head B"


def test_occupancy_counts_the_objects_of_the_epoch(flat: Encoder, world: World) -> None:
    method = IIC(flat, 3, overclusters=6, order=["A", "B"])
    method.begin_epoch(0, world)
    step(method, world)
    assert not method.end_epoch(0, world)["occupancy"].any(), "head B has not learned anything yet"
    method.begin_epoch(1, world)
    step(method, world)
    occupancy = method.end_epoch(1, world)["occupancy"]
    chosen = method.head_b(world.view(OBJECTS, 0).flatten(1))[method.chosen].argmax(dim=1)
    assert occupancy.tolist() == torch.bincount(chosen, minlength=3).tolist()
    assert float(method.sizes.sum()) == method.sizes.shape[0] * 60


def accuracy(clusters: Tensor, kinds: Tensor) -> float:
    table = torch.zeros(3, 3)
    table.index_put_((clusters, kinds), torch.ones(len(kinds)), accumulate=True)
    rows, columns = linear_sum_assignment(-table.numpy())
    return float(table[rows, columns].sum() / len(kinds))


class CalmWorld(World):
    """Views that differ little."""

    def view(self, rows: Tensor, view: int) -> Tensor:
        generator = torch.Generator().manual_seed(1000 + view)
        return self.images[rows] + 0.3 * torch.randn(self.images[rows].shape, generator=generator)


def test_three_kinds_are_found_from_a_start_by_clusters(flat: Encoder, world: World) -> None:
    world = CalmWorld(world.images, world.kinds, world.foreground)
    world.calm()
    torch.manual_seed(0)
    method = IIC(flat, 3, overclusters=8, subheads=2, order=["B"], pretext_epochs=1, lead_epochs=1)
    optimizer = torch.optim.Adam(method.parameters(), 0.01)
    for epoch in range(4):
        method.begin_epoch(epoch, world)
        for _ in range(20):
            optimizer.zero_grad()
            torch.autograd.backward(step(method, world)["loss"])
            optimizer.step()
    clusters = clusters_of(method, world.images[OBJECTS])
    assert accuracy(clusters, world.kinds[OBJECTS]) > 0.95


class TwinWorld(World):
    """Four kinds: views often take the second for the third, pixels of the third and the fourth are nearly the same."""

    def view(self, rows: Tensor, view: int) -> Tensor:
        kinds = self.kinds[rows]
        taken = torch.where((kinds == 1) & (torch.arange(len(rows)) // 4 % 2 == view), 2, kinds)
        return self.images[taken]  # the first four images are one of each kind


@pytest.mark.parametrize(("neighbors", "together"), [(0, (1, 2)), (3, (2, 3))])
def test_clusters_are_merged_by_views_or_by_what_is_nearest_in_pixels(
    flat: Encoder, neighbors: int, together: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(60) % 4
    centers = torch.rand(4, 3, 4, 4, generator=generator)
    centers[3] = centers[2]
    centers[3, 0, 0, 0] += 0.2  # a classifier tells them apart by it, while it is lost in the noise of distances
    images = centers[kinds] + 0.1 * torch.randn(60, 3, 4, 4, generator=generator)
    images[:, 0, 0, 0] = centers[kinds, 0, 0, 0]
    world = TwinWorld(images, kinds, torch.ones(60, dtype=torch.bool))
    method = IIC(flat, 3, overclusters=4, subheads=1, lead_epochs=1, merge_neighbors=neighbors)
    with torch.no_grad():
        weight, bias = ridge_classifier(images.flatten(1), kinds, 4)
        method.head_a.weight[0], method.head_a.bias[0] = 50 * weight, 50 * bias
    method.begin_epoch(1, world)
    clusters = clusters_of(method, images)
    first, second = together
    assert int(clusters[first]) == int(clusters[second])
    assert len({int(cluster) for cluster in clusters[:4]}) == 3


def test_starting_twice_gives_the_same_heads(flat: Encoder, world: World) -> None:
    method = IIC(flat, 3, overclusters=6, pretext_epochs=1, lead_epochs=1)
    method.begin_epoch(1, world)
    method.begin_epoch(2, world)
    before = [parameter.clone() for parameter in method.parameters()]
    method.begin_epoch(1, world)
    method.begin_epoch(2, world)
    assert all(torch.equal(one, two) for one, two in zip(before, method.parameters(), strict=True))


def test_statistics_of_the_batch_leave_those_of_the_training_alone(learner: Encoder, world: World) -> None:
    running, batch = (IIC(learner, 3, overclusters=6, batchnorm=kind).eval() for kind in ("running", "batch"))
    state = {name: value.clone() for name, value in learner.state_dict().items()}
    shifted = world.images[:20] + 3
    assert isinstance(learner.body, nn.Sequential)
    layer = learner.body[1]
    assert isinstance(layer, nn.BatchNorm2d)
    seen: list[Tensor] = []
    layer.register_forward_hook(lambda module, given, result: seen.append(result.detach()))
    told(batch, shifted)
    told(running, shifted)
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.zeros(8), rtol=0, atol=1e-4)
    assert float(seen[1].mean((0, 2, 3)).abs().max()) > 0.1
    assert all(torch.equal(value, state[name]) for name, value in learner.state_dict().items())
    assert not layer.training


def test_centre_crop_enlarges_the_middle() -> None:
    images = torch.zeros(1, 1, 28, 28)
    images[..., 4:24, 4:24] = 1
    torch.testing.assert_close(center_crop(images, 20 / 28), torch.ones(1, 1, 28, 28))
    assert center_crop(images, 1.0) is images


def test_it_asks_for_pairs() -> None:
    assert IIC.views is Views.AUGMENTED_PAIR


@pytest.mark.parametrize(
    "wrong", [{"overclusters": 2}, {"subheads": 0}, {"order": []}, {"order": ["C"]}, {"center": 0.0}, {"repeats": 0}]
)
def test_settings_that_make_no_sense_are_refused(flat: Encoder, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="iic"):
        IIC(flat, 3, **wrong)  # type: ignore[arg-type] # that is the test


def test_what_looks_into_the_encoder_sees_what_it_is_given(flat: Encoder) -> None:
    images = torch.randn(2, 3, 8, 8)
    method = IIC(flat, 3, sobel=True, center=0.5)
    torch.testing.assert_close(method.train().encoder_input(images), sobel(images))
    torch.testing.assert_close(method.eval().encoder_input(images), sobel(center_crop(images, 0.5)))
