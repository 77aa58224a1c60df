"""A finished run on other images: segment any folder with it."""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from objdisc.config.components import Component, component, flag_only, positional
from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.export.cityscapes import cluster_id_depth
from objdisc.imaging.colors import cluster_colors
from objdisc.inference.predict import Predictor
from objdisc.inference.tiling import segment_image
from objdisc.io.files import atomic_write, write_json
from objdisc.io.run import Run
from objdisc.naming.categories import Names, former_identities, run_identity
from objdisc.naming.names_file import read_names
from objdisc.objectness.base import ObjectnessSource
from objdisc.pipeline.dense import check_dense, segment_folder, tiling_of
from objdisc.pipeline.folder_maps import FolderJob, Totals
from objdisc.pipeline.folders import result_folder
from objdisc.pipeline.loading import FrozenRun, choose_source, matching_of, open_answer, open_frozen, weights_name
from objdisc.pipeline.maps import FrameStyle
from objdisc.pipeline.options import choose_objectness, open_split
from objdisc.render.overlay import UNKNOWN_COLOR
from objdisc.retrieval import Centers
from objdisc.training.encoding import patches_at_once
from objdisc.types import NOTHING, UNKNOWN

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class SegmentOptions:
    """Segment a folder of images with a finished run: cluster maps, overlays, and labelIds where it has a matching.

    Attributes:
        run: Folder of a finished run.
        path: Folder of images, in Cityscapes layout or not; masks are not needed.
        split: Split of the folder, where it has splits; val where there is one.
        objectness: Where objects may be, by name; auto: instance masks where the folder has them, else windows kept by
            the run's foreground head.
        output_dir: Where the maps go; RUN/segment/FOLDER if none is given.
        names: A names.json that was saved in the run's report.html: the maps' pictures and lists then show the
            categories that were named there.
        unknown: Whether objects that are far from every cluster are called unknown.
        unknown_quantile: Far is farther from the nearest cluster centre than this share of the training objects.
        overlays: Draw at most this many frames.
        strict: Stop at the first unreadable image instead of skipping it.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        workers: Threads that cut patches.
        batch_size: Patches that go through the network at once, at most.
        allow_import: Import classes that lie outside of the package, where the run's settings name some; that runs
            their modules.
    """

    run: Path = positional()
    path: Path = positional()
    split: str | None = None
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness")
    output_dir: Path | None = None
    names: Path | None = None
    unknown: bool = True
    unknown_quantile: float = 0.99
    overlays: int = 50
    strict: bool = False
    device: str = "auto"
    workers: int = 2
    batch_size: int = 128
    allow_import: bool = flag_only()

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            UsageError: A value that makes no sense.
        """
        if not 0 < self.unknown_quantile <= 1:
            raise UsageError(f"--unknown-quantile {self.unknown_quantile}: give a share above 0, at most 1.")
        if self.overlays < 0 or self.workers < 0 or self.batch_size < 1:
            raise UsageError("segment: --overlays and --workers must be at least 0, --batch-size 1.")


def segment(options: SegmentOptions) -> Run:
    """Segment a folder of images, of any number; a cluster keeps the id that it has in the run.

    Returns:
        The folder of the maps.

    Raises:
        UsageError: The run is not finished, names.json is another run's, or the folder has nothing to segment.
    """
    frozen = open_frozen(options.run, allow_import=options.allow_import, device=options.device)
    dataset = open_split(options.path, options.split, None, frozen.options.reading.of_any_images())
    usual = frozen.run.path / "segment" / options.path.resolve().name
    do = _segment_pixels if frozen.method.per_pixel else _segment_patches
    job = do(frozen, dataset, options)
    with result_folder("segment", frozen, options.output_dir, usual, dataset=dataset, subject=dataset.split) as folder:
        job(Run(folder))
    return Run(folder)


def _segment_patches(frozen: FrozenRun, dataset: ImageDataset, options: SegmentOptions) -> Callable[[Run], None]:
    """Check what a run is asked about a folder's objects, and return what does it."""
    num_clusters = frozen.options.num_clusters
    source = choose_source(options.objectness, dataset, frozen, options.device)
    source.check(dataset)
    mapping, classes = matching_of(frozen.run)
    names = None if options.names is None else names_of(frozen.run, options.names, num_clusters)
    centers = centers_of(frozen.run)
    ask = Predictor(frozen.method, replace(frozen.options.training, device=options.device))

    def do(answer: Run) -> None:
        job = FolderJob(
            answer=answer,
            dataset=dataset,
            source=source,
            patches=frozen.options.patches,
            ask=ask,
            weights=weights_name(frozen.run),
            centers=centers,
            threshold=centers.threshold(options.unknown_quantile) if centers and options.unknown else None,
            style=(
                FrameStyle.plain(num_clusters, dataset, mapping, classes)
                if names is None
                else FrameStyle.named(names, mapping)
            ),
            names=called(names, classes, num_clusters),
            overlays=options.overlays,
            workers=options.workers,
            batch_size=min(options.batch_size, patches_at_once(frozen.options.patches.size)),
            strict=options.strict,
        )
        write_summary(job, job.run(), options.unknown_quantile)

    return do


