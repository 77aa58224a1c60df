"""The loop: it learns, logs, stops on nonsense, and goes on exactly where it stopped."""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from objdisc.errors import ObjdiscError, UsageError
from objdisc.io.run import Run
from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.models.origin import WeightsOrigin
from objdisc.patches.store import PatchStore
from objdisc.training.checkpoint import save_checkpoint
from objdisc.training.clock import Clock
from objdisc.training.optimization import make_optimizer, make_scheduler
from objdisc.training.options import TrainerOptions
from objdisc.training.resuming import check_checkpoint
from objdisc.training.trainer import fit
from objdisc.types import Batch

OPTIONS = TrainerOptions(epochs=3, batch_size=16, lr=3e-3, device="cpu", precision="fp32", workers=0)

MakeMethod = Callable[..., KMeansMemory]


@pytest.fixture
def make_method(make_encoder: Callable[[], Encoder]) -> MakeMethod:
    def make(**switches: Any) -> KMeansMemory:
        encoder = make_encoder()
        return KMeansMemory(encoder, 4, **{"embedding_dim": 8, "init_views": 2, "queue_size": 64} | switches)

    return make


def log_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.metrics_log.read_text(encoding="utf-8").splitlines()]


def weights_of(run: Run) -> dict[str, Tensor]:
    return load_file(run.weights)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return set(first) == set(second) and all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_loss_goes_down_and_the_log_says_so(make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path) -> None:
    run = Run(tmp_path)
    fit(make_method(count_weight=0.0), toy_store, run, replace(OPTIONS, epochs=8))
    records = log_of(run)
    losses = [record["loss"] for record in records]
    assert [record["epoch"] for record in records] == list(range(1, 9))
    assert losses[-1] < 0.8 * losses[0]
    assert records[-1]["foreground_accuracy"] > records[0]["foreground_accuracy"]
    per_epoch = records[0]["step"]
    assert [record["step"] for record in records] == [per_epoch * number for number in range(1, 9)]
    for record in records:
        assert sum(record["occupancy"]) == pytest.approx(1, abs=1e-5)
        assert 0 <= record["data_wait"] <= 1
        total = record["kmeans"] + record["foreground"]
        assert record["loss"] == pytest.approx(total, rel=1e-4)


