"""The command: a network trained further with shares of the labels, beside the same from random weights."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from objdisc.cli import main
from objdisc.commands.supervised.finetune import LabelledClassifier
from objdisc.models.encoder import Encoder
from objdisc.pipeline.loading import load_run
from objdisc.types import Batch

from ...support.ranks import OneProcess
from ...support.shades import QUICK, train_on_shades

HARDWARE = ["--device", "cpu", "--workers", "0", "--batch-size", "12"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_on_shades(tmp_path_factory.mktemp("finetune"), {"train": 12, "test": 5})


def test_each_share_has_its_row_and_the_run_stays_as_it_is(run: Path) -> None:
    before = load_file(run / "weights.safetensors")
    arguments = ["--shares", "1,0.25", "--epochs", "20", "--encoder-lr-scale", "1", *HARDWARE]
    assert main(["finetune", str(run), *arguments]) == 0
    with (run.with_name("run_finetune") / "finetune.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["share"], row["labelled"]) for row in rows] == [("1.0", "36"), ("0.25", "9")]
    assert float(rows[0]["accuracy"]) > 0.9
    assert all(0 <= float(row["accuracy_random"]) <= 1 for row in rows)
    assert "random weights" in (run.with_name("run_finetune") / "finetune.svg").read_text(encoding="utf-8")
    after = load_file(run / "weights.safetensors")
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    trained = load_file(run.with_name("run_finetune") / "share_1" / "weights.safetensors")
    moved = [name for name in trained if name.startswith("encoder.") and not torch.equal(trained[name], after[name])]
    assert moved


def test_a_scale_of_0_leaves_the_network_as_it_is(run: Path, tmp_path: Path) -> None:
    arguments = ["--shares", "1", "--epochs", "1", "--encoder-lr-scale", "0", "--random", "false", *HARDWARE]
    assert main(["finetune", str(run), *arguments, "--output-dir", str(tmp_path)]) == 0
    before, after = load_file(run / "weights.safetensors"), load_file(tmp_path / "share_1" / "weights.safetensors")
    weights = [name for name in after if name.startswith("encoder.") and name.endswith("weight")]
    assert weights
    assert all(torch.equal(after[name], before[name]) for name in weights)


def test_one_split_alone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train_on_shades(tmp_path, {"train": 4})
    assert main(["finetune", str(run), *HARDWARE]) == 2
    assert "the evaluation needs labels of another" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--hidden", "-1"], ["--encoder-lr-scale", "-1"], ["--shares", "0"]])
def test_settings_that_make_no_sense_are_refused(run: Path, wrong: list[str]) -> None:
    assert main(["finetune", str(run), *wrong, *HARDWARE]) == 2


def test_labels_that_are_all_of_one_class_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", str(run), "--shares", "0.01", *HARDWARE]) == 2
    assert "1 labelled patches hold a single class" in capsys.readouterr().err


@pytest.fixture
def classifier() -> LabelledClassifier:
    rows, labels = np.array([2, 5, 6]), np.array([1, 0, 1])
    return LabelledClassifier(
        Encoder(nn.Flatten(), 12),
        2,
        rows=rows,
        labels=labels,
        num_drawn=8,
        prepare=lambda images, training: images * (2 if training else 1),
        hidden=4,
    )


def test_only_labelled_rows_are_drawn_and_all_equally_often(classifier: LabelledClassifier) -> None:
    drawn = classifier.begin_epoch(0, OneProcess()).rows
    assert drawn is not None
    counts = np.bincount(drawn.numpy(), minlength=7)
    assert len(drawn) == 8
    assert set(drawn.tolist()) == {2, 5, 6}
    assert counts[[2, 5, 6]].min() >= 2


def test_loss_is_the_cross_entropy_with_the_classes_of_what_the_network_is_given(
    classifier: LabelledClassifier,
) -> None:
    images = torch.randn(3, 3, 2, 2)
    batch = Batch((images,), torch.tensor([5, 6, 2]), torch.ones(3, dtype=torch.bool), images)
    expected = F.cross_entropy(classifier.head(images.flatten(1) * 2), torch.tensor([0, 1, 1]))
    torch.testing.assert_close(classifier.training_step(batch, OneProcess())["loss"], expected)
    classifier.eval()
    expected = torch.softmax(classifier.head(images.flatten(1)), 1)
    torch.testing.assert_close(classifier.infer(images, images).probabilities[:, :, 0, 0], expected)


@pytest.mark.parametrize("source", ["random", "file"])
@pytest.mark.parametrize("started", [False, True])
def test_the_network_learns_whatever_its_run_held_fast(tmp_path: Path, source: str, started: bool) -> None:
    """The memory keeps a pretrained encoder as it is; a run that was started from another has such a one, too."""
    first = train_on_shades(tmp_path / "first", {"train": 12, "test": 5})
    more = ["--method", "kmeans_memory", "--method.freeze", "encoder", "--method.embedding_dim", "4"]
    more = [*more, "--background-share", "0.5", "--method.init", "random", "--method.projection", "linear"]
    if source == "file":
        state = load_file(first / "weights.safetensors")
        body = {name[13:]: value for name, value in state.items() if name.startswith("encoder.body.")}
        save_file(body, tmp_path / "w.safetensors")
        more += ["--weights", str(tmp_path / "w.safetensors")]
    more += ["--init-from", str(first)] if started else []
    words = [word for word in QUICK if word not in {"--method", "deepcluster", "--method.overclusters", "8"}]
    run = tmp_path / "run"
    words = [str(tmp_path / "first/shades"), *words, "--split", "test", *more]
    assert main(["train", *words, "--output-dir", str(run)]) == 0
    origin = load_run(run).method.encoder.origin
    assert (origin.source, origin.init_from) == (source, str(first) if started else None)
    arguments = ["--shares", "1", "--epochs", "1", "--encoder-lr-scale", "1", "--random", "false", *HARDWARE]
    assert main(["finetune", str(run), *arguments]) == 0
    before = load_file(run / "weights.safetensors")
    after = load_file(tmp_path / "run_finetune" / "share_1" / "weights.safetensors")
    weights = [name for name in after if name.startswith("encoder.") and name.endswith("weight")]
    assert weights
    assert not all(torch.equal(after[name], before[name]) for name in weights)
