"""A project folder with data and a finished run, made from within."""

import os
import shutil
from pathlib import Path

import pytest

from objdisc.cli import main

from ..support.runs import QUICK


@pytest.fixture(scope="session")
def made(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with data and a finished run, made from within; tests take copies."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(toy_city, project / "city")
    before = Path.cwd()
    os.chdir(project)
    try:
        assert main(["discover", "city", *QUICK, "--output-dir", "run"]) == 0
    finally:
        os.chdir(before)
    return project


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of the project elsewhere: times are the same, the place is another."""
    folder = tmp_path / "moved"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder
