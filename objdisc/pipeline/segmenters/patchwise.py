"""Images segmented region by region: each patch has one cluster, and its region is painted with it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Self

from objdisc.config.components import Component
from objdisc.datasets import ImageDataset
from objdisc.evaluation.annotated import label_source, labelled, labelled_pixels
from objdisc.evaluation.counts import format_table
from objdisc.imaging.colors import cluster_colors
from objdisc.inference.acceptance import Acceptance
from objdisc.inference.predict import predict
from objdisc.inference.stitching import paint_regions
from objdisc.inference.streaming import cut_image, predict_images, sure_objects
from objdisc.io.hashing import digest_json
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.naming.categories import Names, former_identities, run_identity
from objdisc.naming.names_file import read_names
from objdisc.objectness.base import ObjectnessSource
from objdisc.pipeline.acceptance import acceptance_of
from objdisc.pipeline.folder_maps import FolderJob, Totals
from objdisc.pipeline.loading import LoadedRun, choose_source, open_results, weights_name
from objdisc.pipeline.maps import FrameStyle, frame_painter, write_maps
from objdisc.pipeline.options import DiscoverOptions, baseline_of, build_method, build_store
from objdisc.pipeline.scoring import score, score_maps
from objdisc.pipeline.segmenters.base import FolderOptions, SegmentedFolder, SegmentedSplit, Segmenter, Split
from objdisc.pipeline.segmenters.legend import write_legend, write_totals
from objdisc.report.warnings import crowding_warnings, objectness_warnings
from objdisc.retrieval import Centers
from objdisc.training.encoding import patches_at_once
from objdisc.types import Sample, SegmentationMap

log = logging.getLogger("objdisc")

_ENOUGH = 50  # objects whose clusters' sizes tell something


class PatchSegmenter(Segmenter):
    """Finds the regions of an image, and paints each with the cluster of its patch."""

    lists_objects: ClassVar[bool] = True
    _run: LoadedRun | None = None

    @classmethod
    def choose_source(
        cls, named: Component | None, dataset: ImageDataset, run: LoadedRun, *, divided: bool = False
    ) -> ObjectnessSource:
        """Build the source; windows are scored by the run's foreground head, if it learned one."""
        return choose_source(named, dataset, run, divided=divided)

    @classmethod
    def baseline(cls, options: DiscoverOptions) -> Method | None:
        """Build the paper's baseline with the same frozen part of the encoder."""
        return build_method(replace(options, method=baseline_of(options.method)))

    @classmethod
    def of_run(cls, run: LoadedRun, dataset: ImageDataset, named: Component | None, *, divided: bool = False) -> Self:
        """Make the segmenter of a finished run, whose masks tell which guessed regions lie on objects."""
        made = super().of_run(run, dataset, named, divided=divided)
        made._run = run
        return made

    def _learn_acceptance(self) -> Acceptance | None:
        """Learn which guessed regions lie on objects, if that is possible."""
        if self._run is not None and self.source.guesses and self.predictor.acceptance is None:
            self.predictor.acceptance = acceptance_of(self._run, self.source, self.predictor)
        return self.predictor.acceptance

    def segment(self, dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        """Find, cut and cluster the regions of one image, and paint them."""
        self._learn_acceptance()
        found = cut_image(dataset, self.source, self.options.patches, sample)
        if found.problem is not None:
            raise found.problem
        ((found, said),) = predict_images([found], self.predictor, patches_at_once(self.options.patches.size))
        if self.source.guesses:
            found, said = sure_objects(found, said)
        if said is None:
            return paint_regions(found.frame, [], [], [], sample.name)
        clusters, confidence = said.probabilities.argmax(axis=1), said.probabilities.max(axis=1)
        return paint_regions(found.frame, found.regions, clusters.tolist(), confidence.tolist(), sample.name)

    def prepare(self, dataset: ImageDataset, folder: Run) -> Split:
        """Cut the split's patches, or reuse those in the folder, and predict them."""
        store = build_store(folder, dataset, self.source, self.options)
        return Split(dataset, store, predict(self.predictor.method, store, self.options.training))

    def segment_split(
        self, folder: Run, split: Split, *, trained_on: Split | None, baseline: Method | None, overlays: int
    ) -> SegmentedSplit:
        """Stitch the clusters of patches, and score patches and maps."""
        dataset, store, predictions = split.dataset, split.store, split.predictions
        assert store is not None  # a patchwise split has both
        assert predictions is not None
        baselines = None if baseline is None else predict(baseline, store, self.options.training)
        result = score(dataset, store, predictions, baselines)
        names, mapping = result.cluster_names, result.cluster_to_label
        shown = labelled_pixels(dataset)
        if not shown.has_ground_truth:
            mapping = None  # more classes than a map of label ids can hold, or none
        mapped = write_maps(folder, shown, store, predictions, mapping, names, max_overlays=overlays, scene=self.scene)
        painter = frame_painter(dataset, store, predictions)
        if result.clusters is None:
            return SegmentedSplit(result, mapped, "", painter)
        numbers = {**result.numbers, **score_maps(folder, dataset, mapped)}
        table = format_table(result.clusters, result.baseline, label_source(labelled(dataset)))
        return SegmentedSplit(replace(result, numbers=numbers), mapped, table, painter)

    def folder_job(
        self, run: LoadedRun, dataset: ImageDataset, options: FolderOptions
    ) -> Callable[[Run], SegmentedFolder]:
        """Check the folder's regions, the run's centres and the names of clusters."""
        self.source.check(dataset)
        num_clusters = self.options.k
        labels = None if run.summary is None else run.summary.cluster_to_label
        classes = None if run.summary is None else run.summary.cluster_names
        names = None if options.names is None else _categories(run.run, options, num_clusters)
        plain = FrameStyle.plain(num_clusters, dataset, labels, classes)
        centers = _centers_of(run.run)
        threshold = centers.threshold(options.unknown_quantile) if centers and options.unknown else None
        called = _called(names, classes, num_clusters)

        def do(folder: Run) -> SegmentedFolder:
            learned, weights = self._learn_acceptance(), weights_name(run.run)
            job = FolderJob(
                output=folder,
                dataset=dataset,
                source=self.source,
                patches=self.options.patches,
                ask=self.predictor,
                weights=weights if learned is None else digest_json([weights, learned.key]),
                acceptance=None if learned is None else learned.facts,
                centers=centers,
                threshold=threshold,
                style=plain if names is None else FrameStyle.named(names, labels),
                names=called,
                overlays=options.overlays,
                workers=options.workers,
                batch_size=min(options.batch_size, patches_at_once(self.options.patches.size)),
                strict=options.strict,
            )
            totals = job.run()
            write_legend(job, totals)
            write_totals(job, totals, options.unknown_quantile)
            return SegmentedFolder(
                folder,
                totals.images,
                totals.skipped,
                totals.reused,
                totals.clusters,
                called,
                threshold,
                warnings=_warnings(totals, num_clusters),
            )

        return do


def _warnings(totals: Totals, num_clusters: int) -> list[str]:
    """Return warnings about the objects of a folder, but not about rare clusters, since a folder may be small."""
    squares = totals.squares / totals.objects if totals.objects else 0.0
    sizes = [totals.clusters[cluster] for cluster in range(num_clusters)]
    crowded = crowding_warnings(sizes, "objects") if totals.objects >= _ENOUGH else []
    return [*objectness_warnings(squares, None), *crowded]


def _centers_of(run: Run) -> Centers | None:
    """Read the run's cluster centres; None, with the reason in the log, if it has none that fit its weights."""
    centers = Centers.read(run.centers)
    if centers is None:
        log.info("this run has no training distances: no object is marked as unknown (discover --resume adds them)")
    elif centers.weights != weights_name(run):
        log.warning("%s belongs to other weights: no object is marked as unknown", run.centers)
        centers = None
    return centers


def _categories(run: Run, options: FolderOptions, num_clusters: int) -> Names:
    """Read a names.json of this run.

    Raises:
        UsageError: It is damaged or another run's, or the run's patches, which are needed to check this, are gone.
    """
    assert options.names is not None  # asked before
    _, store = open_results(run)
    identities = (run_identity(run, store), *former_identities(run, store))
    return read_names(options.names, identities, store.foreground, Names.default(cluster_colors(num_clusters)))


def _called(names: Names | None, classes: Mapping[int, str] | None, num_clusters: int) -> Sequence[str]:
    """Return the name of each cluster: its category, else the class that it matches, else an empty text."""
    if names is None:
        return [(classes or {}).get(cluster, "") for cluster in range(num_clusters)]
    of_cluster = {cluster: category.name for category in names.categories for cluster in category.clusters}
    return [of_cluster.get(cluster, "") for cluster in range(num_clusters)]
