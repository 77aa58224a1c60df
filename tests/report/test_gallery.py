"""The report: one file, everything in it, nothing of a name taken as markup."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.errors import UnreadableImageError
from objdisc.io.run import Run, read_metrics_log
from objdisc.report.gallery import ReportData, write_report
from objdisc.retrieval import rank
from objdisc.types import Patch

EVIL = """<script>alert("x")</script> 'ü' & co"""


class _Page(HTMLParser):
    """Collects what a browser would see: tags, attributes, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.text = ""
        self.facts: dict[str, Any] = {}
        self._in_facts = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "data", "srcset"}]
        if tag == "img":
            self.images.append(dict(attrs))
        self._in_facts = tag == "script" and ("id", "facts") in attrs

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_facts and not self.facts:
            self.facts = json.loads(data)


def _read(run: Run, data: ReportData) -> _Page:
    write_report(run, data, read_metrics_log(run.metrics_log))
    return _Page(run.report.read_text(encoding="utf-8"))


def test_page_says_what_was_run_on_what_with_what_supervision(run: Run, data: ReportData) -> None:
    page = _read(run, replace(data, supervision="ImageNet-1k labels", warnings=["Collapse at epoch 3."]))
    expected = [
        "a run",
        data.command,
        "seed: 7",
        "61 s",
        data.provenance,
        str(data.data_path),
        data.trained_on,
        data.scored_on,
    ]
    for text in [*expected, data.provenance, "ImageNet-1k labels", "instances", "Collapse at epoch 3."]:
        assert text in page.text


def test_page_needs_nothing_beside_it(run: Run, data: ReportData) -> None:
    page = _read(run, data)
    outside = [link for link in page.links if not link.startswith("#")]
    assert outside
    assert all(link.startswith("data:image/jpeg;base64,") for link in outside)
    assert not {"link", "iframe", "object"} & set(page.tags)
    html = run.report.read_text(encoding="utf-8")
    assert re.search(r"url\(|@import|https?://(?!www.w3.org/2000/svg)", html) is None


def test_policy_allows_the_one_script_and_nothing_else(run: Run, data: ReportData) -> None:
    write_report(run, data, read_metrics_log(run.metrics_log))
    html = run.report.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"
    assert "innerHTML" not in script


def test_names_are_text_wherever_they_come_from(run: Run, data: ReportData) -> None:
    patches = [replace(patch, sample=EVIL + "6") for patch in data.patches]
    page = _read(
        run,
        replace(
            data,
            command=EVIL + "1",
            config=EVIL + "2",
            data_path=Path(EVIL + "3"),
            metrics={"counts": {EVIL + "4": [1, 2, 3]}},
            cluster_names={1: EVIL + "5"},
            patches=patches,
            paths={EVIL + "6": Path(EVIL)},
            read_frame=lambda _: np.zeros((20, 30, 3), np.uint8),
            warnings=[EVIL + "7"],
            skipped=[(Path("a"), EVIL + "8")],
        ),
    )
    assert page.tags.count("script") == 2
    for place in "12345678":
        assert EVIL + place in page.text
    assert sum(image.get("alt") == f"patch of {EVIL}6" for image in page.images) > 20
    assert page.facts["patches"].popitem()[1]["sample"] == EVIL + "6"


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


def test_every_cluster_shows_confident_random_and_uncertain_patches(run: Run, data: ReportData) -> None:
    page = _read(run, data)
    for heading in ("Most confident", "Drawn at random", "Least certain"):
        assert page.text.count(heading) == 3
    kinds = ((cluster.confident, cluster.random, cluster.uncertain) for cluster in data.clusters)
    shown = sum(min(12, len(rows)) for cluster in kinds for rows in cluster)
    assert sum("patch of" in (image.get("alt") or "") for image in page.images) == shown


def test_every_cluster_names_its_nearest_with_the_distance(run: Run, data: ReportData) -> None:
    features = np.zeros((60, 2), np.float32)
    features[:, 0] = np.array([0, 3, 10])[data.assignments]
    page = _read(run, replace(data, features=features))
    cards = re.split(r"\bCluster \d", page.text)[-3:]
    found = [re.findall(r"nearest:\s+(\d)\s+at ([\d.]+)", card) for card in cards]
    assert found == [[("1", "3.000")], [("0", "3.000")], [("1", "7.000")]]


def test_every_shown_patch_is_placed_in_its_frame(run: Run, data: ReportData) -> None:
    page = _read(run, data)
    ids = {image.get("id") for image in page.images}
    assert page.facts["run"] == data.identity
    for row, facts in page.facts["patches"].items():
        patch = data.patches[int(row)]
        assert facts["sample"] == patch.sample
        assert Path(facts["path"]) == data.paths[patch.sample]
        assert tuple(facts["box"]) == patch.region.box
        assert facts["cluster"] == data.assignments[int(row)]
        assert f"frame-{facts['picture']}" in ids
    assert sum((image.get("id") or "").startswith("frame-") for image in page.images) == len(data.paths)


