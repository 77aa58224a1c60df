"""Methods that make their own labels: the trainer keeps an epoch's clusters and forgets what it knew of a new layer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from objdisc.io.run import Run, read_metrics_log
from objdisc.methods.base import EpochPlan, Ranks
from objdisc.methods.deepcluster import DeepCluster
from objdisc.methods.deepcluster_v2 import DeepClusterV2
from objdisc.methods.support.pseudolabels import PseudoLabelMethod
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit
from objdisc.types import Batch

OPTIONS = TrainerOptions(
    epochs=3, batch_size=16, lr=0.05, optimizer="sgd", device="cpu", precision="fp32", workers=0, background_share=0.2
)

MakeMethod = Callable[[], PseudoLabelMethod]


@pytest.fixture(params=["v1", "v2"])
def make_method(request: pytest.FixtureRequest, make_encoder: Callable[[], Encoder]) -> MakeMethod:
    def make() -> PseudoLabelMethod:
        if request.param == "v1":
            return DeepCluster(make_encoder(), 4, overclusters=8, dimensions=16)
        return DeepClusterV2(make_encoder(), 4, overclusters=8, embedding_dim=16, hidden=32)

    return make


class Interrupted(Exception):
    """Stands in for the power cut."""


def test_a_training_that_was_stopped_and_resumed_ends_bit_identical(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = Run(tmp_path / "whole"), Run(tmp_path / "stopped")
    fit(make_method(), toy_store, whole, OPTIONS)
    per_epoch = read_metrics_log(whole.metrics_log)[0]["step"]
    method = make_method()
    step, calls = method.training_step, iter(range(per_epoch + 2))

    def training_step(batch: Batch, ranks: Ranks) -> dict[str, torch.Tensor]:
        if next(calls, None) is None:
            raise Interrupted
        return step(batch, ranks)

    monkeypatch.setattr(method, "training_step", training_step)
    with pytest.raises(Interrupted):
        fit(method, toy_store, stopped, OPTIONS)
    torch.manual_seed(99)
    fit(make_method(), toy_store, stopped, OPTIONS, resume=True)
    one, other = load_file(whole.weights), load_file(stopped.weights)
    assert set(one) == set(other)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    for epoch in (1, 2, 3):
        clusters = [np.load(run.assignments_of(epoch)) for run in (whole, stopped)]
        assert np.array_equal(*clusters)
        assert np.array_equal(clusters[0] >= 0, toy_store.foreground)


def test_agreement_with_the_epoch_before_is_logged_from_the_second_epoch_on(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    fit(make_method(), toy_store, Run(tmp_path), OPTIONS)
    first, *others = read_metrics_log(Run(tmp_path).metrics_log)
    assert "nmi_previous" not in first
    assert all(0 < record["nmi_previous"] <= 1 for record in others)
    assert all(len(record["occupancy"]) == 8 for record in (first, *others))


class Halted(DeepCluster):
    """Its second epoch has no gradient."""

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        plan = super().begin_epoch(epoch, ranks)
        self.halted, self.start = epoch == 1, self.head.weight.detach().clone()
        return plan

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, torch.Tensor]:
        terms = super().training_step(batch, ranks)
        return terms | {"loss": terms["loss"] * 0} if self.halted else terms


def test_the_momentum_of_an_old_top_layer_does_not_push_the_new_one(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path
) -> None:
    method = Halted(make_encoder(), 4, overclusters=8, dimensions=16)
    fit(method, toy_store, Run(tmp_path), replace(OPTIONS, epochs=2, weight_decay=0))
    assert torch.equal(method.head.weight, method.start)
