"""The report of a run: one self-contained HTML file to look at clusters and to name them."""

import base64
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from objdisc.clustering.number import RecommendedNumber
from objdisc.evaluation.tables import in_words_of
from objdisc.imaging.colors import cluster_colors
from objdisc.io.files import atomic_write
from objdisc.io.run import Run
from objdisc.report.cards import MAX_FRAMES, Pictures, embed_pictures
from objdisc.report.curves import HEIGHT, WIDTH, curves, number_curve, occupancy_bands
from objdisc.report.nearest import nearest_clusters
from objdisc.report.scene import SceneCluster, scene_cards
from objdisc.report.warnings import logged_occupancy, occupancy_warnings, stability_warnings, training_warnings
from objdisc.retrieval import ClusterPatches
from objdisc.types import Patch

_MAX_COLUMNS = 300  # clusters in a class x cluster table
_MAX_LISTED = 20  # images that are named one by one
_SHOWN_FRAMES = 12  # before one asks for all

_SUMMARY = (
    ("accuracy_majority", "Accuracy, each cluster read as its most frequent class"),
    ("accuracy_hungarian", "Accuracy, clusters and classes matched one to one"),
    ("accuracy_balanced", "Mean recall per class, matched one to one"),
    ("accuracy_floor", "Floor: share of the largest class, what a single cluster would score"),
    ("nmi", "Normalised mutual information, arithmetic mean"),
    ("nmi_geometric", "Normalised mutual information, geometric mean"),
    ("ari", "Adjusted Rand index"),
    ("foreground_accuracy", "Object or background told apart"),
)


@dataclass(frozen=True)
class ReportData:
    """The contents of the page; texts may hold any characters.

    Attributes:
        command: The command as it was typed.
        config: The resolved configuration, as YAML.
        seed: The seed.
        seconds: Wall time of the run.
        provenance: On what it was made, in one line.
        data_path: The data set's folder.
        trained_on: Split of the training, in words, such as ``train, 367 images, 1120 patches``.
        scored_on: Split that the page shows, in the same form.
        supervision: The labels that the encoder's weights have seen, ``none`` if none.
        objectness: Where the regions came from.
        objectness_supervision: What people have marked in the images for that, or its network was trained with.
        metrics: Content of ``metrics.json``; parts that it lacks (labels, baseline) are not shown, and the page says
            so.
        identity: Identity of the run from ``naming.run_identity``, for ``names.json``.
        former_identities: Identities of the same run in earlier versions, whose names are taken over.
        clusters: One entry a cluster, as ``retrieval.rank`` gives them for the shown split.
        images: ``(N, S, S, 4)`` uint8 patches of that split.
        patches: N patches, where they come from; only those shown are accessed.
        assignments: ``(N,)`` int64 cluster of each patch, -1 for background.
        confidence: ``(N,)`` probability of each patch's cluster, in [0, 1].
        features: ``(N, D)`` float32 embeddings.
        paths: Image name to file, for the images of the shown split.
        read_frame: Function that returns the image of a name with its clusters drawn over it, ``(H, W, 3)`` uint8 RGB,
            or raises ``UnreadableImageError``.
        cluster_names: Class that each cluster is mapped to; None without ground truth.
        kept: Cluster to the share of its patches that stay in it when augmented; empty if not measured.
        warnings: Sentences in addition to the warnings that the page finds by itself.
        of_crops: Whether patches are crops that hold several clusters each, so that sizes of clusters mean little.
        skipped: Images that could not be read, with the reason.
        scene: Clusters that whole images are divided into, by their numbers; empty without a scene.
        number: The recommended number of clusters, with its evidence; None if K was given.
        growth: Known, new and vanished categories, in words, if the run was grown from another; otherwise empty.
    """

    command: str
    config: str
    seed: int
    seconds: float
    provenance: str
    data_path: Path
    trained_on: str
    scored_on: str
    supervision: str
    objectness: str
    metrics: Mapping[str, Any]
    identity: str
    clusters: Sequence[ClusterPatches]
    images: NDArray[np.uint8]
    patches: Sequence[Patch]
    assignments: NDArray[np.int64]
    confidence: NDArray[np.float32]
    features: NDArray[np.float32]
    paths: Mapping[str, Path]
    read_frame: Callable[[str], NDArray[np.uint8]]
    cluster_names: Mapping[int, str] | None = None
    former_identities: Sequence[str] = ()
    kept: Mapping[int, float] = field(default_factory=dict)
    objectness_supervision: str = "none"
    warnings: Sequence[str] = ()
    of_crops: bool = False
    skipped: Sequence[tuple[Path, str]] = ()
    number: RecommendedNumber | None = None
    growth: str = ""
    scene: Sequence[SceneCluster] = ()


