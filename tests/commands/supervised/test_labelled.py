"""What probe, finetune and overclustering share: splits, labels, and shares of them."""

from pathlib import Path

import numpy as np
import pytest

from objdisc.cli import main
from objdisc.commands.supervised.labelled import SupervisedOptions, class_numbers, open_labelled
from objdisc.errors import UsageError
from objdisc.pipeline.loading import LoadedRun, load_run

from ...support.shades import train_on_shades

HARDWARE = {"device": "cpu", "workers": 0}


@pytest.fixture(scope="module")
def two_splits(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    return load_run(train_on_shades(tmp_path_factory.mktemp("two"), splits={"train": 12, "test": 5}))


@pytest.fixture(scope="module")
def one_split(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    return load_run(train_on_shades(tmp_path_factory.mktemp("one"), splits={"train": 12}))


def test_labels_to_learn_from_are_those_of_the_training_split(two_splits: LoadedRun, tmp_path: Path) -> None:
    fitted, scored = open_labelled(two_splits, SupervisedOptions(**HARDWARE), tmp_path)  # type: ignore[arg-type]
    assert np.bincount(fitted.labels).tolist() == [12, 12, 12]
    assert np.bincount(scored.labels).tolist() == [5, 5, 5]
    assert fitted.class_names == {0: "dark", 1: "grey", 2: "light"}
    assert fitted.store is not scored.store


def test_smaller_shares_are_parts_of_larger_ones(two_splits: LoadedRun, tmp_path: Path) -> None:
    fitted, _ = open_labelled(two_splits, SupervisedOptions(**HARDWARE), tmp_path)  # type: ignore[arg-type]
    half, tenth = fitted.share(0.5, 0), fitted.share(0.1, 0)
    assert len(half.rows) == 18
    assert len(tenth.rows) == 4
    assert set(tenth.rows) < set(half.rows) < set(fitted.rows)
    with pytest.raises(UsageError, match="a share of labels of 0"):
        fitted.share(0, 0)


def test_of_one_split_a_part_is_held_out_or_nothing_is_read(one_split: LoadedRun, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"trained and scored on one split.*--held-out"):
        open_labelled(one_split, SupervisedOptions(**HARDWARE), tmp_path)  # type: ignore[arg-type]
    fitted, scored = open_labelled(one_split, SupervisedOptions(held_out=0.25, **HARDWARE), tmp_path)  # type: ignore[arg-type]
    assert len(scored.rows) == 9
    assert sorted([*fitted.rows, *scored.rows]) == list(range(36))


def test_without_labels_there_is_nothing_to_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train_on_shades(tmp_path, splits={"": 12})
    for command in ("probe", "finetune", "overclustering"):
        assert main([command, str(run), "--held-out", "0.2", "--device", "cpu", "--workers", "0"]) == 2
        assert "no ground truth was recognised beside the 36 images" in capsys.readouterr().err
        assert not list(run.glob(f"{command}/**/*.npy"))


def test_classes_are_numbered_and_a_class_that_was_never_learned_is_none() -> None:
    fitted, scored, count = class_numbers(np.array([7, 3, 7, 12]), np.array([12, 5, 3, 99, 0]))
    assert fitted.tolist() == [1, 0, 1, 2]
    assert scored.tolist() == [2, -1, 0, -1, -1]
    assert count == 3


@pytest.mark.parametrize("wrong", [{"held_out": 1.0}, {"held_out": -0.1}, {"seed": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        SupervisedOptions(**wrong)  # type: ignore[arg-type]
