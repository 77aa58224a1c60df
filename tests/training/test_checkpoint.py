"""Training state on disk: whole, plain data, and clear about what is wrong with it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from objdisc.errors import UsageError
from objdisc.io.run import Run
from objdisc.training.checkpoint import (
    load_checkpoint,
    restore,
    save_checkpoint,
    save_weights,
)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    run = Run(tmp_path / "größe 1")
    save_checkpoint(run, {"epoch": 3, "method": {"w": torch.arange(4)}})
    state = load_checkpoint(run)
    assert state is not None
    assert state["epoch"] == 3
    assert state["method"]["w"].tolist() == [0, 1, 2, 3]
    assert [path.name for path in run.checkpoints.iterdir()] == ["last.pt"]


def test_a_run_without_checkpoint_has_none(tmp_path: Path) -> None:
    assert load_checkpoint(Run(tmp_path)) is None


@pytest.mark.parametrize("keep", [0, 100, 900])
def test_a_damaged_checkpoint_is_a_clear_error(tmp_path: Path, keep: int) -> None:
    run = Run(tmp_path)
    save_checkpoint(run, {"method": {"w": torch.zeros(500)}})
    file = run.checkpoints / "last.pt"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"last\.pt: .*delete it to train from the start"):
        load_checkpoint(run)


class Payload:
    """A pickle that makes a file when it is loaded with code execution."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_a_checkpoint_with_code_in_it_is_refused_and_not_executed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.checkpoints.mkdir()
    torch.save({"epoch": Payload(tmp_path / "executed")}, run.checkpoints / "last.pt")
    with pytest.raises(UsageError, match=r"last\.pt"):
        load_checkpoint(run)
    assert not (tmp_path / "executed").exists()


def test_restore_returns_where_training_stopped(tmp_path: Path) -> None:
    saved, fresh = nn.Linear(2, 3), nn.Linear(2, 3)
    state = {"epoch": 2, "step": 9, "method": saved.state_dict()}
    assert restore(Run(tmp_path), state, {"method": fresh}) == (2, 9)
    assert torch.equal(fresh.weight, saved.weight)


@pytest.mark.parametrize("state", [{"epoch": 1, "step": 1, "method": nn.Linear(2, 4).state_dict()}, {"epoch": 1}, {}])
def test_the_checkpoint_of_another_training_is_a_clear_error(tmp_path: Path, state: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"last\.pt: from a training with other settings"):
        restore(Run(tmp_path), state, {"method": nn.Linear(2, 3)})


def test_weights_hold_all_parameters_and_buffers(tmp_path: Path) -> None:
    run, module = (
        Run(tmp_path),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last),
    )
    save_weights(run, module)
    loaded = load_file(run.weights)
    assert set(loaded) == set(module.state_dict())
    assert all(torch.equal(loaded[name], value) for name, value in module.state_dict().items())
