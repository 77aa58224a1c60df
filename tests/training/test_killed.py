"""A training that the system kills, and goes on: the same weights, bit for bit, as one that nobody stopped."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from objdisc.cli import main

SETTINGS = [
    *("--encoder", "nin", "--weights", "none", "--patches.size", "32", "--epochs", "5", "--batch-size", "16"),
    *("--workers", "0", "--device", "cpu", "--num-clusters", "4"),
]
PATIENCE = 300  # seconds


def killed_after_first_checkpoint(command: list[str], run: Path) -> int:
    """Start a process, kill it as soon as the run has a checkpoint, and return how it ended."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while not (run / "checkpoints/last.pt").is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    return process.wait()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_weights_of_one_that_never_stopped(toy_city: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = ["train", str(toy_city), *SETTINGS, "--output-dir"]
    assert main([*arguments, str(whole)]) == 0
    program = "import sys; from objdisc.cli import main; sys.exit(main(sys.argv[1:]))"
    assert (
        killed_after_first_checkpoint([sys.executable, "-c", program, *arguments, str(killed)], killed)
        == -signal.SIGKILL
    )
    assert not (killed / "weights.safetensors").exists()
    assert main(["train", "--resume", str(killed)]) == 0
    assert (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    lines = [json.loads(line) for line in (killed / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]
