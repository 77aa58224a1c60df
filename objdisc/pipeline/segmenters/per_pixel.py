"""Images segmented pixel by pixel: overlapping tiles through the network, blended."""

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from objdisc.config.components import Component
from objdisc.datasets import ImageDataset
from objdisc.datasets.grouping import IGNORED
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.evaluation.annotated import label_source, labelled_pixels
from objdisc.evaluation.pixelcounts import PixelCounts, count_pixels
from objdisc.evaluation.seams import seam_figure, tile_borders
from objdisc.evaluation.tables import in_words_of
from objdisc.export.cityscapes import write_cluster_ids
from objdisc.export.geotiff import write_geotiff
from objdisc.imaging.colors import cluster_colors
from objdisc.imaging.decode import read_index_map
from objdisc.imaging.rasters import has_rasterio
from objdisc.imaging.spread import spread_evenly
from objdisc.inference.tiling import SegmentSample, Tiling, segment_image
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.grid import Grid
from objdisc.pipeline.loading import LoadedRun
from objdisc.pipeline.maps import FrameStyle, write_frame
from objdisc.pipeline.options import DiscoverOptions, choose_objectness
from objdisc.pipeline.pixel_baselines import pixel_baselines
from objdisc.pipeline.pixel_score import PixelScore, format_pixel_score, score_pixels
from objdisc.pipeline.scoring import Score, patch_numbers
from objdisc.pipeline.segmenters.base import FolderOptions, SegmentedFolder, SegmentedSplit, Segmenter, Split
from objdisc.render.overlay import paint
from objdisc.types import Sample, SegmentationMap

_TIFF = frozenset({".tif", ".tiff"})

log = logging.getLogger("objdisc")


