"""A split answered for pixel by pixel: maps at full size, and only then their agreement with the classes."""

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import IGNORED
from objdisc.datasets.images import read_index_map
from objdisc.datasets.rasters import has_rasterio
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.evaluation.matching import Matching, label_mapping
from objdisc.evaluation.pixelcounts import PixelCounts, count_pixels
from objdisc.evaluation.pixels import PixelMetrics, pixel_metrics
from objdisc.evaluation.seams import seam_figure, tile_borders
from objdisc.export.cityscapes import write_cluster_ids
from objdisc.export.geotiff import write_geotiff
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.grid import Grid
from objdisc.pictures import FrameStyle, write_frame
from objdisc.report.overlay import paint
from objdisc.report.palette import cluster_colors
from objdisc.run import Run
from objdisc.tiling import Answer, Tiling
from objdisc.types import Sample, SegmentationMap

_FITTED_ON = 500  # images of the training split, spread evenly, that mappings are fitted on at most
_TIFF = frozenset({".tif", ".tiff"})

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class DenseScore:
    """How well a dense answer agrees with the classes of its split.

    Attributes:
        metrics: The method's; None without ground truth.
        baselines: Name to the same of what it must beat.
        matching: How clusters are read as classes in labelIds maps.
        cluster_to_label: Label id of each cluster there; None without ground truth.
        cluster_names: The same as class names.
    """

    metrics: PixelMetrics | None = None
    baselines: Mapping[str, PixelMetrics] | None = None
    matching: Matching = "hungarian"
    cluster_to_label: Mapping[int, int] | None = None
    cluster_names: Mapping[int, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what goes into ``metrics.json``; empty without ground truth."""
        if self.metrics is None:
            return {}
        first = next(iter((self.baselines or {}).items()), None)
        return {
            **_summary(self.metrics),
            "matching": self.matching,
            "cluster_to_label": {str(cluster): label for cluster, label in (self.cluster_to_label or {}).items()},
            "majority": self.metrics.majority.classes,
            "pixels": self.metrics.to_json(),
            "baselines": {name: found.to_json() for name, found in (self.baselines or {}).items()},
            **({} if first is None else {"baseline": {"name": first[0], **_summary(first[1])}}),
        }


def _summary(metrics: PixelMetrics) -> dict[str, Any]:
    """Return the numbers that patches have too, counted in pixels."""
    return {
        "accuracy_hungarian": metrics.hungarian.pixel_accuracy,
        "accuracy_majority": metrics.majority.pixel_accuracy,
        "accuracy_floor": metrics.accuracy_floor,
        "mean_iou": metrics.hungarian.mean_iou,
        "counts": metrics.counts,
    }


def check_dense(method: Method, source: ObjectnessSource, dataset: ImageDataset) -> None:
    """Hold a method that answers for each pixel to crops, and its network to the channels of the images.

    Raises:
        UsageError: The regions are no crops, or the images have other channels.
    """
    channels = len(method.encoder.mean)
    if dataset.num_channels != channels:
        raise UsageError(
            f"{dataset.root}: images of {dataset.num_channels} channels, but a network for {channels}; "
            f"give --channels {dataset.num_channels}"
        )
    if method.per_pixel and not isinstance(source, Grid):
        raise UsageError("this method answers for each pixel: it needs crops, --objectness grid.")


def tiling_of(source: ObjectnessSource, size: int) -> Tiling:
    """Cut full images as the training's crops were cut.

    Args:
        source: Of the training's crops.
        size: Side of a crop in pixels of the network's input.
    """
    assert isinstance(source, Grid)  # check_dense was asked
    return Tiling(source.side, size)


def write_dense(
    run: Run, dataset: ImageDataset, names: Container[str], answer: Answer, num_clusters: int, tiling: Tiling
) -> tuple[PixelCounts | None, dict[str, float]]:
    """Answer for every image and write its ``clusterIds``, with a georeference where the image is a TIFF that has one.

    Args:
        run: Folder to write to.
        dataset: The split.
        names: ``Sample.name`` of the images that can be read.
        answer: What is said about an image.
        num_clusters: K.
        tiling: Where seams may show.

    Returns:
        Pixels by class and cluster, None without ground truth; and how often answers change where tiles meet
        (``across``) against elsewhere (``inside``).
    """
    seams = np.zeros((2, 2))  # across and inside: differing, all

    def answers() -> Iterator[SegmentationMap]:
        for sample in dataset.samples:
            if sample.name in names:
                found = answer(dataset, sample)
                write_cluster_ids(run.cluster_ids, found, num_clusters)
                _write_georeferenced(run, sample, found)
                np.add(seams, _seams(found.clusters, tiling), out=seams)
                yield found

    counts = None
    if dataset.has_ground_truth:
        counts = count_pixels(dataset, answers(), num_clusters)[0]
    else:
        log.info("%s has no class labels: everything but the evaluation is done", dataset.root)
        for _ in answers():
            pass
    across, inside = (float(differ / pairs) if pairs else float("nan") for differ, pairs in seams)
    return counts, {"across": across, "inside": inside, "ratio": across / inside if inside else float("nan")}


def _write_georeferenced(run: Run, sample: Sample, found: SegmentationMap) -> None:
    """Write the map beside the PNG as GeoTIFF, where the image is a TIFF and may have a position on the ground."""
    if sample.image_path.suffix.lower() in _TIFF and has_rasterio():
        write_geotiff(run.cluster_ids / f"{sample.name}_clusterIds.tif", sample.image_path, found.clusters)


def _seams(clusters: NDArray[np.int16], tiling: Tiling) -> NDArray[np.float64]:
    height, width = clusters.shape
    windows = tiling.windows((height, width))
    figure = seam_figure(clusters, *tile_borders([(x, y, side, side) for x, y, side in windows]))
    sizes = np.array([figure.pairs_across, figure.pairs_inside])
    return np.column_stack([np.nan_to_num([figure.across, figure.inside]) * sizes, sizes])


def score_dense(
    counts: PixelCounts,
    scored: ImageDataset,
    training: ImageDataset,
    answer: Answer,
    baselines: Iterable[tuple[str, Answer]] = (),
) -> DenseScore:
    """Score the method and its baselines alike: matched on the scored split itself, and on the training split.

    Clusters are matched one to one where there are as many as classes (the paper's protocol), else each is read as
    its most frequent class.

    Args:
        counts: Of the scored split.
        scored: That split.
        training: The split that was trained on; the same object where there is no other.
        answer: The method's.
        baselines: Name and answer of each.
    """
    fitted_on = None if training is scored else _count(training, answer, counts.num_clusters)
    matching: Matching = "hungarian" if counts.num_clusters == len(counts.class_ids) else "majority"
    mapping = label_mapping(counts.counts(), matching)
    names = {cluster: counts.class_names[label] for cluster, label in mapping.items()}
    rivals = {}
    for name, rival in baselines:
        found = _count(scored, rival, counts.num_clusters)
        if found is not None:
            rivals[name] = pixel_metrics(found)
    return DenseScore(pixel_metrics(counts, fitted_on), rivals, matching, mapping, names)


def _count(dataset: ImageDataset, answer: Answer, num_clusters: int) -> PixelCounts | None:
    """Count over images with labels, at most so many of them; None where there is none."""
    labelled = [sample for sample in dataset.samples if dataset.label_paths(sample)]
    chosen = np.linspace(0, len(labelled) - 1, min(_FITTED_ON, len(labelled)), dtype=int)

    def answers() -> Iterator[SegmentationMap]:
        for number in chosen.tolist():
            try:
                yield answer(dataset, labelled[number])
            except UnreadableImageError:
                continue  # the store has named it

    return count_pixels(dataset, answers(), num_clusters)[0] if labelled and dataset.has_ground_truth else None


def write_pictures(
    run: Run,
    dataset: ImageDataset,
    names: Container[str],
    num_clusters: int,
    score: DenseScore,
    *,
    max_overlays: int = 50,
) -> tuple[Sample, ...]:
    """Write labelIds, colours and overlays from the ``clusterIds`` of ``write_dense``.

    Args:
        run: Folder that holds them.
        dataset: The split.
        names: ``Sample.name`` of the images that have such a map.
        num_clusters: K.
        score: Which class each cluster is read as.
        max_overlays: Overlays are drawn for this many images, spread evenly over the split.

    Returns:
        The samples that have maps.
    """
    mapping = score.cluster_to_label
    if mapping is not None:
        # with groups, 0 is a class: a cluster that matches nothing must be none
        spare = 0 if dataset.reading.classes is None else IGNORED
        mapping = {cluster: mapping.get(cluster, spare) for cluster in range(num_clusters)}
    style = FrameStyle.plain(num_clusters, dataset, mapping, score.cluster_names)
    mapped = [sample for sample in dataset.samples if sample.name in names]
    drawn = set(np.linspace(0, len(mapped) - 1, min(max_overlays, len(mapped)), dtype=int).tolist())
    for number, sample in enumerate(mapped):
        image = np.ascontiguousarray(dataset.read_image(sample)[..., :3]) if number in drawn else None
        write_frame(run, read_dense(run, sample), style, image)
    return tuple(mapped)


def read_dense(run: Run, sample: Sample) -> SegmentationMap:
    """Read a map of ``write_dense`` back; the file holds no confidence, so that it is 1 everywhere."""
    clusters = read_index_map(run.cluster_ids / f"{sample.name}_clusterIds.png").astype(np.int16)
    return SegmentationMap(sample.name, clusters, np.ones(clusters.shape, np.float32))


def dense_painter(run: Run, dataset: ImageDataset, num_clusters: int) -> Callable[[str], NDArray[np.uint8]]:
    """Make a function that draws one image with its clusters when it is asked for, as ``pictures.frame_painter``."""
    samples = {sample.name: sample for sample in dataset.samples}

    def painted(name: str) -> NDArray[np.uint8]:
        image = np.ascontiguousarray(dataset.read_image(samples[name])[..., :3])
        return paint(image, read_dense(run, samples[name]).clusters, cluster_colors(num_clusters))

    return painted


def segment_folder(
    answer_run: Run, dataset: ImageDataset, answer: Answer, style: FrameStyle, *, max_overlays: int, strict: bool
) -> tuple[int, int]:
    """Answer for every image of a folder, one at a time, and write its maps.

    Args:
        answer_run: Folder to write to.
        dataset: The images.
        answer: What is said about an image.
        style: Colours, legend and label ids.
        max_overlays: Overlays are drawn for this many images, spread evenly over the folder.
        strict: Whether an unreadable image stops the job instead of being skipped.

    Returns:
        Images answered for, and images skipped.

    Raises:
        UnreadableImageError: An image is unreadable, and ``strict``.
    """
    count = len(dataset.samples)
    drawn = set(np.linspace(0, count - 1, min(max_overlays, count), dtype=int).tolist())
    skipped = 0
    for number, sample in enumerate(dataset.samples):
        try:
            found = answer(dataset, sample)
            image = np.ascontiguousarray(dataset.read_image(sample)[..., :3]) if number in drawn else None
        except UnreadableImageError as error:
            if strict:
                raise
            skipped += 1
            log.warning("skipped %s: %s", error.path, error.reason)
            continue
        write_frame(answer_run, found, style, image)
        _write_georeferenced(answer_run, sample, found)
    return count - skipped, skipped


def format_dense(score: DenseScore, split: str, train_split: str) -> str:
    """Format the scores as text: one row for the method and one for each baseline, the classes' IoU below.

    Args:
        score: Of a split with ground truth.
        split: Its name.
        train_split: Of the training, whose labels the second matching was fitted on.
    """
    assert score.metrics is not None  # nobody formats nothing
    rows = [("this run", score.metrics), *(score.baselines or {}).items()]
    width = max(len(name) for name, _ in rows)
    lines = [f"{'pixel accuracy':{width}}  one to one  majority  mean IoU"]
    lines += [
        f"{name:{width}}  {found.hungarian.pixel_accuracy:10.3f}  {found.majority.pixel_accuracy:8.3f}"
        f"  {found.hungarian.mean_iou:8.3f}"
        for name, found in rows
    ]
    lines.append(f"{'largest class':{width}}  {score.metrics.accuracy_floor:10.3f}")
    lines.append(f"\nClusters matched on the labels of {split or 'this split'} itself (the paper's protocol).")
    if score.metrics.transferred is not None:
        found = score.metrics.transferred
        lines.append(
            f"Matched on {train_split} instead: one to one {found['hungarian'].pixel_accuracy:.3f}, "
            f"majority {found['majority'].pixel_accuracy:.3f}."
        )
    shown = score.metrics.hungarian if score.matching == "hungarian" else score.metrics.majority
    lines.append("IoU: " + ", ".join(f"{name} {value:.3f}" for name, value in shown.iou.items()))
    return "\n".join(lines)
