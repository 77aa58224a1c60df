"""The report: one file, everything in it, nothing of a name taken as markup."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from objdisc.report.gallery import ReportData, occupancy_warnings, write_report
from objdisc.retrieval import rank
from objdisc.run import Run, write_image

EVIL = """<script>alert("x")</script> 'ü' & co"""


class _Page(HTMLParser):
    """Collects what a browser would see: tags, attributes, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "data", "srcset"}]
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "a run")


@pytest.fixture
def data(tmp_path: Path) -> ReportData:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, 32, 32, 4), np.uint8)
    probabilities = generator.dirichlet(np.ones(3), 60).astype(np.float32)
    counts = {"car": [17, 1, 0], "person": [2, 15, 3]}
    return ReportData(
        command="objdisc discover toy",
        config="seed: 7\n",
        seed=7,
        seconds=61.4,
        data_path=tmp_path / "toy",
        trained_on="train, 12 images",
        scored_on="val, 6 images",
        supervision="none",
        objectness="instances",
        metrics={"nmi": 0.654321, "counts": counts, "baseline": {"nmi": 0.123456, "counts": counts}},
        clusters=rank(probabilities),
        images=images,
        confidence=probabilities.max(axis=1),
        cluster_names={0: "car"},
    )


def _read(run: Run, data: ReportData) -> _Page:
    write_report(run, data)
    return _Page(run.report.read_text(encoding="utf-8"))


def test_page_says_what_was_run_on_what_with_what_supervision(run: Run, data: ReportData) -> None:
    page = _read(run, replace(data, supervision="ImageNet-1k labels", warnings=["Collapse at epoch 3."]))
    expected = ["a run", data.command, "seed: 7", "61 s", str(data.data_path), data.trained_on, data.scored_on]
    for text in [*expected, "ImageNet-1k labels", "instances", "Collapse at epoch 3."]:
        assert text in page.text


def test_page_needs_nothing_beside_it(run: Run, data: ReportData) -> None:
    page = _read(run, data)
    assert page.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    html = run.report.read_text(encoding="utf-8")
    assert re.search(r"url\(|@import|https?://", html) is None
    assert "default-src 'none'" in html


def test_names_are_text_wherever_they_come_from(run: Run, data: ReportData, tmp_path: Path) -> None:
    frame = tmp_path / "frame.png"
    write_image(frame, np.zeros((20, 30, 3), np.uint8))
    page = _read(
        run,
        replace(
            data,
            command=EVIL + "1",
            config=EVIL + "2",
            data_path=Path(EVIL + "3"),
            metrics={"counts": {EVIL + "4": [1, 2, 3]}},
            cluster_names={1: EVIL + "5"},
            frames=[(EVIL + "6", frame)],
            warnings=[EVIL + "7"],
            skipped=[(Path("a"), EVIL + "8")],
            patch_names=dict.fromkeys(range(60), EVIL + "9"),
        ),
    )
    assert "script" not in page.tags
    for place in "12345678":
        assert EVIL + place in page.text
    assert sum(image.get("title") == EVIL + "9" for image in page.images) > 20


def test_table_stands_beside_the_baseline(run: Run, data: ReportData) -> None:
    page = _read(run, data)
    assert page.text.index("This run") < page.text.index("Baseline")
    assert "0.654" in page.text
    assert "0.123" in page.text
    assert "no class labels" not in page.text
    alone = _read(run, replace(data, metrics={"nmi": 0.5, "counts": {"car": [1, 2, 3]}}))
    assert "--baseline adds it" in alone.text


def test_without_labels_the_page_says_so(run: Run, data: ReportData) -> None:
    page = _read(run, replace(data, metrics={"num_patches": 60, "foreground_accuracy": 0.9}, cluster_names=None))
    assert "no class labels" in page.text
    assert "0.900" in page.text
    assert "This run" not in page.text


def test_numbers_that_are_missing_or_not_finite(run: Run, data: ReportData) -> None:
    page = _read(run, replace(data, metrics={"nmi": float("nan"), "ari": None, "counts": {}}))
    assert "–" in page.text
    assert "Adjusted Rand" not in page.text


def test_every_cluster_shows_confident_and_random_patches(run: Run, data: ReportData) -> None:
    page = _read(run, data)
    assert page.text.count("Most confident") == page.text.count("Drawn at random") == 3
    shown = sum(min(12, len(rows)) for cluster in data.clusters for rows in (cluster.confident, cluster.random))
    assert len(page.images) == shown


def test_curves_come_from_the_metrics_log(run: Run, data: ReportData) -> None:
    assert "No training was logged" in _read(run, data).text
    run.metrics_log.write_text("".join(json.dumps({"step": n, "loss": 4.0 - n}) + "\n" for n in range(3)))
    page = _read(run, data)
    assert page.tags.count("polyline") == 1
    assert "4.000 → 2.000" in page.text


def test_lost_overlays_and_skipped_images_are_named(run: Run, data: ReportData, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    (tmp_path / "empty.jpg").touch()
    names = ["gone.jpg", "broken.jpg", "empty.jpg"]
    skipped = [(Path(f"image {number}.png"), "truncated") for number in range(30)]
    page = _read(run, replace(data, frames=[(name, tmp_path / name) for name in names], skipped=skipped))
    for name in names:
        assert f"{tmp_path / name}: this overlay cannot be read" in page.text
    assert "30 images could not be read" in page.text
    assert "image 19.png: truncated" in page.text
    assert "and 10 more" in page.text


def test_empty_clusters_and_no_patches(run: Run, data: ReportData) -> None:
    probabilities = np.tile(np.array([1, 0, 0, 0], np.float32), (60, 1))
    page = _read(run, replace(data, clusters=rank(probabilities)))
    assert "3 of 4 clusters are empty (1, 2, 3)" in page.text
    assert "Cluster 0 holds 100% of all patches" in page.text
    nothing = _read(run, replace(data, clusters=rank(probabilities, np.zeros(60, bool)), metrics={}))
    assert "0 object patches in 4 clusters" in nothing.text


def test_occupancy_warnings_are_silent_on_balanced_clusters() -> None:
    assert occupancy_warnings([10, 12, 9]) == []
    assert occupancy_warnings([60, 40]) == []
    assert occupancy_warnings([]) == []
    assert len(occupancy_warnings([95, 5])) == 1


@pytest.mark.parametrize("num_clusters", [2, 40, 1000])
def test_page_stays_under_10_mb(run: Run, data: ReportData, tmp_path: Path, num_clusters: int) -> None:
    generator = np.random.default_rng(0)
    images = np.zeros((4000, 96, 96, 4), np.uint8)
    images[...] = generator.integers(0, 256, (4000, 12, 12, 4), np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    probabilities = generator.dirichlet(np.ones(num_clusters), 4000).astype(np.float32)
    frame = tmp_path / "frame.jpg"
    write_image(frame, generator.integers(0, 256, (128, 256, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1))
    page = replace(
        data,
        images=images,
        clusters=rank(probabilities),
        confidence=probabilities.max(axis=1),
        frames=[(f"frame {number}", frame) for number in range(500)],
    )
    write_report(run, page)
    assert run.report.stat().st_size < 10e6