class PixelSegmenter(Segmenter):
    """Cuts an image like the training's crops, and blends the network's predictions of overlapping tiles."""

    lists_objects: ClassVar[bool] = False

    def __init__(self, method: Method, source: ObjectnessSource, options: DiscoverOptions) -> None:
        super().__init__(method, source, options)
        assert isinstance(source, Grid)  # held by check
        self.kind = method.map_kind
        self.tiling = Tiling(source.side, options.patches.size, edge_radius=method.edge_radius)

    @classmethod
    def check(cls, method: Method, source: ObjectnessSource, dataset: ImageDataset) -> None:
        """Check the network against the channels of the images, and that regions are crops."""
        super().check(method, source, dataset)
        if not isinstance(source, Grid):
            raise UsageError("this method predicts each pixel: it needs crops, --objectness grid.")

    @classmethod
    def choose_source(
        cls, named: Component | None, dataset: ImageDataset, run: LoadedRun, *, divided: bool = False
    ) -> ObjectnessSource:
        """Build the crops of the training: tiles are as large as these, whatever was named."""
        del named, divided
        return choose_objectness(run.options.objectness, dataset, run.options.encoder, run.options.weights)

    @classmethod
    def baseline(cls, options: DiscoverOptions) -> Method | None:
        """Return None: k-means on pixels and an untrained network are made where they are compared."""
        return None

    def segment(self, dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        """Predict every pixel of one image, strip by strip."""
        return segment_image(self.predictor, dataset, sample, self.tiling)

    def prepare(self, dataset: ImageDataset, folder: Run) -> Split:
        """Return the split as it is: its images are read one by one."""
        return Split(dataset)

    def segment_split(
        self, folder: Run, split: Split, *, trained_on: Split | None, baseline: Method | None, overlays: int
    ) -> SegmentedSplit:
        """Predict every pixel, and score the pixels and, if asked for, those of the baselines."""
        dataset = labelled_pixels(split.dataset)
        split, labels_from = replace(split, dataset=dataset), label_source(dataset)
        counts, seams, written = self._write_maps(folder, split)
        score, table = PixelScore(), ""
        if counts is not None:
            training, baselines = dataset, iter(tuple[tuple[str, SegmentSample], ...]())
            if trained_on is not None and trained_on.store is not None:
                training = labelled_pixels(trained_on.dataset)
                if self.options.baseline:
                    baselines = pixel_baselines(self.options, training, trained_on.store, self.tiling)
            score = score_pixels(counts, dataset, training, self.segment, baselines)
            table = in_words_of(labels_from, format_pixel_score(score, dataset.split, training.split))
        mapped = self._write_pictures(folder, split, score, overlays, written)
        of_patches = {}
        if split.store is not None and split.predictions is not None:
            of_patches = patch_numbers(split.store, split.predictions)
        said = {} if counts is None else {"labels_from": labels_from}
        numbers = of_patches | score.to_json() | said | {"seams": seams}
        result = Score(numbers, cluster_to_label=score.cluster_to_label, cluster_names=score.cluster_names)
        return SegmentedSplit(result, mapped, table, self._painter(folder, dataset))

    def _write_maps(self, folder: Run, split: Split) -> tuple[PixelCounts | None, dict[str, float], set[str]]:
        """Write the map of every image, with a georeference if the image is a TIFF that has one.

        Returns:
            Pixels by class and cluster, None without ground truth; how often clusters change where tiles meet
                (``across``) and elsewhere (``inside``); and the names of the images.
        """
        seams, dataset, num_clusters = np.zeros((2, 2)), split.dataset, self.options.k
        readable, written = split.readable, set[str]()

        def maps() -> Iterator[SegmentationMap]:
            for sample in dataset.samples:
                if sample.name in readable and (found := self.segment_or_skip(dataset, sample)) is not None:
                    write_cluster_ids(folder.maps(self.kind), found, num_clusters, self.kind)
                    self._write_georeferenced(folder, sample, found)
                    np.add(seams, _seams(found.clusters, self.tiling), out=seams)
                    written.add(sample.name)
                    yield found

        counts = None
        if dataset.has_ground_truth:
            counts = count_pixels(dataset, maps(), num_clusters)
        else:
            log.info("%s has no class labels: everything except the evaluation is done", dataset.root)
            for _ in maps():
                pass
        across, inside = (float(differ / pairs) if pairs else float("nan") for differ, pairs in seams)
        seam_figures = {"across": across, "inside": inside, "ratio": across / inside if inside else float("nan")}
        return counts, seam_figures, written

    def segment_or_skip(self, dataset: ImageDataset, sample: Sample) -> SegmentationMap | None:
        """Segment an image; None, with the reason in the log, if it cannot be read and is to be skipped."""
        try:
            return self.segment(dataset, sample)
        except UnreadableImageError as error:
            if self.options.strict:
                raise
            log.warning("skipped %s: %s", error.path, error.reason)
            return None

    def _write_pictures(
        self, folder: Run, split: Split, score: PixelScore, overlays: int, written: Collection[str]
    ) -> tuple[Sample, ...]:
        """Write labelIds, colours and overlays from the maps, and return the images that have them."""
        dataset, num_clusters, mapping = split.dataset, self.options.k, score.cluster_to_label
        if mapping is not None:
            # with groups, 0 is a class: a cluster that matches nothing must be none
            spare = 0 if dataset.options.classes is None else IGNORED
            mapping = {cluster: mapping.get(cluster, spare) for cluster in range(num_clusters)}
        style = replace(FrameStyle.plain(num_clusters, dataset, mapping, score.cluster_names), kind=self.kind)
        mapped = [sample for sample in dataset.samples if sample.name in written]
        drawn = set(spread_evenly(len(mapped), overlays).tolist())
        for number, sample in enumerate(mapped):
            image = np.ascontiguousarray(dataset.read_image(sample)[..., :3]) if number in drawn else None
            write_frame(folder, self._read_map(folder, sample), style, image)
        return tuple(mapped)

    def folder_job(
        self, run: LoadedRun, dataset: ImageDataset, options: FolderOptions
    ) -> Callable[[Run], SegmentedFolder]:
        """Choose the colours of the maps."""
        labels = None if run.summary is None else run.summary.cluster_to_label
        classes = None if run.summary is None else run.summary.cluster_names
        style = replace(FrameStyle.plain(self.options.k, dataset, labels, classes), kind=self.kind)
        if self.options.data.classes is not None:
            # the run's label ids are of its groups, not of this folder's classes
            style = replace(style, class_colors=None)

        def do(folder: Run) -> SegmentedFolder:
            count = len(dataset.samples)
            drawn = set(spread_evenly(count, options.overlays).tolist())
            skipped = 0
            for number, sample in enumerate(dataset.samples):
                try:
                    found = self.segment(dataset, sample)
                    image = np.ascontiguousarray(dataset.read_image(sample)[..., :3]) if number in drawn else None
                except UnreadableImageError as error:
                    if options.strict:
                        raise
                    skipped += 1
                    log.warning("skipped %s: %s", error.path, error.reason)
                    continue
                write_frame(folder, found, style, image)
                self._write_georeferenced(folder, sample, found)
            return SegmentedFolder(folder, count - skipped, skipped, kind=self.kind)

        return do

    def _read_map(self, folder: Run, sample: Sample) -> SegmentationMap:
        """Read a map of cluster ids back; the file holds no confidence, so it is 1 everywhere."""
        path = folder.maps(self.kind) / f"{sample.name}_{self.kind}.png"
        clusters = read_index_map(path).astype(np.int16)
        return SegmentationMap(sample.name, clusters, np.ones(clusters.shape, np.float32))

    def _write_georeferenced(self, folder: Run, sample: Sample, found: SegmentationMap) -> None:
        """Also write the map as GeoTIFF beside the PNG, if the image is a TIFF and may have a georeference."""
        if sample.image_path.suffix.lower() in _TIFF and has_rasterio():
            path = folder.maps(self.kind) / f"{sample.name}_{self.kind}.tif"
            write_geotiff(path, sample.image_path, found.clusters)

    def _painter(self, folder: Run, dataset: ImageDataset) -> Callable[[str], NDArray[np.uint8]]:
        """Make a function that draws one image with its clusters on demand, as ``maps.frame_painter``."""
        samples = {sample.name: sample for sample in dataset.samples}
        palette = cluster_colors(self.options.k)

        def painted(name: str) -> NDArray[np.uint8]:
            image = np.ascontiguousarray(dataset.read_image(samples[name])[..., :3])
            return paint(image, self._read_map(folder, samples[name]).clusters, palette)

        return painted


def _seams(clusters: NDArray[np.int16], tiling: Tiling) -> NDArray[np.float64]:
    """Count pairs of neighbours across and inside tiles: those that differ, and all."""
    height, width = clusters.shape
    windows = tiling.windows((height, width))
    figure = seam_figure(clusters, *tile_borders([(x, y, side, side) for x, y, side in windows]))
    sizes = np.array([figure.pairs_across, figure.pairs_inside])
    return np.column_stack([np.nan_to_num([figure.across, figure.inside]) * sizes, sizes])
