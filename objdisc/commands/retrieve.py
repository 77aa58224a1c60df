"""Searching a run for the objects most similar to a part of any image, or nearest to a cluster's centre."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.config.components import flag_only, positional
from objdisc.datasets import open_dataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import read_rgb
from objdisc.inference.predict import Predictor
from objdisc.io.run import Run
from objdisc.io.staging import staged
from objdisc.patches.store import PatchStore
from objdisc.pipeline.folders import result_folder
from objdisc.pipeline.loading import LoadedRun, load_run, open_results
from objdisc.pipeline.taken_for import tell_of_run
from objdisc.render.retrieved import Find, drawn_frames, table, write_list, write_retrieved_frames, write_sheet
from objdisc.retrieval import Centers, Hits, Index
from objdisc.retrieval.query import query_patch, query_region

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class RetrieveOptions:
    """Find the objects of a run that are most similar to a query, or most typical of a cluster.

    Attributes:
        run: Folder of a run of objdisc discover.
        path: The data set's folder, if it has moved since the run.
        query: Image to search by; it need not be one of the run's images.
        box: Part of the query, x,y,width,height in pixels; by default the whole image.
        cluster: Cluster whose objects are ranked by their distance to its centre, instead of a query.
        top: How many to find.
        output_dir: Folder for table and pictures; by default RUN/retrieval/QUERY.
        overlays: Draw the finds into at most this many frames.
        device: Device of the network and the search: auto, cpu, or a device as PyTorch names it.
        allow_import: Allow the run's settings to name classes from outside the package, whose modules are then run.
    """

    run: Path = positional()
    path: Path | None = positional(default=None)
    query: Path | None = None
    box: tuple[int, int, int, int] | None = None
    cluster: int | None = None
    top: int = 20
    output_dir: Path | None = None
    overlays: int = 20
    device: str = "auto"
    allow_import: bool = flag_only()

    def __post_init__(self) -> None:
        """Check the options that can be checked without the run.

        Raises:
            UsageError: Not exactly one of query and cluster, a box without query, or nothing to find.
        """
        if (self.query is None) == (self.cluster is None):
            given = "both are given" if self.query is not None else "neither is given"
            raise UsageError(f"search by --query IMAGE or by --cluster K: {given}.")
        if self.box is not None and self.query is None:
            raise UsageError("--box is a part of --query IMAGE; a cluster has none.")
        if self.top < 1 or self.overlays < 0:
            raise UsageError(f"--top {self.top}, --overlays {self.overlays}: give at least 1, and at least 0.")


@dataclass(frozen=True, eq=False)
class _Query:
    """The target of a search: its embedding ``(D,)``, its patch if it has one, its texts and its name.

    ``subject`` distinguishes queries with the same name.
    """

    embedding: NDArray[np.float32]
    patch: NDArray[np.uint8] | None
    title: str
    lines: tuple[str, ...]
    folder: str
    subject: str


@dataclass(frozen=True)
class Retrieval:
    """The result of a search.

    Attributes:
        title: What was searched for.
        lines: The run's prediction for it.
        finds: The objects, best first.
        table: The finds as text.
        folder: Where table and pictures are.
    """

    title: str
    lines: Sequence[str]
    finds: Sequence[Find]
    table: str
    folder: Path

    def summary(self) -> str:
        """Return the table, and where the pictures are."""
        places = [
            f"{what}: {self.folder / path}"
            for what, path in (("table", "hits.csv"), ("sheet", "sheet.jpg"), ("overlays", "overlays"))
            if (self.folder / path).exists()
        ]
        return "\n".join([self.title, *self.lines, "", self.table, "", *places])


def retrieve(options: RetrieveOptions) -> Retrieval:
    """Search a run; write table, sheet and frames.

    Raises:
        UsageError: The run has no index, the query cannot be read, or the box or the cluster does not exist.
    """
    device = _search_device(options.device)
    loaded = load_run(options.run, allow_import=options.allow_import)
    index, store = open_results(loaded.run)
    _tell(loaded, index, options.path)
    names = (None if loaded.summary is None else loaded.summary.cluster_names) or {}
    if options.query is not None:
        query = _by_image(loaded, index, store, options.query, options)
    else:
        assert options.cluster is not None  # held by the options
        query = _by_cluster(loaded.run, index, options.cluster)
    hits = index.query(query.embedding, options.top, cluster=options.cluster, device=device)
    finds = list(_finds(hits, index, store, options.path))
    usual = loaded.run.retrieval / query.folder
    with (
        result_folder("retrieve", loaded, options.output_dir, usual, subject=query.subject) as folder,
        staged(folder, drawn_frames(folder)) as new,
    ):
        write_list(new / "hits.csv", finds)
        write_sheet(new / "sheet.jpg", query.title, query.lines, query.patch, finds, store.images, names)
        write_retrieved_frames(new / "overlays", finds, options.overlays, loaded.options.data.stretch)
    return Retrieval(query.title, query.lines, finds, table(finds, names), folder)


def _tell(loaded: LoadedRun, index: Index, moved_to: Path | None) -> None:
    """Log what the run's folder is taken for, if it still exists: a search needs images only to draw into them."""
    settings = loaded.options
    try:
        dataset = open_dataset(moved_to or index.root, index.split, settings.foreground, settings.data, settings.files)
    except UsageError as error:
        log.info("%s", error)
    else:
        tell_of_run(loaded, [dataset])


