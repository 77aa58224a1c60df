"""The k-means memory method: what of it stays as it is while the rest learns."""

import torch
from torch import nn

from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.models.origin import WeightsOrigin

from ..support.kmeans_memory import method_of
from .conftest import World


def train_a_little(method: KMeansMemory, world: World) -> None:
    method.begin_epoch(0, world)
    method.train()
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(method(world.batch(torch.arange(30, 75)), world)["loss"])
        optimizer.step()


def test_a_frozen_encoder_stays_bit_identical_and_gets_no_gradient(learner: Encoder, world: World) -> None:
    learner.origin = WeightsOrigin("file", "some")
    method = method_of(learner, freeze="encoder")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    train_a_little(method, world)
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    assert all(parameter.grad is None for parameter in learner.parameters())
    assert not learner.training


def test_frozen_batchnorm_keeps_its_statistics_while_weights_learn(learner: Encoder, world: World) -> None:
    learner.origin = WeightsOrigin("file", "some")
    method = method_of(learner, freeze="batchnorm")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    train_a_little(method, world)
    changed = {name for name, value in learner.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in changed if "running" in name or "num_batches" in name}
    assert "body.0.weight" in changed


def test_an_encoder_with_random_weights_always_learns(learner: Encoder, world: World) -> None:
    method = method_of(learner, freeze="encoder")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    train_a_little(method, world)
    assert method.freeze == "nothing"
    kept = {name for name, value in learner.state_dict().items() if torch.equal(value, before[name])}
    assert kept <= {"body.0.bias"}  # batch normalisation takes a bias before it away again


def test_every_buffer_is_there_before_a_checkpoint_is_loaded(learner: Encoder, world: World) -> None:
    trained = method_of(learner)
    train_a_little(trained, world)
    fresh = KMeansMemory(Encoder(nn.Sequential(*learner.body.children()), 128), 3, embedding_dim=16, queue_size=64)
    fresh.setup(len(world.images))
    fresh.load_state_dict(trained.state_dict())
    assert bool(fresh.initialised)
    assert {name: value.shape for name, value in fresh.state_dict().items()} == {
        name: value.shape for name, value in trained.state_dict().items()
    }
