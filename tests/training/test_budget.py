"""A budget of minutes: it stops between epochs, and changes nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from objdisc.io.run import Run
from objdisc.patches.store import PatchStore
from objdisc.training.clock import Clock
from objdisc.training.trainer import fit

from .conftest import OPTIONS, MakeMethod, log_of, same, weights_of


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
