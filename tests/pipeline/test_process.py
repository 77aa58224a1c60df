"""Threads that wait leave the core to others, unless the user says how; importing objdisc sets nothing."""

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
    known |= given
    assert said_by("import os, objdisc; print(os.environ.get('GOMP_SPINCOUNT'))", known) == str(
        given.get("GOMP_SPINCOUNT")
    )
    program = (
        "import os; from objdisc.cli import main; main(['doctor', '--no']); print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    assert said_by(program, known) == expected


def said_by(program: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()
