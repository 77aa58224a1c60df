"""The report of a run: one HTML file that needs nothing beside it, written for people."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from objdisc.report.curves import HEIGHT, WIDTH, curves
from objdisc.report.palette import cluster_colors
from objdisc.retrieval import ClusterPatches, thumbnail
from objdisc.run import Run, atomic_write, encode_image, read_metrics_log

# Together these keep the page under 10 MB: a thumbnail takes 2 to 5 KB in the page, a frame about 80 KB.
_MAX_THUMBNAILS = 1200
_MAX_CLUSTERS = 200  # that are shown with patches; the tables list all
_MAX_FRAMES = 12
_THUMBNAIL, _FRAME_WIDTH = 72, 640  # pixels
_MAX_SKIPPED = 20

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
    """What the page says and the run's files do not; every text may hold any letters.

    Attributes:
        command: The command as it was typed.
        config: The resolved configuration, as YAML.
        seed: The seed.
        seconds: Wall time of the run.
        data_path: The data set's folder.
        trained_on: Split of the training, in words: ``train, 367 images, 1120 patches``.
        scored_on: The same of the split that the page shows.
        supervision: The labels that the encoder's weights have seen, ``none`` if none.
        objectness: Where the regions came from.
        metrics: As in ``metrics.json``; what is not in it (labels, baseline) is not shown, and the page says so.
        clusters: One entry a cluster, as ``retrieval.rank`` gives them for the scored split.
        images: ``(N, S, S, 4)`` uint8 patches of that split.
        confidence: ``(N,)`` in [0, 1], of each patch in its cluster.
        patch_names: Row to the name of its image, for the rows shown.
        cluster_names: Class that each cluster is read as; None without ground truth.
        frames: Overlay files with the name of their image; a few, spread evenly, are shown.
        warnings: One sentence each, beside those that the page finds by itself.
        skipped: Images that could not be read, with the reason.
    """

    command: str
    config: str
    seed: int
    seconds: float
    data_path: Path
    trained_on: str
    scored_on: str
    supervision: str
    objectness: str
    metrics: Mapping[str, Any]
    clusters: Sequence[ClusterPatches]
    images: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    patch_names: Mapping[int, str] = field(default_factory=dict)
    cluster_names: Mapping[int, str] | None = None
    frames: Sequence[tuple[str, Path]] = ()
    warnings: Sequence[str] = ()
    skipped: Sequence[tuple[Path, str]] = ()


def write_report(run: Run, data: ReportData) -> None:
    """Write ``report.html``.

    Args:
        run: The run; its metrics log is read for the curves.
        data: What the page shows.

    Raises:
        ObjdiscError: The disk is full, or the folder cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("objdisc.report", package_path="."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    template = environment.get_template("gallery.html.j2")
    frames, missing = _frames(data.frames)
    page = template.render(
        data=data,
        title=run.path.resolve().name,
        warnings=[*data.warnings, *occupancy_warnings([shown.size for shown in data.clusters]), *missing],
        skipped=data.skipped[:_MAX_SKIPPED],
        colors=[f"rgb({r} {g} {b})" for r, g, b in cluster_colors(len(data.clusters)).tolist()],
        names=data.cluster_names or {},
        summary=_summary(data.metrics),
        tables=_tables(data.metrics),
        curves=curves(read_metrics_log(run.metrics_log)),
        curve_size=(WIDTH, HEIGHT),
        total=sum(shown.size for shown in data.clusters),
        largest=max((shown.size for shown in data.clusters), default=0),
        groups=_groups(data),
        frames=frames,
        retrieval=run.retrieval.name,
    )
    with atomic_write(run.report) as file:
        file.write(page)


def occupancy_warnings(sizes: Sequence[int]) -> list[str]:
    """Say what is suspicious about the sizes of the clusters: empty ones, or one that holds nearly everything.

    Args:
        sizes: Patches per cluster.

    Returns:
        One sentence each.
    """
    total = sum(sizes)
    if not total or len(sizes) < 2:
        return []
    found = []
    largest = int(np.argmax(sizes))
    if sizes[largest] / total > 0.8:
        found.append(
            f"Cluster {largest} holds {sizes[largest] / total:.0%} of all patches: the clustering has collapsed, or "
            "one kind of object makes up most of the images. Look at its random patches below."
        )
    empty = [str(cluster) for cluster, size in enumerate(sizes) if not size]
    if empty:
        listed = ", ".join(empty[:20]) + (", ..." if len(empty) > 20 else "")
        found.append(f"{len(empty)} of {len(sizes)} clusters are empty ({listed}): fewer clusters may be enough.")
    return found


def _summary(metrics: Mapping[str, Any]) -> list[tuple[str, float | None, float | None]]:
    """Rows of title, this run, baseline; only numbers that are there."""
    baseline = metrics.get("baseline") or {}
    return [(title, metrics.get(key), baseline.get(key)) for key, title in _SUMMARY if metrics.get(key) is not None]


def _tables(metrics: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, list[tuple[int, float]]]]]]:
    """Class x cluster tables of the run and the baseline: rows of class and cells of count and share of the class."""
    tables = []
    for title, numbers in (("This run", metrics), ("Baseline", metrics.get("baseline") or {})):
        counts: Mapping[str, Sequence[int]] = numbers.get("counts") or {}
        rows = [(name, [(count, count / max(1, sum(row))) for count in row]) for name, row in counts.items()]
        if rows:
            tables.append((title, rows))
    return tables


@dataclass(frozen=True, slots=True)
class _Thumbnail:
    """A patch on the page."""

    uri: str
    name: str
    confidence: float


def _groups(data: ReportData) -> list[tuple[ClusterPatches, list[tuple[str, list[_Thumbnail]]]]]:
    """Thumbnails of the largest clusters, in the order of their ids, within the page's budget."""
    kept = sorted(sorted(data.clusters, key=lambda shown: -shown.size)[:_MAX_CLUSTERS], key=lambda shown: shown.cluster)
    each = max(3, min(12, _MAX_THUMBNAILS // (2 * max(1, len(kept)))))
    return [
        (
            shown,
            [
                (title, [_thumbnail(data, row) for row in rows[:each].tolist()])
                for title, rows in (("Most confident", shown.confident), ("Drawn at random", shown.random))
            ],
        )
        for shown in kept
    ]


def _thumbnail(data: ReportData, row: int) -> _Thumbnail:
    picture = thumbnail(data.images[row], _THUMBNAIL)
    return _Thumbnail(_jpeg_uri(picture, 78), data.patch_names.get(row, ""), float(data.confidence[row]))


def _frames(frames: Sequence[tuple[str, Path]]) -> tuple[list[tuple[str, str]], list[str]]:
    """Read some overlays as (name, data URI); files that are gone or broken become warnings."""
    places = np.linspace(0, len(frames) - 1, min(_MAX_FRAMES, len(frames)), dtype=int)
    shown, missing = [], []
    for name, path in (frames[place] for place in places):
        stored = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
        picture = cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB) if stored.size else None
        if picture is None:
            missing.append(f"{path}: this overlay cannot be read and is left out.")
            continue
        scale = min(1.0, _FRAME_WIDTH / picture.shape[1])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shown.append((name, _jpeg_uri(np.asarray(small, np.uint8), 80)))
    return shown, missing


def _jpeg_uri(picture: NDArray[np.uint8], quality: int) -> str:
    data = base64.b64encode(encode_image(picture, ".jpg", jpeg_quality=quality)).decode("ascii")
    return f"data:image/jpeg;base64,{data}"


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 100 else f"{value:.3g}"
