"""The benchmark of graph degree linkage runs both clusterings on one graph and needs no data."""

from pathlib import Path

import pytest
import torch

from objdisc.cli import main
from objdisc.commands.benchmark import agglomerative as benchmark_agglomerative


def test_command_prints_times_their_ratio_and_the_peak(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(benchmark_agglomerative, "POINTS", 600)
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", "agglomerative"]) == 0
    printed = {name: float(value) for name, value in map(str.split, capsys.readouterr().out.splitlines())}
    assert printed["agglomerative_points"] == 600
    assert printed["agglomerative_peak_mebibytes"] > 50
    assert all(value >= 0 for value in printed.values())


def test_generated_points_have_unit_length_and_are_the_same_again() -> None:
    points = benchmark_agglomerative.generated_points(50)
    assert torch.equal(points, benchmark_agglomerative.generated_points(50))
    torch.testing.assert_close(points.norm(dim=1), torch.ones(50))
