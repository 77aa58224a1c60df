"""What a command cost: its own time and memory, not those of whoever started it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MEBIBYTE = 1 << 20


def run_measured(file: Path, *argv: str) -> int:
    return subprocess.run([sys.executable, "-m", "objdisc.pipeline.measured", str(file), *argv], check=False).returncode


def numbers(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_exit_code_time_and_memory_are_noted(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    assert run_measured(file, "--version") == 0
    found = numbers(file)
    assert found["exit_code"] == 0
    assert 10 < found["peak_mebibytes"] < 2000
    assert 0 < found["cpu_seconds"] < 100
    assert found["device_peak_mebibytes"] is None
    assert run_measured(file, "no such command") == 2
    assert numbers(file)["exit_code"] == 2
    for cost in ("seconds", "cpu_seconds"):
        assert numbers(file)[cost] > found[cost], "the second attempt counts on"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a child starts at 0 in any case")
def test_the_peak_is_not_that_of_the_process_that_started_it(tmp_path: Path) -> None:
    held = bytearray(700 * MEBIBYTE)
    held[::4096] = b"x" * len(held[::4096])  # touch every page
    file = tmp_path / "measured.json"
    run_measured(file, "--version")
    assert numbers(file)["peak_mebibytes"] < 600
    assert held[0] == ord("x")


def test_the_peak_sees_what_was_freed_again() -> None:
    script = (
        "from objdisc.pipeline.measured import peak_memory\n"
        "before = peak_memory(); held = bytearray(b'x') * (300 << 20); del held\n"
        "assert peak_memory() - before > 250 << 20"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
