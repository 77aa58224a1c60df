"""A checkout with published figures, and runs that take no time."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ...support.planned import Discover
from ...support.published import COMMIT, Repository, Said, at


@pytest.fixture
def repository(tmp_path: Path, toy_city: Path) -> Repository:
    return Repository(tmp_path, toy_city)


@pytest.fixture
def discover(monkeypatch: pytest.MonkeyPatch) -> Discover:
    """Stand in for the processes, on a machine and at a commit that are known."""
    fake = Discover()
    monkeypatch.setattr("objdisc.pipeline.planned.subprocess", SimpleNamespace(run=fake))
    at(monkeypatch, COMMIT)
    return fake


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Give what was printed since the last call, spaces as one."""
    return lambda: " ".join(capsys.readouterr().out.split())
