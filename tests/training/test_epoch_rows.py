"""What a method asks of an epoch: its own order of rows, partners, and a resume that knows both."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from objdisc.io.run import Run
from objdisc.methods.base import EpochPlan, Method, Ranks, Views
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit
from objdisc.types import Batch, Prediction

OPTIONS = TrainerOptions(
    epochs=3, batch_size=12, lr=1e-2, device="cpu", precision="fp32", workers=0, background_share=0.25
)


class Pairs(Method):
    """Brings pairs of neighbours together; neighbours and the order of the epoch come from the features."""

    views = Views.NEIGHBOR_PAIR
    wants_background = True
    near: Tensor

    def __init__(self, encoder: Encoder, num_clusters: int, length: int = 30) -> None:
        super().__init__(encoder, num_clusters)
        self.head = nn.Linear(encoder.num_features, num_clusters)
        self.length, self.seen = length, list[list[int]]()

    def setup(self, num_samples: int) -> None:
        self.register_buffer("near", torch.full((num_samples, 3), -1))

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        rows = ranks.foreground.nonzero()[:, 0]
        features = ranks.encode(self.encoder, rows)
        self.near[rows] = rows[torch.cdist(features, features).topk(4, largest=False).indices[:, 1:]]
        drawn = torch.from_numpy(ranks.generator.integers(len(rows), size=self.length))
        return EpochPlan(rows=rows[drawn], partners=self.near)

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        self.seen.append(batch.index[batch.foreground].tolist())
        first, second = (self.head(self.encoder(view[batch.foreground])) for view in batch.views)
        return {"loss": (first - second).square().mean() + (first.std(dim=0) - 1).square().mean()}

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        features: Tensor = self.encoder(images)
        return Prediction(torch.softmax(self.head(features).float(), dim=1)[:, :, None, None], features.float())


@pytest.fixture
def make(make_encoder: Callable[[], Encoder]) -> Callable[..., Pairs]:
    def build(**switches: Any) -> Pairs:
        encoder = make_encoder()
        return Pairs(encoder, 4, **switches)

    return build


def weights_of(run: Run) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in load_file(run.weights).items()}


class Interrupted(Exception):
    """Stands in for the power cut."""


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_training_that_was_stopped_and_resumed_ends_bit_identical(
    make: Callable[..., Pairs], toy_store: PatchStore, tmp_path: Path, accumulation: int
) -> None:
    options = replace(OPTIONS, accumulation=accumulation)
    whole, stopped = Run(tmp_path / "whole"), Run(tmp_path / "stopped")
    fit(make(), toy_store, whole, options)
    method = make()
    step, calls = method.training_step, iter(range(5))

    def training_step(batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        if next(calls, None) is None:
            raise Interrupted
        return step(batch, ranks)

    method.training_step = training_step  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        fit(method, toy_store, stopped, options)
    torch.manual_seed(99)
    fit(make(), toy_store, stopped, options, resume=True)
    assert weights_of(stopped) == weights_of(whole)


def test_workers_do_not_matter_and_seeds_do(make: Callable[..., Pairs], toy_store: PatchStore, tmp_path: Path) -> None:
    runs = {"one": OPTIONS, "workers": replace(OPTIONS, workers=2), "other": replace(OPTIONS, seed=1)}
    for name, options in runs.items():
        fit(make(), toy_store, Run(tmp_path / name), options)
    one, workers, other = (weights_of(Run(tmp_path / name)) for name in runs)
    assert one == workers
    assert one != other


@pytest.mark.parametrize("length", [9, 27, 200])
def test_an_epoch_is_as_long_as_its_order_and_the_learning_rate_follows_the_epochs(
    make: Callable[..., Pairs], toy_store: PatchStore, tmp_path: Path, length: int
) -> None:
    method = make(length=length)
    fit(method, toy_store, Run(tmp_path), replace(OPTIONS, warmup=0.0))
    records = [json.loads(line) for line in Run(tmp_path).metrics_log.read_text(encoding="utf-8").splitlines()]
    steps = length // 9
    assert [record["step"] for record in records] == [steps, 2 * steps, 3 * steps]
    nominal = int(toy_store.foreground.sum()) // 9  # steps of an epoch that takes every row once
    done = [(nominal * epochs - 1) / (3 * nominal - 1) for epochs in (1, 2, 3)]  # the first step is the warm-up
    expected = [0.5 * (1 + math.cos(math.pi * share)) for share in done]
    assert [record["lr"] / OPTIONS.lr for record in records] == pytest.approx(expected, abs=1e-6)
    assert len(method.seen) == 3 * steps
    assert bool(toy_store.foreground[np.concatenate(method.seen)].all())


def test_processes_that_load_patches_end_with_the_training(
    make: Callable[..., Pairs], toy_store: PatchStore, tmp_path: Path
) -> None:
    """Or they would hold memory, files and pipes while the run predicts."""
    before = set(active_children())
    method = make()
    fit(method, toy_store, Run(tmp_path), replace(OPTIONS, epochs=1, workers=1))
    assert set(active_children()) <= before
