"""A split answered for pixel by pixel: maps at full size, and pictures of them."""

import logging
from collections.abc import Callable, Container, Iterator

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import IGNORED
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.evaluation.pixelcounts import PixelCounts, count_pixels
from objdisc.evaluation.seams import seam_figure, tile_borders
from objdisc.export.cityscapes import write_cluster_ids
from objdisc.export.geotiff import write_geotiff
from objdisc.imaging.colors import cluster_colors
from objdisc.imaging.decode import read_index_map
from objdisc.imaging.rasters import has_rasterio
from objdisc.imaging.spread import spread_evenly
from objdisc.inference.tiling import Answer, Tiling
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.grid import Grid
from objdisc.pipeline.dense_score import DenseScore
from objdisc.pipeline.maps import FrameStyle, write_frame
from objdisc.render.overlay import paint
from objdisc.types import Sample, SegmentationMap

_TIFF = frozenset({".tif", ".tiff"})

log = logging.getLogger("objdisc")


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
        counts = count_pixels(dataset, answers(), num_clusters)
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
    drawn = set(spread_evenly(len(mapped), max_overlays).tolist())
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
    drawn = set(spread_evenly(count, max_overlays).tolist())
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
