"""JULE end to end: both assignments are scored, and the finished run predicts them again for the training images."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from objdisc.cli import main

CONFIG = Path(__file__).parents[2] / "configs" / "usps_jule.yaml"


def test_both_assignments_are_scored_and_predicted_again_by_the_frozen_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in range(10):
        (tmp_path / "data" / str(kind)).mkdir(parents=True)
        pattern = rng.integers(0, 256, (16, 16))
        for number in range(12):
            noisy = np.clip(pattern + rng.normal(0, 60, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(tmp_path / "data" / str(kind) / f"{number}.png")
    run = tmp_path / "run"
    quick = ["--epochs", "2", "--batch-size", "32", "--workers", "0", "--device", "cpu", "--method.period-epochs", "1"]
    assert main(["discover", str(tmp_path / "data"), "--config", str(CONFIG), *quick, "--output-dir", str(run)]) == 0
    numbers = json.loads((run / "metrics.json").read_text())
    assert numbers["subheads"]["nmi_geometric"][0] == numbers["nmi_geometric"], "RC is the method's prediction"
    assert len(numbers["subheads"]["nmi_geometric"]) == len(numbers["subheads"]["ari"]) == 2
    assert main(["evaluate", str(run), "--workers", "0", "--device", "cpu", "--batch-size", "7"]) == 0
    (again,) = run.glob("evaluate/*/metrics.json")
    assert json.loads(again.read_text())["counts"] == numbers["counts"]
