"""Optimisers and schedules: who learns at which rate, and how it falls."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.models.origin import WeightsOrigin
from objdisc.training.optimization import make_optimizer, make_scheduler

from .conftest import OPTIONS, MakeMethod


@pytest.mark.parametrize(("optimizer", "kind"), [("adamw", "AdamW"), ("sgd", "SGD"), ("rmsprop", "RMSprop")])
def test_parameters_are_grouped_by_encoder_and_decay(make_method: MakeMethod, optimizer: Any, kind: str) -> None:
    method = make_method()
    built = make_optimizer(method, replace(OPTIONS, optimizer=optimizer, weight_decay=0.01, encoder_lr_scale=0.1))
    assert type(built).__name__ == kind
    given = {id(p): (group["lr"], group["weight_decay"]) for group in built.param_groups for p in group["params"]}
    for name, parameter in method.named_parameters():
        lr = 3e-4 if name.startswith("encoder.") else 3e-3
        assert given.pop(id(parameter)) == pytest.approx((lr, 0.01 if parameter.ndim > 1 else 0.0)), name
    assert not given


def test_frozen_parameters_are_in_no_group(make_encoder: Callable[[], Encoder]) -> None:
    encoder = make_encoder()
    encoder.origin = WeightsOrigin("file", "some")
    method = KMeansMemory(encoder, 4, embedding_dim=8)
    listed = {id(p) for group in make_optimizer(method, OPTIONS).param_groups for p in group["params"]}
    assert not listed & {id(parameter) for parameter in encoder.parameters()}


def test_the_papers_optimiser(make_method: MakeMethod) -> None:
    options = replace(OPTIONS, optimizer="rmsprop", lr=0.045, momentum=0.9, eps=1.0)
    defaults = make_optimizer(make_method(), options).defaults
    assert (defaults["alpha"], defaults["momentum"], defaults["eps"]) == (0.9, 0.9, 1.0)


def test_the_schedule_warms_up_in_a_line_and_falls_as_a_cosine() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    scheduler = make_scheduler(optimizer, replace(OPTIONS, warmup=0.2), lambda: 100)
    rates = []
    for _ in range(100):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates[:20] == pytest.approx([2 * (step + 1) / 20 for step in range(20)])
    assert rates[20:] == pytest.approx([1 + math.cos(math.pi * step / 80) for step in range(80)])
    assert scheduler.get_last_lr()[0] == pytest.approx(0, abs=1e-12)


def test_a_constant_schedule_is_constant() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    scheduler = make_scheduler(optimizer, replace(OPTIONS, schedule="constant"), lambda: 10)
    for _ in range(10):
        assert scheduler.get_last_lr() == [2.0]
        optimizer.step()
        scheduler.step()
