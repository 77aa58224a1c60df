"""Indexes of annotations lie in a folder of the tests."""

from pathlib import Path

import pytest

from objdisc.annotations import index


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of indexes."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(index, "CACHE", folder)
    return folder
