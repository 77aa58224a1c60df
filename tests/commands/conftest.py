"""A finished run on the toy city, and a folder of images without labels."""

from pathlib import Path

import pytest
from PIL import Image

from objdisc.io.run import Run

from ..support.discoveries import SETTINGS, objdisc


@pytest.fixture(scope="session")
def finished(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a finished run with a baseline; tests only read it."""
    folder = tmp_path_factory.mktemp("runs") / "größe 1"
    assert objdisc("discover", toy_city, *SETTINGS, "--baseline", "--output-dir", folder) == 0
    return Run.open(folder)


@pytest.fixture
def holiday(tmp_path: Path, toy_city: Path) -> Path:
    """Unlabelled images of two sizes: grey, alpha, spaces and non-ASCII letters, and a broken one."""
    folder = tmp_path / "hölidays 2024"
    (folder / "day one").mkdir(parents=True)
    images = sorted(toy_city.rglob("*_leftImg8bit.png"))[:4]
    Image.open(images[0]).save(folder / "straße 1.png")
    Image.open(images[1]).convert("L").save(folder / "day one" / "grey.jpg")
    Image.open(images[2]).convert("RGBA").resize((200, 150)).save(folder / "day one" / "alpha.png")
    (folder / "broken.png").write_bytes(images[3].read_bytes()[:500])
    return folder
