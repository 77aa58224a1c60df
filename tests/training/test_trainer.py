"""The loop: it learns, logs, and stops on nonsense."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from objdisc.errors import ObjdiscError, UsageError
from objdisc.io.run import Run
from objdisc.methods.base import Ranks
from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.models.origin import WeightsOrigin
from objdisc.patches.store import PatchStore
from objdisc.training.trainer import fit
from objdisc.types import Batch

from .conftest import OPTIONS, MakeMethod, log_of, same, weights_of


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


def test_a_loss_that_is_not_finite_names_epoch_step_and_term(
    make_method: MakeMethod, toy_store: PatchStore, tmp_path: Path
) -> None:
    method = make_method()
    step, calls = method.training_step, iter(range(100))

    def training_step(batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        terms = step(batch, ranks)
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
