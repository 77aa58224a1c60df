"""A training that was stopped goes on exactly where it stopped, and none destroys what another has learned."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from objdisc.errors import UsageError
from objdisc.io.run import Run
from objdisc.methods.base import Ranks
from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.checkpoint import save_checkpoint
from objdisc.training.resuming import check_checkpoint
from objdisc.training.trainer import fit
from objdisc.types import Batch

from .conftest import OPTIONS, MakeMethod, log_of, same, weights_of


class Interrupted(Exception):
    """Stands in for the power cut."""


def stop_at(method: KMeansMemory, call: int) -> None:
    """Make the method's ``call``-th training step fail."""
    calls = iter(range(call))
    step = method.training_step

    def training_step(batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        if next(calls, None) is None:
            raise Interrupted
        return step(batch, ranks)

    method.training_step = training_step  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"optimizer": "sgd"},
        {"optimizer": "rmsprop", "eps": 1.0, "schedule": "constant"},
        {"accumulation": 2},
        {"precision": "bf16"},
    ],
)
@pytest.mark.parametrize("agreement", [0.0, 1.0])
def test_a_training_that_was_stopped_in_an_epoch_and_resumed_ends_bit_identical(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path, changed: dict[str, Any], agreement: float
) -> None:
    options = replace(OPTIONS, epochs=4, **changed)
    whole, stopped = Run(tmp_path / "whole"), Run(tmp_path / "stopped")
    fit(make_method(agreement_weight=agreement), toy_store, whole, options)
    method = make_method(agreement_weight=agreement)
    stop_at(method, call=8)
    with pytest.raises(Interrupted):
        fit(method, toy_store, stopped, options)
    assert 1 <= len(log_of(stopped)) < 4
    assert not stopped.weights.exists()
    torch.manual_seed(99)
    fit(make_method(agreement_weight=agreement), toy_store, stopped, options, resume=True)
    assert same(weights_of(stopped), weights_of(whole))
    terms = [{k: v for k, v in record.items() if k not in {"seconds", "data_wait"}} for record in log_of(stopped)]
    assert terms == [{k: v for k, v in record.items() if k not in {"seconds", "data_wait"}} for record in log_of(whole)]


def test_lines_logged_after_the_checkpoint_are_not_there_twice_after_a_resume(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the log's line of epoch 2 and its checkpoint, and while a line was being written."""
    run = Run(tmp_path)
    saves = iter([True, False])

    def save_once(run: Run, state: dict[str, Any]) -> None:
        if not next(saves):
            raise Interrupted
        save_checkpoint(run, state)

    with monkeypatch.context() as patched:
        patched.setattr("objdisc.training.trainer.save_checkpoint", save_once)
        with pytest.raises(Interrupted):
            fit(make_method(), toy_store, run, OPTIONS)
    assert len(log_of(run)) == 2
    with run.metrics_log.open("a", encoding="utf-8") as file:
        file.write('{"epoch": 3, "st')
    fit(make_method(), toy_store, run, OPTIONS, resume=True)
    assert [record["epoch"] for record in log_of(run)] == [1, 2, 3]


def test_resuming_a_finished_training_changes_nothing(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    run = Run(tmp_path)
    fit(make_method(), toy_store, run, OPTIONS)
    weights, log = run.weights.read_bytes(), run.metrics_log.read_bytes()
    fit(make_method(), toy_store, run, OPTIONS, resume=True)
    assert (run.weights.read_bytes(), run.metrics_log.read_bytes()) == (weights, log)


def test_a_new_training_does_not_touch_what_an_old_one_has_learned(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    run = Run(tmp_path)
    fit(make_method(), toy_store, run, OPTIONS)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for lost in (None, run.weights, run.last_checkpoint):
        if lost is not None:
            lost.unlink()
            del before[lost]
        if run.has_learned:
            with pytest.raises(UsageError, match="holds the results of another training"):
                fit(make_method(), toy_store, run, replace(OPTIONS, seed=5))
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_training_that_has_ended_needs_no_checkpoint_to_be_taken_up(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    run = Run(tmp_path)
    seconds = fit(make_method(), toy_store, run, OPTIONS)
    run.last_checkpoint.unlink()
    before, method = weights_of(run), make_method()
    assert 0 < fit(method, toy_store, run, OPTIONS, resume=True) <= seconds
    assert same(before, weights_of(run))
    assert all(torch.equal(value.cpu(), before[name]) for name, value in method.state_dict().items())
    longer = replace(OPTIONS, epochs=OPTIONS.epochs + 1)
    with pytest.raises(UsageError, match=r"last\.pt: missing, so this training cannot be continued"):
        check_checkpoint(make_method(), run, longer, len(toy_store))
    assert same(before, weights_of(run))


def test_the_baseline_resumes_too(make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path) -> None:
    whole, stopped = Run(tmp_path / "whole"), Run(tmp_path / "stopped")
    fit(KMeansBaseline(make_encoder(), 3), toy_store, whole, OPTIONS)
    fit(KMeansBaseline(make_encoder(), 3), toy_store, stopped, OPTIONS)
    stopped.weights.unlink()
    fit(KMeansBaseline(make_encoder(), 3), toy_store, stopped, OPTIONS, resume=True)
    assert same(weights_of(stopped), weights_of(whole))
    assert float(weights_of(whole)["centroids"].abs().sum()) > 0


def test_a_damaged_checkpoint_and_one_of_other_settings_are_usage_errors(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    run = Run(tmp_path)
    fit(make_method(), toy_store, run, replace(OPTIONS, epochs=1))
    with pytest.raises(UsageError, match=r"last\.pt: from a training with other settings"):
        fit(make_method(embedding_dim=9), toy_store, run, OPTIONS, resume=True)
    (run.checkpoints / "last.pt").write_bytes(b"half a check")
    with pytest.raises(UsageError, match=r"last\.pt: not a checkpoint that can be read"):
        fit(make_method(), toy_store, run, OPTIONS, resume=True)
