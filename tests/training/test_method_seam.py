"""What the trainer gives to a method, and what it makes of what it gets back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.io.run import Run, read_metrics_log
from objdisc.methods.base import EpochPlan, Method, Ranks
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.encoding import StoreEncoder
from objdisc.training.engine import make_accelerator
from objdisc.training.options import TrainerOptions
from objdisc.training.ranks import TrainingRanks
from objdisc.training.trainer import fit
from objdisc.types import Batch, Prediction

from ..support.ranks import OneProcess

OPTIONS = TrainerOptions(epochs=3, batch_size=16, device="cpu", precision="fp32", workers=0, background_share=0.25)


class Interrupted(Exception):
    """Stands in for the power cut."""


class Witness(Method):
    """Learns nothing of use, and keeps what it was given."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, 3)
        self.weight = nn.Parameter(torch.ones(()))
        self.batches: list[Batch] = []
        self.drawn: list[float] = []
        self.steps_left = 1000

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        self.drawn.append(float(ranks.generator.random()))
        return EpochPlan()

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        if not self.steps_left:
            raise Interrupted
        self.steps_left -= 1
        self.batches.append(batch)
        return {"loss": self.weight.square(), "occupancy": clusters_in(batch)}

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        features: Tensor = self.encoder(images)
        return Prediction(torch.full((len(images), 3, 1, 1), 1 / 3), features)


class BackgroundWitness(Witness):
    wants_background = True


def clusters_in(batch: Batch) -> Tensor:
    """Count clusters that the row alone decides on, and that are not equally large."""
    return torch.bincount((batch.index % 7).clamp_max(2), minlength=3)


@pytest.fixture
def ranks(make_encoder: Callable[[], Encoder], toy_store: PatchStore) -> TrainingRanks:
    accelerator = make_accelerator("cpu", "fp32")
    return TrainingRanks(accelerator, StoreEncoder(toy_store, Witness(make_encoder()), accelerator, OPTIONS), seed=4)


def test_occupancy_is_logged_as_shares_of_all_batches(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path
) -> None:
    method = Witness(make_encoder())
    fit(method, toy_store, Run(tmp_path), replace(OPTIONS, epochs=1))
    counts = [clusters_in(batch) for batch in method.batches]
    assert len(counts) > 1
    total = torch.stack(counts).sum(dim=0)
    (record,) = read_metrics_log(Run(tmp_path).metrics_log)
    assert record["occupancy"] == pytest.approx((total / total.sum()).tolist())


@pytest.mark.parametrize("nothing", [{}, {"occupancy": torch.zeros(3)}])
def test_where_no_cluster_holds_anything_no_occupancy_is_logged(
    make_encoder: Callable[[], Encoder],
    toy_store: PatchStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nothing: dict[str, Tensor],
) -> None:
    method = Witness(make_encoder())
    monkeypatch.setattr(method, "training_step", lambda batch, ranks: {"loss": method.weight.square()} | nothing)
    fit(method, toy_store, Run(tmp_path), replace(OPTIONS, epochs=1))
    (record,) = read_metrics_log(Run(tmp_path).metrics_log)
    assert "occupancy" not in record


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_method_that_does_not_want_background_gets_none(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path, share: float
) -> None:
    method = Witness(make_encoder())
    fit(method, toy_store, Run(tmp_path), replace(OPTIONS, background_share=share))
    assert all(len(batch.foreground) == OPTIONS.batch_size for batch in method.batches)
    assert all(bool(batch.foreground.all()) for batch in method.batches)


def test_a_method_that_wants_background_gets_its_share(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path
) -> None:
    method = BackgroundWitness(make_encoder())
    fit(method, toy_store, Run(tmp_path), OPTIONS)
    assert {int((~batch.foreground).sum()) for batch in method.batches} == {OPTIONS.batch_size // 4}


def test_an_epoch_that_is_run_again_draws_the_same(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path
) -> None:
    whole, stopped, resumed = (Witness(make_encoder()) for _ in range(3))
    fit(whole, toy_store, Run(tmp_path / "whole"), OPTIONS)
    stopped.steps_left = len(whole.batches) // 3 + 1
    with pytest.raises(Interrupted):
        fit(stopped, toy_store, Run(tmp_path / "stopped"), OPTIONS)
    fit(resumed, toy_store, Run(tmp_path / "stopped"), OPTIONS, resume=True)
    assert len(set(whole.drawn)) == 3
    assert (stopped.drawn, resumed.drawn) == (whole.drawn[:2], whole.drawn[1:])


def test_run_and_epoch_alone_decide_on_the_generator(ranks: TrainingRanks) -> None:
    drawn: dict[int | None, list[float]] = {}
    for epoch in (None, 0, 1, 2, 3, 1, None):
        ranks.begin(epoch)
        found = ranks.generator.random(4).tolist()
        assert drawn.setdefault(epoch, found) == found
    assert len({tuple(found) for found in drawn.values()}) == 5


def test_in_one_process_gathering_and_adding_up_change_nothing(ranks: TrainingRanks) -> None:
    tensor = torch.randn(3, 2, requires_grad=True)
    assert ranks.world == 1
    assert ranks.gather(tensor) is tensor
    assert torch.equal(ranks.sum(tensor), tensor)


def test_ranks_know_which_rows_are_objects(ranks: TrainingRanks, toy_store: PatchStore) -> None:
    np.testing.assert_array_equal(ranks.foreground, toy_store.foreground)


def test_a_loss_that_no_weight_can_lower_is_refused(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Witness(make_encoder())
    monkeypatch.setattr(method, "training_step", lambda batch, ranks: {"loss": torch.ones(())})
    with pytest.raises(UsageError, match=r"Witness: the loss depends on no parameter that learns.*'trains = False'"):
        fit(method, toy_store, None, OPTIONS)


def test_a_class_that_trains_has_a_training_step(make_encoder: Callable[[], Encoder]) -> None:
    class Lazy(Method):
        def infer(self, images: Tensor, context: Tensor) -> Prediction:
            raise AssertionError

    class Resting(Lazy):
        trains = False

    with pytest.raises(UsageError, match="Lazy has no training_step: write one, or set 'trains = False' if"):
        Lazy(make_encoder(), 3)
    image, row = torch.zeros(1, 3, 8, 8), torch.zeros(1, dtype=torch.int64)
    with pytest.raises(NotImplementedError, match="Resting has no training_step"):
        Resting(make_encoder(), 3)(Batch((image,), row, row == 0, image), OneProcess())
