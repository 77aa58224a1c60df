"""The benchmark of normalised cuts runs both solvers on one graph and needs no data."""

from pathlib import Path

import pytest

from objdisc.cli import main
from objdisc.commands.benchmark import spectral as benchmark_spectral


def test_command_prints_times_their_ratio_and_that_both_give_the_same_masks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(benchmark_spectral, "SIDE", 16)
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", "spectral"]) == 0
    printed = {name: float(value) for name, value in map(str.split, capsys.readouterr().out.splitlines())}
    assert printed["spectral_tokens"] == 256
    assert printed["spectral_equal_masks"] == 1
    assert printed["spectral_times_faster"] > 0