def _by_image(loaded: LoadedRun, index: Index, store: PatchStore, path: Path, options: RetrieveOptions) -> _Query:
    if store.images.shape[3] != 4:
        raise UsageError(f"--query: this run looks at {store.images.shape[3] - 1} channels, not at RGB; use --cluster.")
    try:
        image = read_rgb(path, loaded.options.data.stretch)
    except UnreadableImageError as error:
        raise UsageError(f"--query {error}.") from error
    region = query_region((image.shape[0], image.shape[1]), options.box, outlines=store.outlines)
    patch = query_patch(image, region, loaded.options.patches)
    predictor = Predictor(loaded.method, replace(loaded.options.training, device=options.device))
    seen = predictor(torch.from_numpy(patch[None]))
    cluster = int(seen.probabilities[0].argmax())
    lines = [f"the run puts it into cluster {cluster} (probability {seen.probabilities[0, cluster]:.2f})"]
    if (centers := _centers(loaded.run, index)) is not None:
        distance = float(centers.to_nearest(seen.features)[0])
        within = float(np.mean(centers.distances <= distance))
        lines.append(f"farther from the nearest centre ({distance:.2f}) than {within:.0%} of the training objects")
    box = "" if options.box is None else " box " + ",".join(map(str, options.box))
    name = "_".join(["query", path.stem, *(map(str, options.box or ()))])
    return _Query(
        seen.features[0], patch, f"query: {path.name}{box}", tuple(lines), name, f"query {path.resolve()}{box}"
    )


def _by_cluster(run: Run, index: Index, cluster: int) -> _Query:
    members = np.flatnonzero(index.members(cluster))
    if len(members) == 0:
        raise UsageError(f"--cluster {cluster}: no object of the evaluation split is in it; choose another.")
    centers = _centers(run, index)
    center = index.embeddings[members].mean(axis=0) if centers is None else centers.centers[cluster]
    if np.isnan(center).any():  # no training object was in it
        center = index.embeddings[members].mean(axis=0)
    line = "its objects, the one nearest to its centre first"
    return _Query(
        center,
        None,
        f"cluster {cluster}: {len(members)} objects",
        (line,),
        f"cluster_{cluster:03d}",
        f"cluster {cluster}",
    )


def _search_device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {device}: not available here; give auto or cpu.") from error
    return device


def _centers(run: Run, index: Index) -> Centers | None:
    centers = Centers.read(run.centers)
    return centers if centers is not None and centers.weights == index.weights else None


def _finds(hits: Hits, index: Index, store: PatchStore, moved_to: Path | None) -> Iterator[Find]:
    for rank, (row, distance) in enumerate(zip(hits.rows.tolist(), hits.distances.tolist(), strict=True), start=1):
        patch = store.patch(row)
        image = index.image_paths[patch.sample]
        if moved_to is not None and image.is_relative_to(index.root):
            image = moved_to / image.relative_to(index.root)
        similarity = 1 - distance**2 / 2 if index.normalized else None
        cluster, confidence = int(index.clusters[row]), float(index.confidence[row])
        yield Find(rank, row, distance, similarity, cluster, confidence, patch, image)
