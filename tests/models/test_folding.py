"""Networks without batch normalisations say the same, are no part of what is saved, and follow what is learned."""

import copy
import pickle

import pytest
import timm
import torch
from torch import Tensor, nn

from objdisc.models import fixed_conv
from objdisc.models.encoder import Encoder, build_encoder
from objdisc.models.fixed_conv import FixedConv2d
from objdisc.models.folding import FoldedCopy, find_pairs, folded


def with_statistics(body: nn.Module, seed: int = 0) -> nn.Module:
    """Give every normalisation statistics and weights that are no identity."""
    generator = torch.Generator().manual_seed(seed)
    for norm in (module for module in body.modules() if isinstance(module, nn.BatchNorm2d)):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_(0, 0.2, generator=generator)
        norm.running_var.uniform_(0.5, 2, generator=generator)
        nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
        nn.init.normal_(norm.bias, 0, 0.2, generator=generator)
    return body.eval()


def encoder(name: str) -> Encoder:
    torch.manual_seed(0)
    built = build_encoder(name, "none", pooling="max")
    with_statistics(built.body)
    return built.eval()


def pictures(side: int = 64, count: int = 2) -> Tensor:
    images = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))
    return images.contiguous(memory_format=torch.channels_last)


def fixed(body: nn.Module) -> int:
    return sum(isinstance(module, FixedConv2d) for module in body.modules())


@pytest.fixture(params=[True, False], ids=["fused", "unfused"])
def _fused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(fixed_conv, "_has_fused_convolutions", lambda: False)


@pytest.mark.usefixtures("_fused")
@pytest.mark.parametrize("side", [64, 75])
@pytest.mark.parametrize(
    "name",
    ["tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_100", "regnetx_002", "resnet18_3x3:8", "vgg5x5", "jule16"],
)
def test_a_network_says_the_same_without_its_normalisations(name: str, side: int) -> None:
    network, images = encoder(name), pictures(16 if name == "jule16" else side)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.body.modules())
    with torch.no_grad():
        expected = network.body(images)
        pairs, seen = find_pairs(network.body, lambda body, given: body(given), images)
        copied = folded(network.body, pairs)
        found = copied(images)
    torch.testing.assert_close(seen, expected, rtol=0, atol=0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert fixed(copied) == norms > 0
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copied.modules())
    assert fixed(network.body) == 0


def test_every_network_that_infers_is_run_without_them_and_one_that_learns_is_not() -> None:
    network, images = encoder("tf_efficientnet_lite0"), pictures()
    state = copy.deepcopy(network.state_dict())
    plain = network(images)
    assert plain.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(network(images), plain, rtol=0, atol=1e-5 * float(plain.abs().max()))
        torch.testing.assert_close(network.body(images), plain, rtol=0, atol=0)
        assert network._body("forward", images) is not network.body
        network.train()
        assert network._body("forward", images) is network.body
    after = network.state_dict()
    assert list(after) == list(state)
    assert all(torch.equal(after[name], state[name]) or "num_batches" in name for name in state)
    assert sum(isinstance(module, FixedConv2d) for module in network.modules()) == 0


def test_bfloat16_is_as_close_to_float32_as_it_was() -> None:
    network, images = encoder("tf_efficientnet_lite0"), pictures()
    with torch.no_grad():
        exact = network.body(images)
        with torch.autocast("cpu", torch.bfloat16):
            plain, found = network.body(images).float(), network(images).float()
    assert (found - exact).norm() < 1.25 * (plain - exact).norm()


def test_the_copy_follows_what_is_learned() -> None:
    network, images = encoder("resnet18_3x3:8"), pictures(32)
    with torch.no_grad():
        before = network(images)
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(images).square().sum().backward()
    optimizer.step()
    network.eval()
    with torch.no_grad():
        after = network(images)
        torch.testing.assert_close(after, network.body(images), rtol=0, atol=1e-5 * float(after.abs().max()))
        assert not torch.allclose(after, before)
        network.load_state_dict(encoder("resnet18_3x3:8").state_dict())
        torch.testing.assert_close(network(images), before, rtol=0, atol=0)


def test_maps_are_those_of_the_network() -> None:
    network, images = encoder("tf_efficientnet_lite0"), pictures()
    plain = [found.detach() for found in network.block_maps(images)]
    with torch.no_grad():
        found = network.block_maps(images)
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))


class Branching(nn.Module):
    """The output of the first convolution goes into its normalisation and elsewhere; the second is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm_of_one = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.two, self.norm_of_two = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.three, self.norm_of_three = nn.Conv2d(4, 4, 1, bias=True), nn.BatchNorm2d(4, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        first = self.one(images)
        both = self.norm_of_one(first) + first
        again = self.norm_of_two(self.two(self.norm_of_two(self.two(both))))
        result: Tensor = self.norm_of_three(self.three(again))
        return result.mean(dim=(2, 3))


def test_what_is_used_otherwise_is_left_alone() -> None:
    body = Branching().eval()
    with torch.no_grad():
        pairs, expected = find_pairs(body, lambda network, images: network(images), pictures(16))
        assert [pair.norm for pair in pairs] == ["norm_of_three"]
        torch.testing.assert_close(folded(body, pairs)(pictures(16)), expected)


def test_statistics_of_a_batch_are_of_the_whole_batch() -> None:
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network, images = Encoder(body, 4).eval(), pictures(224, 12)
    with torch.no_grad():
        torch.testing.assert_close(network(images), body(images), rtol=0, atol=0)


def test_a_single_layer_that_learns_is_enough_to_run_the_network_itself() -> None:
    network, images = encoder("resnet18_3x3:8"), pictures(32)
    with torch.no_grad():
        network(images)
        next(module for module in network.body.modules() if isinstance(module, nn.BatchNorm2d)).train()
        assert network._body("forward", images) is network.body


def test_hooks_see_the_network_itself() -> None:
    network, images = encoder("resnet18_3x3:8"), pictures(32)
    seen: list[Tensor] = []
    with torch.no_grad():
        network(images)
        network.body.register_forward_hook(lambda module, inputs, output: seen.append(output))
        found = network(images)
    assert len(seen) == 1
    assert found is seen[0]


def test_copies_of_an_encoder_begin_without_one() -> None:
    network, images = encoder("resnet18_3x3:8"), pictures(32)
    with torch.no_grad():
        network(images)
    assert network._folded["forward"]._body is not None
    assert copy.deepcopy(network)._folded["forward"]._body is None
    assert pickle.loads(pickle.dumps(FoldedCopy()))._body is None


def test_a_transformer_is_run_as_it_is() -> None:
    body = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).eval()
    with torch.no_grad():
        assert FoldedCopy().of(body, lambda network, images: network(images), pictures(32)) is body
