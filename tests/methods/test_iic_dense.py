"""Per-pixel IIC: what it compares, which head learns when, and that it finds what two views share."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from objdisc.augmentation.affine import Affine, draw_affines, invert, warp
from objdisc.augmentation.chance import mixed_seeds
from objdisc.errors import UsageError
from objdisc.losses.iid import iid_dense_loss
from objdisc.methods.base import Ranks
from objdisc.methods.iic_dense import DenseIIC
from objdisc.models.encoder import build_encoder
from objdisc.types import Batch

from .conftest import World, shares_of, told

SIZE = 32

Make = Callable[..., DenseIIC]


def textures(seed: int, count: int = 6) -> tuple[Tensor, Tensor]:
    """Draw pairs of images of two halves, one calm and one noisy, turned at random; and which half is where.

    Only the halves are common to a pair: each view has noise of its own.

    Returns:
        ``(2, count, 3, SIZE, SIZE)`` views, ``(count, SIZE, SIZE)`` True where they are noisy.
    """
    generator = torch.Generator().manual_seed(seed)
    noisy = (torch.arange(SIZE) >= SIZE // 2).expand(count, SIZE, SIZE)
    turned = torch.rand(count, generator=generator) < 0.5
    noisy = torch.where(turned[:, None, None], noisy, noisy.mT)
    noise = torch.randn(2, count, 3, SIZE, SIZE, generator=generator)
    return torch.where(noisy[:, None], noise, 0.1 * noise), noisy


def pair(seed: int, affine: Affine) -> Batch:
    """Make a batch as the trainer does."""
    views, _ = textures(seed)
    count = views.shape[1]
    maps = draw_affines(affine, mixed_seeds(seed, range(count)))
    rows = torch.arange(count)
    valid = torch.ones(count, SIZE, SIZE, dtype=torch.bool)
    return Batch((views[0], warp(views[1], maps)), rows, rows >= 0, views[0], valid, invert(maps))


@pytest.fixture
def ranks() -> World:
    """Give a training set of textures."""
    return World(textures(7)[0][0], torch.zeros(6, dtype=torch.int64), torch.ones(6, dtype=torch.bool))


@pytest.fixture
def make() -> Make:
    def build(num_clusters: int = 2, layers: str = "8,M,16", **switches: Any) -> DenseIIC:
        torch.manual_seed(0)
        encoder = build_encoder(f"segnet:{layers}", "none")
        settings: dict[str, Any] = {"overclusters": 4, "half_t": 1, "order": ("AB",)}
        return DenseIIC(encoder, num_clusters, **settings | switches)

    return build


def test_the_loss_is_that_of_the_second_output_in_the_frame_of_the_first(make: Make, ranks: World) -> None:
    """With a flip alone: the network's output is enlarged, flipped back, and compared where both are valid."""
    method = make(order=("B",), half_t=2, lamb_b=1.3).eval()
    batch = pair(0, Affine(flip=1))
    assert batch.valid is not None
    batch.valid[:, :10] = False
    z, z_prime = (told(method, view).probabilities for view in batch.views)
    expected = iid_dense_loss(z, z_prime.flip(3), batch.valid, 2, 1.3)
    terms = method.training_step(batch, ranks)
    assert float(terms["loss"].detach()) == pytest.approx(float(expected.detach()), abs=1e-5)
    assert set(terms) == {"loss", "loss_B"}


def test_at_the_networks_resolution_a_pixel_counts_if_all_under_it_are_valid(make: Make, ranks: World) -> None:
    method = make(order=("A",), half_t=1, resolution="network").eval()
    batch = pair(0, Affine(flip=1))
    assert batch.valid is not None
    batch.valid[:, :5, :] = False
    z, z_prime = (method.heads["A"](method.encoder.feature_map(view, 2))[0] for view in batch.views)
    valid = torch.ones(len(z), 16, 16)
    valid[:, :3] = 0
    expected = iid_dense_loss(z, z_prime.flip(3), valid, 1)
    loss = method.training_step(batch, ranks)["loss"]
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)


def test_heads_take_turns(make: Make, ranks: World) -> None:
    method = make(order=("A", "B", "B"))
    seen = []
    for epoch in range(4):
        method.begin_epoch(epoch, ranks)
        seen.append(set(method.training_step(pair(0, Affine()), ranks)) - {"loss"})
    assert seen == [{"loss_A"}, {"loss_B"}, {"loss_B"}, {"loss_A"}]
    assert not ranks.seen, "nothing is encoded between epochs"


def test_every_parameter_has_a_gradient_in_every_epoch(make: Make, ranks: World) -> None:
    """DistributedDataParallel waits for each; the head whose turn it is not gets zeros."""
    method = make(order=("A",))
    torch.autograd.backward(method.training_step(pair(0, Affine()), ranks)["loss"])
    assert all(parameter.grad is not None for parameter in method.parameters())
    assert all(not parameter.grad.any() for parameter in method.heads["B"].parameters() if parameter.grad is not None)
    assert all(parameter.grad.any() for parameter in method.heads["A"].parameters() if parameter.grad is not None)


