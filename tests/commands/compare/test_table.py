"""The table of a comparison: means with their spread, costs, and what failed."""

import csv
from pathlib import Path
from typing import Any

import cv2
import pytest

from objdisc.commands.compare.table import SCORES, Comparison, to_markdown, write_comparison
from objdisc.pipeline.planned import Outcome


def finished(name: str, seed: int, score: float, **more: Any) -> Outcome:
    scores = {measure.key: score for measure in SCORES}
    costs = {"training_seconds": 100 * score, "peak_mebibytes": 512.4, "device_peak_mebibytes": None}
    return Outcome(name, seed, scores | costs | {"encoder": "nin", "supervision": "none"} | more)


@pytest.fixture
def comparison() -> Comparison:
    outcomes = [
        finished("deep", 0, 0.5),
        finished("deep", 1, 0.7, encoder="lite0", supervision="ImageNet"),
        Outcome("deep", 2, {}, "failed: the loss is not finite"),
        finished("shallow", 0, 0.25, supervision="none (started from runs/a)"),
        Outcome("absent", 0, {}, "not run yet"),
    ]
    return Comparison("toy: 3 configs", ["shallow", "deep", "absent"], outcomes, ["K = 4.", "Budget: 1 minute."])


def table(markdown: str) -> list[list[str]]:
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_rows_follow_the_configs_with_mean_lowest_and_highest(comparison: Comparison) -> None:
    head, rule, *rows = table(to_markdown(comparison))
    assert head[:4] == ["config", "encoder", "runs", "accuracy"]
    assert "NMI, geometric" in head
    assert len({len(row) for row in (head, rule, *rows)}) == 1
    assert rows[0][:4] == ["shallow", "nin", "1", "0.250"]
    assert rows[1][:4] == ["deep", "lite0*, nin", "2 of 3", "0.600 (0.500–0.700)"]
    assert rows[1][head.index("training, s")] == "60 (50–70)"
    assert set(rows[2][3:]) == {"–"}
    assert "peak on the GPU, MiB" not in head, "no run used one"


def test_protocol_and_failures_stand_beside_the_table(comparison: Comparison) -> None:
    text = to_markdown(comparison)
    assert text.startswith("# toy: 3 configs\n")
    assert "- K = 4.\n- Budget: 1 minute.\n" in text
    assert "- deep, seed 2: failed: the loss is not finite\n- absent, seed 0: not run yet\n" in text


def test_files_hold_the_same_numbers_for_programs(comparison: Comparison, tmp_path: Path) -> None:
    write_comparison(comparison, tmp_path)
    with (tmp_path / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["config"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["shallow", "deep", "absent"]
    assert [float(rows["deep"][f"ari_{part}"]) for part in ("mean", "low", "high")] == [0.6, 0.5, 0.7]
    assert (rows["deep"]["runs"], rows["deep"]["without_result"], rows["absent"]["ari_mean"]) == ("2", "1", "")
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        runs = list(csv.DictReader(file))
    assert [(run["config"], run["seed"]) for run in runs] == [(run.name, str(run.seed)) for run in comparison.outcomes]
    assert runs[2]["failure"] == "failed: the loss is not finite"
    assert (tmp_path / "comparison.md").read_text(encoding="utf-8") == to_markdown(comparison)
    picture = cv2.imread(str(tmp_path / "comparison.png"))
    assert picture is not None
    assert picture.shape[1] > picture.shape[0]
