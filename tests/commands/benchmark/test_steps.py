"""Training steps are timed against a bare loop: every stage of every config, and nothing is left behind."""

import json
from pathlib import Path

import pytest

from objdisc.cli import main
from objdisc.commands.benchmark.steps import steps

SMALL = {
    "encoder": "resnet18_3x3:4",
    "weights": "none",
    "patches": {"size": 16},
    "num_clusters": 2,
    "batch_size": 8,
    "precision": "fp32",
}


def config(folder: Path, method: str) -> Path:
    path = folder / f"toy_{method}.yaml"
    path.write_text(f"method: {method}\n", encoding="utf-8")
    return path


def test_a_step_takes_as_long_as_that_of_a_bare_loop_or_longer(toy_city: Path, tmp_path: Path) -> None:
    numbers = steps(toy_city, [config(tmp_path, "kmeans_memory")], SMALL, images=6, most=3, workers=0)
    assert set(numbers) == {
        f"toy_kmeans_memory_{what}"
        for what in ("step_seconds", "bare_seconds", "bare_to_step", "bare_to_step_processor")
    }
    ratio = numbers["toy_kmeans_memory_bare_seconds"] / numbers["toy_kmeans_memory_step_seconds"]
    assert numbers["toy_kmeans_memory_bare_to_step"] == pytest.approx(ratio)
    assert 0 < ratio < 1.5


@pytest.mark.slow
def test_every_stage_has_its_ratio(toy_city: Path, tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    settings = json.dumps(SMALL | {"objectness": "instances"})
    configs = ["--configs", str(config(tmp_path, "scan")), "--settings", settings]
    flags = ["--images", "6", "--steps", "2", "--workers", "1", "--output", str(file)]
    assert main(["benchmark", str(toy_city), *configs, *flags]) == 0
    numbers = json.loads(file.read_text(encoding="utf-8"))
    assert {name.rpartition("_bare_seconds")[0] for name in numbers if name.endswith("_bare_seconds")} == {
        f"toy_scan_{stage}" for stage in ("pretext", "scan", "selflabel")
    }
