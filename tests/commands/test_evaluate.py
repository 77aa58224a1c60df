"""Scoring a run: what is said before any work is done."""

from pathlib import Path

import pytest

from objdisc.io.run import Run
from objdisc.patches.store import PatchStore

from ..support.discoveries import objdisc


def test_that_there_is_no_ground_truth_is_said_before_a_patch_is_cut(
    finished: Run, holiday: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatchStore, "build", lambda *_, **__: pytest.fail("patches were cut"))
    assert objdisc("evaluate", finished.path, holiday, "--workers", "0", "--device", "cpu") == 2
    said = capsys.readouterr().err
    assert "no ground truth was recognised beside the 4 images" in said
    assert not (finished.path / "evaluate" / holiday.name).exists()