def test_curves_come_from_the_metrics_log(run: Run, data: ReportData) -> None:
    assert "fewer than two epochs" in _read(run, data).text
    run.metrics_log.write_text("".join(json.dumps({"step": n, "loss": 4.0 - n}) + "\n" for n in range(3)))
    page = _read(run, data)
    assert page.tags.count("polyline") == 1
    assert "4.000 → 2.000" in page.text


def test_lost_and_skipped_images_are_named(run: Run, data: ReportData) -> None:
    names = list(data.paths)
    data.paths[names[1]].unlink()

    def read_frame(name: str) -> NDArray[np.uint8]:
        if name in names[1:3]:
            raise UnreadableImageError(data.paths[name], "broken")
        return data.read_frame(name)

    skipped = [(Path(f"image {number}.png"), "truncated") for number in range(30)]
    page = _read(run, replace(data, read_frame=read_frame, skipped=skipped))
    assert "1 image cannot be found" in page.text
    assert f"{data.paths[names[1]]}: not there" in page.text
    assert f"{data.paths[names[2]]}: broken" in page.text
    assert "30 images could not be read and were skipped" in page.text
    assert "image 19.png: truncated" in page.text
    assert "and 10 more" in page.text
    pictures = {facts["sample"]: facts["picture"] for facts in page.facts["patches"].values()}
    assert [pictures[name] is None for name in names] == [False, True, True, False]


def test_empty_clusters_and_no_patches(run: Run, data: ReportData) -> None:
    probabilities = np.tile(np.array([1, 0, 0, 0], np.float32), (60, 1))
    page = _read(run, replace(data, clusters=rank(probabilities)))
    assert "3 of 4 clusters are empty (1, 2, 3)" in page.text
    assert "Cluster 0 holds 100% of all patches" in page.text
    nothing = _read(run, replace(data, clusters=rank(probabilities, np.zeros(60, bool)), metrics={}))
    assert "0 object patches in 4 clusters" in nothing.text


def test_warnings_come_from_sizes_training_and_views(run: Run, data: ReportData) -> None:
    lines = [{"epoch": 1, "occupancy": [0.8, 0.1, 0.1]}, {"epoch": 2, "occupancy": [0.4, 0.3, 0.3]}]
    run.metrics_log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = _read(run, replace(data, kept={0: 0.9, 1: 0.2, 2: 0.95}))
    assert "Not settled: 40%" in page.text
    assert "leave cluster 1" in page.text
    assert "95%" in page.text
    assert "Not settled" not in _read(Run(run.path / "other"), data).text


@pytest.mark.parametrize(("num_patches", "num_clusters"), [(100_000, 300), (4000, 2000)])
def test_page_stays_under_30_mb(
    run: Run,
    data: ReportData,
    make_patches: Callable[[int, list[str]], list[Patch]],
    num_patches: int,
    num_clusters: int,
) -> None:
    generator = np.random.default_rng(0)
    names = [f"city/city_{number:06d}_000019" for number in range(3000)]
    ellipses = make_patches(64, names)
    patches = [replace(ellipses[row % 64], sample=names[row % 3000]) for row in range(num_patches)]
    # As much detail as in a photograph; that all are the same makes no file smaller
    picture = generator.integers(0, 256, (24, 24, 4), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    frame = generator.integers(0, 256, (128, 256, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    assignments = generator.integers(0, num_clusters, num_patches)
    confidence = generator.uniform(0.3, 1, num_patches).astype(np.float32)
    probabilities = np.zeros((num_patches, num_clusters), np.float32)
    probabilities[np.arange(num_patches), assignments] = confidence
    large = replace(
        data,
        metrics={"counts": {f"class {number}": [5] * num_clusters for number in range(19)}, "baseline": data.metrics},
        clusters=rank(probabilities),
        images=np.broadcast_to(picture, (num_patches, *picture.shape)),
        patches=patches,
        assignments=assignments,
        confidence=confidence,
        features=generator.normal(size=(num_patches, 8)).astype(np.float32),
        paths=dict.fromkeys(names, next(iter(data.paths.values()))),
        read_frame=lambda _: frame,
    )
    page = _read(run, large)
    assert run.report.stat().st_size < 30e6
    pictures = [image["src"] for image in page.images if (image.get("id") or "").startswith("frame-")]
    assert len(pictures) > 20
    shown = [facts["cluster"] for facts in page.facts["patches"].values()]
    assert len(set(shown)) == min(num_clusters, 300)
    assert len(page.facts["colors"]) == num_clusters