@pytest.mark.parametrize("switches", [{}, {"collapsed": True}, {"resolution": "network"}, {"sparse_shift": 2}])
def test_it_finds_the_two_textures(make: Make, ranks: World, switches: dict[str, Any]) -> None:
    method = make(layers="16,16,M,32", **switches)
    optimizer = torch.optim.Adam(method.parameters(), lr=5e-3)
    for step in range(40):
        losses = method.training_step(pair(step, Affine()), ranks)
        optimizer.zero_grad()
        torch.autograd.backward(losses["loss"])
        optimizer.step()
    views, noisy = textures(12345)
    with torch.no_grad():
        probabilities = told(method.eval(), views[0]).probabilities
    assert probabilities.shape == (6, 2, SIZE, SIZE)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(6, SIZE, SIZE))
    agreement = float((probabilities.argmax(dim=1) == noisy).float().mean())
    assert max(agreement, 1 - agreement) > 0.9
    shares = shares_of(dict(method.end_epoch(0, ranks)))
    assert 0.3 < min(shares) <= max(shares) < 0.7


def test_the_prediction_is_that_of_the_sub_head_with_the_lowest_loss(make: Make) -> None:
    method = make(subheads=3).eval()
    method.losses.copy_(torch.tensor([-0.1, -0.3, -0.2]))
    images = textures(0)[0][0]
    outputs = method.heads["B"](method.encoder.feature_map(images, 2))
    enlarged = torch.nn.functional.interpolate(outputs[1], (SIZE, SIZE), mode="bilinear", align_corners=False)
    torch.testing.assert_close(told(method, images).probabilities, enlarged)


def test_losses_of_sub_heads_are_of_the_last_epoch_that_trained_them(make: Make, ranks: World) -> None:
    method = make(subheads=2, order=("B", "A"))
    batch = pair(0, Affine())
    method.begin_epoch(0, ranks)
    method.training_step(batch, ranks)
    first = method.losses.clone()
    assert (first < 0).all()
    method.begin_epoch(1, ranks)
    method.training_step(batch, ranks)
    assert torch.equal(method.losses, first)
    method.begin_epoch(2, ranks)
    assert not method.losses.any()
    assert not ranks.seen, "nothing is encoded between epochs"


def test_a_batch_without_valid_pixels_teaches_nothing_and_breaks_nothing(make: Make, ranks: World) -> None:
    method = make()
    batch = pair(0, Affine())
    assert batch.valid is not None
    losses = method.training_step(replace(batch, valid=torch.zeros_like(batch.valid)), ranks)
    torch.autograd.backward(losses["loss"])
    assert torch.isfinite(losses["loss"])
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    "wrong",
    [{"half_t": -1}, {"order": ()}, {"order": ("C",)}, {"subheads": 0}, {"sparse_shift": -1}, {"overclusters": 1}],
)
def test_settings_are_checked(make: Make, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make(**wrong)


def next_epoch(method: DenseIIC, ranks: Ranks) -> None:
    method.begin_epoch(2, ranks)


def end_of_training(method: DenseIIC, ranks: Ranks) -> None:
    method.finish(ranks)


@pytest.mark.parametrize("begin", [next_epoch, end_of_training])
def test_head_a_leads_and_its_merged_clusters_start_head_b(
    make: Make, ranks: World, begin: Callable[[DenseIIC, Ranks], None]
) -> None:
    """One texture is cut in two by head A; what the views confuse is put together again, without a label."""
    method = make(layers="16,16,M,32", lead_epochs=2, overclusters=6, init_scale=0.1)
    optimizer = torch.optim.Adam(method.parameters(), lr=5e-3)
    for epoch in (0, 1):
        method.begin_epoch(epoch, ranks)
        method.train()
        for step in range(20):
            losses = method.training_step(pair(step, Affine()), ranks)
            assert set(losses) == {"loss", "loss_A"}
            optimizer.zero_grad()
            torch.autograd.backward(losses["loss"])
            optimizer.step()
    assert float(method.joint.sum()) == pytest.approx(
        20 * 6 * SIZE**2, rel=1e-4
    )  # each pixel of the last epoch meets once
    assert not ranks.seen
    begin(method, ranks)
    views, noisy = textures(12345)
    with torch.no_grad():
        found = told(method.eval(), views[0]).probabilities.argmax(dim=1) == 1
    right = float((found == noisy).float().mean())
    assert max(right, 1 - right) > 0.85  # before head B has learned anything
    if begin is next_epoch:
        assert set(method.train().training_step(pair(99, Affine()), ranks)) == {"loss", "loss_A", "loss_B"}


def test_without_a_lead_no_table_is_kept(make: Make) -> None:
    assert make().joint.numel() == 0


@pytest.mark.parametrize("switches", [{"lead_epochs": -1}, {"lead_epochs": 1, "overclusters": 2}, {"init_scale": 0}])
def test_settings_that_no_start_can_use_are_refused(make: Make, switches: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make(num_clusters=3, **switches)
