"""Starting from another run: what is taken over, when, and what does not fit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from objdisc.errors import UsageError
from objdisc.io.run import Run
from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit

OPTIONS = TrainerOptions(epochs=2, batch_size=16, lr=3e-3, device="cpu", precision="fp32", workers=0)

MakeEncoder = Callable[[], Encoder]


def random_method(make_encoder: MakeEncoder, clusters: int = 3) -> KMeansBaseline:
    """Build a method whose every weight differs from any other's."""
    method = KMeansBaseline(make_encoder(), clusters)
    torch.manual_seed(int(torch.seed()) % 1000)
    for parameter in method.parameters():
        nn.init.normal_(parameter)
    return method


@pytest.fixture
def start(make_encoder: MakeEncoder, toy_store: PatchStore, tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "start")
    fit(KMeansBaseline(make_encoder(), 3), toy_store, run, OPTIONS)
    return run


def test_a_training_of_no_epoch_ends_with_the_encoder_it_started_from(
    start: Run, make_encoder: MakeEncoder, toy_store: PatchStore, tmp_path: Path
) -> None:
    """Five clusters instead of three: the centroids have another shape and stay one's own."""
    run, method = Run(tmp_path / "run"), random_method(make_encoder, clusters=5)
    fit(method, toy_store, run, replace(OPTIONS, epochs=0), init_from=start)
    theirs, ours = load_file(start.weights), load_file(run.weights)
    for name, value in theirs.items():
        assert (name == "centroids") != torch.equal(value, ours[name]) if value.shape == ours[name].shape else True
    assert ours["centroids"].shape[0] == 5


class Untrained(KMeansBaseline):
    """Has nothing to learn step by step."""

    trains = False


def test_a_method_that_learns_nothing_clusters_what_the_start_sees(
    start: Run, make_encoder: MakeEncoder, toy_store: PatchStore, tmp_path: Path
) -> None:
    method = Untrained(make_encoder(), 3)
    fit(method, toy_store, Run(tmp_path / "run"), OPTIONS, init_from=start)
    theirs = load_file(start.weights)
    assert all(torch.equal(value, theirs[f"encoder.{name}"]) for name, value in method.encoder.state_dict().items())
    torch.testing.assert_close(method.centroids, theirs["centroids"])


def test_a_resume_goes_on_from_its_checkpoint_and_no_longer_needs_the_start(
    start: Run, make_encoder: MakeEncoder, toy_store: PatchStore, tmp_path: Path
) -> None:
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    constant = replace(OPTIONS, schedule="constant")
    fit(random_method(make_encoder), toy_store, whole, constant, init_from=start)
    fit(random_method(make_encoder), toy_store, halves, replace(constant, epochs=1), init_from=start)
    start.weights.unlink()
    fit(random_method(make_encoder), toy_store, halves, constant, init_from=start, resume=True)
    first, second = load_file(whole.weights), load_file(halves.weights)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_encoder_is_named_with_what_differs(start: Run, toy_store: PatchStore, tmp_path: Path) -> None:
    wider = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(UsageError, match=r"--init-from .*start: its encoder is another one: 2 tensors differ, first "):
        fit(KMeansBaseline(Encoder(wider, 8), 3), toy_store, Run(tmp_path / "run"), OPTIONS, init_from=start)


def test_a_run_without_weights_and_one_with_broken_ones_are_usage_errors(
    start: Run, make_encoder: MakeEncoder, toy_store: PatchStore, tmp_path: Path
) -> None:
    start.weights.write_bytes(b"half")
    with pytest.raises(UsageError, match=r"weights\.safetensors cannot be read; train that run again"):
        fit(random_method(make_encoder), toy_store, Run(tmp_path / "run"), OPTIONS, init_from=start)
    start.weights.unlink()
    with pytest.raises(UsageError, match=r"no finished run, weights\.safetensors is missing"):
        fit(random_method(make_encoder), toy_store, Run(tmp_path / "run"), OPTIONS, init_from=start)
    save_file({"other": torch.zeros(2)}, start.weights)
    with pytest.raises(UsageError, match="its encoder is another one"):
        fit(random_method(make_encoder), toy_store, Run(tmp_path / "run"), OPTIONS, init_from=start)