def _segment_pixels(frozen: FrozenRun, dataset: ImageDataset, options: SegmentOptions) -> Callable[[Run], None]:
    """Check what a run whose method answers for every pixel is asked about a folder, and return what does it.

    Raises:
        UsageError: The images have other channels than the run's network takes.
    """
    source = choose_objectness(frozen.options.objectness, dataset)
    check_dense(frozen.method, source, dataset)
    tiling = tiling_of(source, frozen.options.patches.size)
    ask = Predictor(frozen.method, replace(frozen.options.training, device=options.device))
    mapping, classes = matching_of(frozen.run)
    style = FrameStyle.plain(frozen.options.num_clusters, dataset, mapping, classes)
    if frozen.options.reading.classes is not None:
        style = replace(style, class_colors=None)  # the run's label ids are of its groups, not of this folder's classes

    def do(answer: Run) -> None:
        done, skipped = segment_folder(
            answer,
            dataset,
            lambda dataset, sample: segment_image(ask, dataset, sample, tiling),
            style,
            max_overlays=options.overlays,
            strict=options.strict,
        )
        print(f"{done} images, {skipped} skipped\n\nmaps: {answer.cluster_ids}")

    return do


def centers_of(run: Run) -> Centers | None:
    """Read the run's cluster centres; None, with the reason on the log, where it has none that fit its weights."""
    centers = Centers.read(run.centers)
    if centers is None:
        log.info("this run notes no training distances: no object is called unknown (discover --resume adds them)")
    elif centers.weights != weights_name(run):
        log.warning("%s is of other weights: no object is called unknown", run.centers)
        centers = None
    return centers


def names_of(run: Run, path: Path, num_clusters: int) -> Names:
    """Read a names.json of this run.

    Raises:
        UsageError: It is damaged or another run's, or the run's patches, which tell whose it is, are gone.
    """
    _, store = open_answer(run)
    identities = (run_identity(run, store), *former_identities(run, store))
    return read_names(path, identities, store.foreground, Names.default(cluster_colors(num_clusters)))


def called(names: Names | None, classes: Mapping[int, str] | None, num_clusters: int) -> list[str]:
    """Return what each cluster is called: its category, else the class that it matches, else nothing."""
    if names is None:
        return [(classes or {}).get(cluster, "") for cluster in range(num_clusters)]
    of_cluster = {cluster: category.name for category in names.categories for cluster in category.clusters}
    return [of_cluster.get(cluster, "") for cluster in range(num_clusters)]


def write_summary(job: FolderJob, totals: Totals, quantile: float) -> None:
    """Print what was found, and write it to ``legend.csv`` and ``segment.json`` beside the maps."""
    answer, unknown = job.answer, totals.clusters[UNKNOWN]
    rows = [(cluster, job.names[cluster], totals.clusters[cluster]) for cluster in range(len(job.names))]
    if job.threshold is not None:
        rows.append((UNKNOWN, "unknown", unknown))
    write_legend(answer.path / "legend.csv", job, rows)
    numbers = {
        "images": totals.images,
        "skipped": totals.skipped,
        "objects": totals.objects,
        "unknown": unknown,
        "unknown_quantile": None if job.threshold is None else quantile,
        "unknown_threshold": job.threshold,
        "clusters": {str(cluster): count for cluster, _, count in rows},
    }
    write_json(answer.path / "segment.json", numbers)
    skipped = f", {totals.skipped} skipped" if totals.skipped else ""
    print(f"{totals.objects} regions in {totals.images} images{skipped}\n")
    width = max(len("name"), *(len(name) for _, name, _ in rows))
    print(f"cluster  {'name':{width}}  regions")
    for cluster, name, count in rows:
        print(f"{cluster:7}  {name:{width}}  {count:7}")
    if job.threshold is not None:
        print(
            f"\nunknown: farther than {job.threshold:.4f} from every cluster centre, as {1 - quantile:.3g} of the "
            "training objects are (--unknown-quantile, --no-unknown)"
        )
    print()
    if totals.reused:
        log.info("%d images were known from an earlier call", totals.reused)
    if totals.objects == 0:
        log.warning("no object was found in any image; choose another --objectness, or check the folder")
    for what, path in (("maps", answer.cluster_ids), ("overlays", answer.overlays), ("list", answer.clusters_csv)):
        if path.exists():
            print(f"{what}: {path}")


def write_legend(path: Path, job: FolderJob, rows: Sequence[tuple[int, str, int]]) -> None:
    """Write what each value of the ``clusterIds/`` maps stands for.

    Args:
        path: The CSV file.
        job: The folder that was segmented.
        rows: Cluster, name and objects.
    """
    depth = cluster_id_depth(len(job.names))
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["value", "cluster", "name", "color", "regions", "distance_threshold"])
        for cluster, name, count in rows:
            shown = cluster if job.style.shown_as is None or cluster == UNKNOWN else int(job.style.shown_as[cluster])
            color = UNKNOWN_COLOR if shown == UNKNOWN else () if shown < 0 else job.style.colors[shown].tolist()
            threshold = job.threshold if cluster == UNKNOWN else None
            value = int(np.int64(cluster).astype(depth))
            text = "".join(f"{part:02x}" for part in color)
            writer.writerow([value, cluster, name, f"#{text}" if text else "", count, threshold])
        writer.writerow([int(np.int64(NOTHING).astype(depth)), NOTHING, "nothing found", "", "", ""])
