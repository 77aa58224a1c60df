"""Training on a sample of the objects: as many are seen, a stopped training goes on exactly, and all are predicted."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from objdisc.inference.predict import predict
from objdisc.io.run import Run
from objdisc.methods.base import EpochPlan, Ranks
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.patches.memory import PatchArray
from objdisc.patches.sample import sampled_rows
from objdisc.patches.store import PatchStore
from objdisc.training.resuming import check_checkpoint
from objdisc.training.trainer import fit

from .conftest import OPTIONS, MakeMethod, same, weights_of

SAMPLED = replace(OPTIONS, max_objects=12, epochs=4, batch_size=8)


class Interrupted(Exception):
    """Stands in for the power cut."""


def watch(method: KMeansMemory, stop_in: int | None = None) -> list[int]:
    """Note how many objects the method is told of at the start of each epoch; one of them may be its last."""
    told, begin = list[int](), method.begin_epoch

    def begin_epoch(epoch: int, ranks: Ranks) -> EpochPlan:
        told.append(int(ranks.foreground.sum()))
        if epoch == stop_in:
            raise Interrupted
        return begin(epoch, ranks)

    method.begin_epoch = begin_epoch  # type: ignore[method-assign]
    return told


def test_as_many_objects_as_asked_for_are_trained_on_and_all_are_predicted(
    toy_store: PatchStore, make_method: MakeMethod, caplog: pytest.LogCaptureFixture
) -> None:
    there = int(toy_store.foreground.sum())
    assert there > SAMPLED.max_objects
    method = make_method()
    told = watch(method)
    with caplog.at_level(logging.INFO):
        fit(method, toy_store, None, SAMPLED)
    assert set(told) == {12}
    assert f"training on 12 of {there} objects (--max-objects); all get a prediction" in caplog.text
    assert len(predict(method, toy_store, SAMPLED).probabilities) == len(toy_store)


def test_a_stopped_training_on_a_sample_goes_on_exactly(
    toy_store: PatchStore, make_method: MakeMethod, tmp_path: Path
) -> None:
    whole, stopped, other = (Run(tmp_path / name) for name in ("whole", "stopped", "other"))
    fit(make_method(), toy_store, whole, SAMPLED)
    method = make_method()
    watch(method, stop_in=2)
    with pytest.raises(Interrupted):
        fit(method, toy_store, stopped, SAMPLED)
    check_checkpoint(make_method(), stopped, SAMPLED, 12)
    torch.manual_seed(99)
    fit(make_method(), toy_store, stopped, SAMPLED, resume=True)
    assert same(weights_of(whole), weights_of(stopped))
    fit(make_method(), toy_store, other, replace(SAMPLED, max_objects=0))
    assert not same(weights_of(whole), weights_of(other)), "the sample is no sample"


def test_the_sample_is_what_a_store_of_those_rows_alone_would_be(
    toy_store: PatchStore, make_method: MakeMethod, tmp_path: Path
) -> None:
    rows = sampled_rows(toy_store.foreground, 12, SAMPLED.seed)
    assert rows is not None
    alone = PatchArray(np.array(toy_store.images[rows]), toy_store.foreground[rows])
    one, other = Run(tmp_path / "one"), Run(tmp_path / "other")
    fit(make_method(), toy_store, one, SAMPLED)
    fit(make_method(), alone, other, replace(SAMPLED, max_objects=0))
    assert same(weights_of(one), weights_of(other))
