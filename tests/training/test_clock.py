"""The clock of a training: it counts on after an interruption, and says when a budget is spent."""

import time

import pytest
from accelerate import Accelerator

from objdisc.training.clock import Clock


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stand in for the machine's clock: its last entry is the time."""
    times = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: times[-1])
    return times


def test_it_counts_on_from_what_was_spent_before_an_interruption(at: list[float]) -> None:
    clock = Clock(Accelerator(cpu=True), budget_minutes=2, spent=100)
    at.append(1019.0)
    assert clock.read() == 119
    assert not clock.over
    at.append(1020.0)
    assert not clock.over, "it is over when it is read"
    clock.read()
    assert clock.over


def test_without_a_budget_it_is_never_over(at: list[float]) -> None:
    clock = Clock(Accelerator(cpu=True))
    at.append(1e9)
    clock.read()
    assert not clock.over
    assert clock.expected_steps(10, 500) == 500


def test_the_expected_steps_are_those_that_the_budget_has_time_for(at: list[float]) -> None:
    clock = Clock(Accelerator(cpu=True), budget_minutes=10)
    assert clock.expected_steps(0, 500) == 500, "there is no speed yet"
    at.append(1060.0)
    clock.read()
    assert clock.expected_steps(7, 500) == 70
    assert clock.expected_steps(7, 60) == 60, "epochs end it first"
