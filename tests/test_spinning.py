"""Threads that wait for each other leave the core to others, unless the user says how they are to wait."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_how_long_threads_spin(given: dict[str, str], expected: str) -> None:
    known = {name: value for name, value in os.environ.items() if name not in {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}}
    program = "import os, objdisc; print(os.environ.get('GOMP_SPINCOUNT'))"
    said = subprocess.run(
        [sys.executable, "-c", program], env=known | given, capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == expected
