"""Small discoveries with a command line, and what their folders hold."""

import json
from pathlib import Path

from safetensors.numpy import load_file

from objdisc.cli import main
from objdisc.io.run import Run

SMALL = [
    "--encoder",
    "resnet18_3x3:8,2",
    "--weights",
    "none",
    "--patches.size",
    "32",
    "--epochs",
    "1",
    "--batch-size",
    "32",
    "--workers",
    "0",
    "--device",
    "cpu",
]

SETTINGS = [*SMALL, "--num-clusters", "4"]


def objdisc(*argv: str | Path) -> int:
    return main([str(word) for word in argv])


def numbers_of(run: Run) -> dict[str, object]:
    found = json.loads(run.metrics.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def weights_of(folder: Path) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in load_file(folder / "weights.safetensors").items()}


def pictures_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}
