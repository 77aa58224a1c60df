"""A small run with its report's data, and a real browser."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from objdisc.io.files import write_image
from objdisc.io.run import Run
from objdisc.report.gallery import ReportData, write_report
from objdisc.retrieval import rank
from objdisc.types import Patch, Region

from ..support.report_page import Opener

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Number of patches, names of frames
PatchMaker = Callable[[int, Sequence[str]], list[Patch]]

IDENTITY = "0123456789abcdef" * 2
FRAMES = ["street 1", "straße/ä 2", 'a "quoted" <script>alert(1)</script> name', "it's & more"]
HEIGHT, WIDTH = 120, 200  # pixels of a frame
PATIENCE = 120_000  # milliseconds: machines that run tests do other things too
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "a run")


@pytest.fixture(scope="session")
def make_patches() -> PatchMaker:
    """Give a function that cuts ``count`` regions, each an ellipse in its box, in turn out of frames."""
    return _make_patches


def _make_patches(count: int, names: Sequence[str]) -> list[Patch]:
    generator = np.random.default_rng(1)
    patches = []
    for row in range(count):
        x, y = int(generator.integers(0, WIDTH - 60)), int(generator.integers(0, HEIGHT - 40))
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        grid_y, grid_x = np.ogrid[:HEIGHT, :WIDTH]
        mask[((grid_x - x - 30) / 30) ** 2 + ((grid_y - y - 20) / 20) ** 2 <= 1] = 1
        encoded: Any = coco_mask.encode(np.asfortranarray(mask))
        counts = encoded["counts"].decode()
        region = Region((x, y, 60, 40), int(mask.sum()), {"size": [HEIGHT, WIDTH], "counts": counts})
        patches.append(Patch(names[row % len(names)], (x - 5, y - 15, 70), (HEIGHT, WIDTH), region))
    return patches


@pytest.fixture
def data(tmp_path: Path) -> ReportData:
    """Sixty patches of three clusters in four frames, whose names try every trick."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(3), 60).astype(np.float32)
    counts = {"car": [17, 1, 0], "person": [2, 15, 3]}
    paths = {name: tmp_path / "images" / f"{number}.png" for number, name in enumerate(FRAMES)}
    for path in paths.values():
        write_image(path, generator.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    return ReportData(
        command="objdisc discover toy",
        config="seed: 7\n",
        seed=7,
        seconds=61.4,
        provenance="objdisc 0.2.0 (commit 0123456), a processor",
        data_path=tmp_path / "images",
        trained_on="train, 12 images",
        scored_on="val, 6 images",
        supervision="none",
        objectness="instances",
        metrics={"nmi": 0.654321, "counts": counts, "baseline": {"nmi": 0.123456, "counts": counts}},
        identity=IDENTITY,
        clusters=rank(probabilities),
        images=generator.integers(0, 256, (60, 32, 32, 4), np.uint8),
        patches=_make_patches(60, FRAMES),
        assignments=probabilities.argmax(axis=1),
        confidence=probabilities.max(axis=1),
        features=generator.normal(size=(60, 5)).astype(np.float32),
        paths=paths,
        read_frame=lambda name: np.full((HEIGHT, WIDTH, 3), 90 + 40 * FRAMES.index(name), np.uint8),
        cluster_names={0: "car"},
    )


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Start the system's Chromium; skip where there is none, or no Playwright to drive it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra test)")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on the PATH; .ci/run installs it, or: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: "Browser", run: Run) -> Iterator[Opener]:
    """Give a function that opens the report; at the end nothing may have failed, and no request have left the page."""
    complaints: list[str] = []
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)

    def opened(data: ReportData | None = None, **settings: Any) -> "Page":
        if data is not None:
            write_report(run, data, [])
        page = browser.new_page(**settings) if settings else context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: None if _stays(request.url) else complaints.append(request.url))
        page.goto(run.report.as_uri())
        return page

    def _stays(url: str) -> bool:
        return url.startswith(("data:", "blob:")) or url.split("#")[0] == run.report.as_uri()

    yield opened
    context.close()
    assert complaints == []
