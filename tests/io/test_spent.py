"""Seconds that several processes have spent on one thing add up."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from objdisc.io.spent import Spent, added_to

BUSY = "sum(number * number for number in range(3_000_000))"


def test_what_is_spent_adds_up_however_a_block_ends(tmp_path: Path) -> None:
    file = tmp_path / "spent.json"
    with added_to(file):
        sum(number * number for number in range(1_000_000))
    first = Spent.read(file)
    assert 0 < first.cpu_seconds < 60
    assert first.seconds > 0
    with suppress(KeyboardInterrupt), added_to(file):
        sum(number * number for number in range(1_000_000))
        raise KeyboardInterrupt
    assert Spent.read(file).cpu_seconds > first.cpu_seconds


def test_processes_that_were_started_count_once_they_have_ended(tmp_path: Path) -> None:
    began = Spent.now()
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    spent = Spent.now().since(began)
    assert spent.cpu_seconds > 0.02  # this process only waits
    total = Spent(1.0, 2.0) + spent
    assert total.cpu_seconds == pytest.approx(2.0 + spent.cpu_seconds)
    assert total.seconds == pytest.approx(1.0 + spent.seconds)


@pytest.mark.parametrize("text", ["", "[]", '{"seconds": "many"}', '{"seconds": null}'])
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spent.json"
    assert Spent.read(file) == Spent()
    file.write_text(text, encoding="utf-8")
    assert Spent.read(file) == Spent()