def write_report(run: Run, data: ReportData, log: Sequence[Mapping[str, Any]], *, max_frames: int = MAX_FRAMES) -> None:
    """Write ``report.html``.

    Args:
        run: Folder to write to.
        data: What the page shows.
        log: What training logged, for the curves.
        max_frames: Most frames on the page.

    Raises:
        ObjdiscError: The disk is full, or the folder cannot be written.
    """
    environment = _environment()
    pictures = embed_pictures(
        data.clusters,
        data.images,
        data.patches,
        data.confidence,
        data.paths,
        data.read_frame,
        max_frames=max_frames,
    )
    sizes = [shown.size for shown in data.clusters]
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in cluster_colors(len(data.clusters)).tolist()]
    title = run.name
    bands = occupancy_bands(logged_occupancy(log))
    script = Markup((_source("naming.js") + _source("page.js")).rstrip())
    page = environment.get_template("gallery.html.j2").render(
        data=data,
        title=title,
        style=Markup(_source("gallery.css")),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        facts=_facts(data, pictures, colors, title),
        warnings=_warnings(data, log),
        left_out=_left_out(data, pictures),
        colors=colors,
        names=data.cluster_names or {},
        nearest=nearest_clusters(data.features, data.assignments, len(data.clusters)),
        summary=_summary(data.metrics),
        tables=_tables(data.metrics),
        scene=scene_cards(data.scene),
        number_curve=None if data.number is None else number_curve(data.number),
        curves=curves([*log, *_compared_with_classes(data.metrics)]),
        bands=bands,
        bands_are_clusters=len(bands) == len(data.clusters),
        curve_size=(WIDTH, HEIGHT),
        total=sum(sizes),
        largest=max(sizes, default=0),
        pictures=pictures,
        frame_numbers=_frame_numbers(pictures),
        shown_frames=_SHOWN_FRAMES,
        retrieval=run.retrieval.name,
    )
    with atomic_write(run.report) as file:
        file.write(page)


def _warnings(data: ReportData, log: Sequence[Mapping[str, Any]]) -> list[str]:
    """Gather the warnings at the top of the page."""
    occupancy = [] if data.of_crops else occupancy_warnings([shown.size for shown in data.clusters])
    return [*data.warnings, *occupancy, *training_warnings(log), *stability_warnings(data.kept)]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("objdisc.report", package_path="."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment


def _source(name: str) -> str:
    return files("objdisc.report").joinpath(name).read_text(encoding="utf-8")


def _facts(data: ReportData, pictures: Pictures, colors: Sequence[str], title: str) -> dict[str, Any]:
    """Return the data for the page's script; the template escapes it."""
    numbers = _frame_numbers(pictures)
    return {
        "title": title,
        "run": data.identity,
        "former_runs": list(data.former_identities),
        "num_patches": len(data.assignments),
        "colors": list(colors),
        "scene": ["#{:02x}{:02x}{:02x}".format(*found.color) for found in data.scene],
        "sizes": [shown.size for shown in data.clusters],
        "patches": {
            str(row): {**facts, "picture": numbers.get(facts["sample"])} for row, facts in pictures.patches.items()
        },
    }


def _frame_numbers(pictures: Pictures) -> dict[str, int]:
    return {name: number for number, name in enumerate(pictures.frames)}


def _left_out(data: ReportData, pictures: Pictures) -> list[tuple[str, Sequence[tuple[Path, str]], int]]:
    """List images that the page lacks: a heading, some images with the reason, and the number of others."""
    lost = [(path, "not there") for path in data.paths.values() if not path.is_file()]
    gone = {path for path, _ in lost}
    broken = [(error.path, error.reason) for error in pictures.unreadable if error.path not in gone]
    found: list[tuple[str, Sequence[tuple[Path, str]], int]] = []
    for images, what in (
        (data.skipped, "could not be read and {was} skipped"),
        (lost, f"cannot be found. If {data.data_path} was moved, move it back; the clusters below do not depend on it"),
        (broken, "can no longer be read, and {was} left out of the frames below"),
    ):
        if images:
            count = f"{len(images)} {'image' if len(images) == 1 else 'images'} "
            heading = count + what.format(was="was" if len(images) == 1 else "were")
            found.append((heading, images[:_MAX_LISTED], max(0, len(images) - _MAX_LISTED)))
    return found


def _compared_with_classes(metrics: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return the epochs' scores from the evaluation; the rest is in the training's log."""
    epochs = [epoch for epoch in metrics.get("epochs") or () if epoch.get("nmi_labels") is not None]
    return [{"epoch": epoch["epoch"], "nmi_labels": epoch["nmi_labels"]} for epoch in epochs]


def _summary(metrics: Mapping[str, Any]) -> list[tuple[str, float | None, float | None]]:
    """Return rows of title, this run and baseline, for the scores that exist."""
    baseline = metrics.get("baseline") or {}
    labels_from = metrics.get("labels_from", "ground truth")
    return [
        (in_words_of(labels_from, title), metrics.get(key), baseline.get(key))
        for key, title in _SUMMARY
        if metrics.get(key) is not None
    ]


@dataclass(frozen=True, slots=True)
class _Table:
    """Class x cluster counts: columns are clusters, and rows give a class's counts and their shares of the class."""

    title: str
    columns: Sequence[int]
    rows: Sequence[tuple[str, Sequence[tuple[int, float]]]]
    omitted: int


def _tables(metrics: Mapping[str, Any]) -> list[_Table]:
    """Make the tables of the run and the baseline."""
    tables = []
    for title, numbers in (("This run", metrics), ("Baseline", metrics.get("baseline") or {})):
        counts: Mapping[str, Sequence[int]] = numbers.get("counts") or {}
        if counts:
            table = np.array(list(counts.values()))  # (classes, K)
            columns = sorted(np.argsort(-table.sum(axis=0), kind="stable")[:_MAX_COLUMNS].tolist())
            rows = [
                (name, [(int(row[column]), int(row[column]) / max(1, int(row.sum()))) for column in columns])
                for name, row in zip(counts, table, strict=True)
            ]
            tables.append(_Table(title, columns, rows, table.shape[1] - len(columns)))
    return tables


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 100 else f"{value:.3g}"