def test_weights_on_disk_are_those_of_the_trained_method(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    method = make_method()
    fit(method, toy_store, Run(tmp_path), OPTIONS)
    assert same(weights_of(Run(tmp_path)), method.state_dict())


def test_the_same_seed_gives_the_same_weights_with_any_number_of_workers(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    for name, options in (
        ("one", OPTIONS),
        ("workers", replace(OPTIONS, workers=2)),
        ("other", replace(OPTIONS, seed=1)),
    ):
        fit(make_method(), toy_store, Run(tmp_path / name), options)
    assert same(weights_of(Run(tmp_path / "one")), weights_of(Run(tmp_path / "workers")))
    assert not same(weights_of(Run(tmp_path / "one")), weights_of(Run(tmp_path / "other")))


class Interrupted(Exception):
    """Stands in for the power cut."""


def stop_at(method: KMeansMemory, call: int) -> None:
    """Make the method's ``call``-th training step fail."""
    calls = iter(range(call))
    step = method.training_step

    def training_step(batch: Batch) -> dict[str, Tensor]:
        if next(calls, None) is None:
            raise Interrupted
        return step(batch)

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
            with pytest.raises(UsageError, match="holds what another training has learned"):
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
    with pytest.raises(UsageError, match=r"last\.pt: missing, so that this training cannot go on"):
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
    with pytest.raises(UsageError, match=r"last\.pt: of a training with other settings"):
        fit(make_method(embedding_dim=9), toy_store, run, OPTIONS, resume=True)
    (run.checkpoints / "last.pt").write_bytes(b"half a check")
    with pytest.raises(UsageError, match=r"last\.pt: not a checkpoint that can be read"):
        fit(make_method(), toy_store, run, OPTIONS, resume=True)


def test_a_loss_that_is_not_finite_names_epoch_step_and_term(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    method = make_method()
    step, calls = method.training_step, iter(range(100))

    def training_step(batch: Batch) -> dict[str, Tensor]:
        terms = step(batch)
        return terms | {"kmeans": terms["kmeans"] / 0, "loss": terms["loss"] * math.nan} if next(calls) == 4 else terms

    method.training_step = training_step  # type: ignore[method-assign]
    with pytest.raises(ObjdiscError, match=r"epoch 2, step 5: kmeans, loss is not finite; lower --lr") as caught:
        fit(method, toy_store, Run(tmp_path), OPTIONS)
    assert not isinstance(caught.value, UsageError)
    assert len(log_of(Run(tmp_path))) == 1


def test_a_collapsed_clustering_raises_the_alarm(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    method = make_method(init="random", projection="linear", count_weight=0.0, kmeans_weight=0.0)
    with torch.no_grad():
        method.memories[1:] = 40
    with caplog.at_level(logging.WARNING, logger="objdisc"):
        fit(method, toy_store, Run(tmp_path), replace(OPTIONS, epochs=1))
    assert "epoch 1: cluster 0 holds 100 % of the foreground: the clustering has collapsed" in caplog.text


def test_too_few_objects_are_found_before_anything_is_trained(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path
) -> None:
    clusters = int(toy_store.foreground.sum()) + 1
    with pytest.raises(UsageError, match=f"{clusters - 1} foreground patches are too few for {clusters} clusters"):
        fit(KMeansMemory(make_encoder(), clusters), toy_store, Run(tmp_path), OPTIONS)


def test_no_epochs_only_initialise(make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path) -> None:
    method = make_method()
    encoder = {name: value.clone() for name, value in method.encoder.state_dict().items()}
    fit(method, toy_store, Run(tmp_path), replace(OPTIONS, epochs=0))
    weights = weights_of(Run(tmp_path))
    assert bool(weights["initialised"])
    assert all(torch.equal(weights[f"encoder.{name}"], value) for name, value in encoder.items())


def test_two_accumulated_half_batches_step_like_one_batch(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path
) -> None:
    """With the encoder frozen and cross-entropy alone, means of halves are the mean of the whole (42 objects)."""
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    options = replace(OPTIONS, optimizer="sgd", lr=0.1, clip_norm=0.0, epochs=2, background_share=0.0)
    for run, changed in (
        (whole, replace(options, batch_size=14)),
        (halves, replace(options, batch_size=7, accumulation=2)),
    ):
        encoder = make_encoder()
        encoder.origin = WeightsOrigin("file", "some")
        torch.manual_seed(0)
        fit(KMeansBaseline(encoder, 3), toy_store, run, changed)
    first, second = weights_of(whole), weights_of(halves)
    assert [log_of(run)[-1]["step"] for run in (whole, halves)] == [6, 6]
    torch.testing.assert_close(first["head.weight"], second["head.weight"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(first["head.bias"], second["head.bias"], rtol=1e-4, atol=1e-6)


def test_an_epoch_leaves_no_gradient_over(make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path) -> None:
    """Three batches an epoch, two a step: the odd one makes a step of its own."""
    run = Run(tmp_path)
    method = make_method()
    fit(method, toy_store, run, replace(OPTIONS, accumulation=2))
    assert [record["step"] for record in log_of(run)] == [2, 4, 6]
    assert log_of(run)[-1]["lr"] == pytest.approx(0, abs=1e-12)
    assert all(parameter.grad is None for parameter in method.parameters())


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


class Minutes:
    """A clock that says that each epoch took a minute."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def read(self, clock: Clock) -> float:
        self.seconds += 60
        clock.spent = self.seconds
        return clock.spent


def test_a_budget_stops_after_the_epoch_in_which_it_ran_out(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = Minutes()
    monkeypatch.setattr(Clock, "read", lambda clock: minutes.read(clock))
    options = replace(OPTIONS, epochs=50, budget_minutes=3.5, warmup=0.0)
    fit(make_method(), toy_store, Run(tmp_path), options)
    assert [record["epoch"] for record in log_of(Run(tmp_path))] == [1, 2, 3, 4]
    assert log_of(Run(tmp_path))[-1]["lr"] < 0.05 * options.lr, "the cosine ends where the budget does"
    # a resume knows that nothing is left
    monkeypatch.undo()
    fit(make_method(), toy_store, Run(tmp_path), options, resume=True)
    assert len(log_of(Run(tmp_path))) == 4


def test_a_budget_that_is_not_spent_changes_no_weight(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    free, bound = Run(tmp_path / "free"), Run(tmp_path / "bound")
    assert fit(make_method(), toy_store, free, OPTIONS) > 0
    fit(make_method(), toy_store, bound, replace(OPTIONS, budget_minutes=600))
    assert same(weights_of(bound), weights_of(free))


def test_clipping_bounds_the_step(make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path) -> None:
    moved = {}
    for clip in (0.0, 1e-3):
        method = make_method(init="random", projection="linear")
        before = method.embedding.weight.detach().clone()
        options = replace(OPTIONS, optimizer="sgd", lr=1.0, momentum=0.0, weight_decay=0.0, epochs=1, clip_norm=clip)
        fit(method, toy_store, Run(tmp_path / str(clip)), replace(options, schedule="constant"))
        moved[clip] = float((method.embedding.weight.detach() - before).norm())
    assert moved[1e-3] <= 3 * 1e-3 + 1e-6
    assert moved[0.0] > 10 * moved[1e-3]


def test_an_absent_device_is_a_usage_error(make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--device tpu: not available here; there is cpu"):
        fit(make_method(), toy_store, Run(tmp_path), replace(OPTIONS, device="tpu"))
