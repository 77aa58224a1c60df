"""What is suspicious of a run is said on the terminal and in the report; so is what its objectness was told."""

from pathlib import Path

import numpy as np
import pytest

from objdisc.imaging.masks import region_from_mask
from objdisc.io.run import Run
from objdisc.pipeline.summary import RunSummary
from objdisc.types import Region

from ..support.discoveries import SETTINGS, objdisc


def test_squares_are_told_on_the_terminal_and_in_the_report(
    toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "run")
    options = [*SETTINGS, "--objectness", "windows"]
    assert objdisc("discover", toy_city, *options, "--output-dir", run.path) == 0
    said = capsys.readouterr()
    assert "Regions do not follow objects: 100% are squares" in said.err
    assert "Where objects may be, told by windows, carries: none." in said.out
    assert "Regions do not follow objects" in run.report.read_text(encoding="utf-8")
    segment: list[str | Path] = ["segment", run.path, toy_city, "--device", "cpu", "--output-dir"]
    assert objdisc(*segment, tmp_path / "squares", "--objectness", "windows") == 0
    assert "Regions do not follow objects: 100% are squares" in capsys.readouterr().err
    assert objdisc(*segment, tmp_path / "masks", "--objectness", "instances") == 0
    assert "Regions do not follow objects" not in capsys.readouterr().err


def test_masks_are_supervision_of_the_objectness_alone(toy_city: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    assert objdisc("discover", toy_city, *SETTINGS, "--objectness", "instances", "--output-dir", run.path) == 0
    summary = RunSummary.read(run)
    assert summary is not None
    assert summary.objectness is not None
    assert summary.objectness.source == "instances"
    assert summary.objectness.supervision == "instance masks that the data has, without their classes"
    assert str(summary.weights) == "none"
    page = run.report.read_text(encoding="utf-8")
    assert "Regions do not follow objects" not in page
    assert "instances; supervision that this carries: instance masks" in page


def test_a_detectors_box_and_a_whole_image_are_no_mere_squares() -> None:
    assert Region((0, 0, 5, 5), 25).is_mere_square((8, 8))
    assert not Region((0, 0, 5, 5), 25).is_mere_square((5, 5))
    assert not Region((0, 0, 5, 6), 30).is_mere_square((8, 8))
    assert not region_from_mask(np.ones((5, 5), np.bool_)).is_mere_square((8, 8))
