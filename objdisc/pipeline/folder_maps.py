"""Maps of a folder of any size, shard by shard: finished shards are kept, and memory does not grow."""

import csv
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from objdisc.datasets.base import ImageDataset
from objdisc.errors import ObjdiscError, UsageError
from objdisc.imaging.spread import spread_evenly
from objdisc.inference.predict import Predictions
from objdisc.inference.stitching import paint_regions
from objdisc.inference.streaming import CutImage, Predict, stream
from objdisc.io.files import atomic_write
from objdisc.io.hashing import digest_json
from objdisc.io.progress import progress_bar
from objdisc.io.run import Run
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.shards import CutJob, ShardPlan
from objdisc.patches.windows import PatchOptions
from objdisc.pipeline.maps import FrameStyle, write_frame
from objdisc.pipeline.segmented_shards import FORMAT_VERSION, SegmentedImage, SegmentedShard
from objdisc.retrieval import Centers
from objdisc.types import UNKNOWN

log = logging.getLogger("objdisc")

_REPORTED = 10  # skipped images that are named one by one
_PLACE = ["image", "sample", "x", "y", "width", "height", "area"]
_FOUND = ["cluster", "confidence", "objectness", "distance", "best_cluster", "name"]


@dataclass
class Totals:
    """The totals of a folder so far.

    Attributes:
        images: Images that could be read.
        skipped: Images that could not.
        reused: Images whose objects are known from an earlier, perhaps interrupted, call.
        clusters: Number of objects in each cluster, also of ``UNKNOWN`` ones.
        squares: Number of objects that are only squares.
    """

    images: int = 0
    skipped: int = 0
    reused: int = 0
    clusters: Counter[int] = field(default_factory=Counter)
    squares: int = 0

    @property
    def objects(self) -> int:
        """The number of all objects, including unknown ones."""
        return self.clusters.total()


@dataclass(frozen=True, eq=False)
class FolderJob:
    """A folder to segment.

    Attributes:
        output: Where the maps go.
        dataset: The images.
        source: Where their regions come from.
        patches: How patches are cut.
        ask: The run's method.
        weights: Hash of its weights, and of what else its predictions depend on.
        centers: The run's cluster centres; None if it has none.
        threshold: Distance from all centres above which objects are unknown; None for no unknown objects.
        style: Colours and legends.
        acceptance: What tells which guessed regions lie on objects was learned from; None if it was not learned.
        names: Name of each of the K clusters in ``clusters.csv``.
        overlays: Most frames to draw, spread evenly over the folder.
        workers: Threads that cut patches.
        batch_size: Patches that go through the network at once.
        strict: Whether the first unreadable image stops the job.
    """

    output: Run
    dataset: ImageDataset
    source: ObjectnessSource
    patches: PatchOptions
    ask: Predict
    weights: str
    centers: Centers | None
    threshold: float | None
    style: FrameStyle
    acceptance: Mapping[str, Any] | None
    names: Sequence[str]
    overlays: int
    workers: int
    batch_size: int
    strict: bool

    def run(self) -> Totals:
        """Segment the folder; shards that an earlier call has finished are neither predicted nor drawn again.

        Raises:
            UsageError: No image can be used.
            UnreadableImageError: An image is unreadable, and ``strict`` is set.
            ObjdiscError: The disk is full, or the folder cannot be written.
        """
        self.source.check(self.dataset)
        if self.strict:
            self.source.refuse_problems(self.dataset)
        plans = CutJob(self.dataset, self.source, self.patches, 0).shards()
        drawn = self._drawn_samples()
        totals, first_problem = Totals(), ""
        with progress_bar("segmenting", len(self.dataset.samples)) as advance:
            try:
                for plan in plans:
                    shard = self._shard(plan, totals)
                    self._draw(shard, plan, drawn)
                    first_problem = first_problem or self._note_skipped(shard, totals)
                    self._count(shard, totals)
                    advance(len(plan.span))
            except KeyboardInterrupt:
                done = totals.images + totals.skipped
                log.info("%d of %d images are finished; continuing", done, len(self.dataset.samples))
                raise
        if totals.images == 0:
            raise UsageError(f"{self.dataset.root}: none of {totals.skipped} images can be used; {first_problem}")
        self._write_list(plans)
        return totals

    def is_unknown(self, image: SegmentedImage) -> list[bool]:
        """Return for each object of an image whether it is far from every cluster."""
        if self.threshold is None:
            return [False] * len(image.regions)
        return [bool(distance > self.threshold) for distance in image.distances]

    def shown_clusters(self, image: SegmentedImage) -> list[int]:
        """Return the cluster of each object of an image, ``UNKNOWN`` for those far from all clusters."""
        pairs = zip(image.clusters.tolist(), self.is_unknown(image), strict=True)
        return [UNKNOWN if unknown else cluster for cluster, unknown in pairs]

    def _drawn_samples(self) -> frozenset[str]:
        samples = self.dataset.samples
        places = spread_evenly(len(samples), self.overlays)
        return frozenset(samples[place].name for place in places.tolist())

    def _path(self, plan: ShardPlan, suffix: str) -> Path:
        return self.output.path / "parts" / f"{plan.span.start:08d}{suffix}"

    def _key(self, plan: ShardPlan) -> str:
        root = str(self.dataset.root.absolute())  # shards hold whole paths
        known = [FORMAT_VERSION, plan.key, root, self.weights, self.centers is not None]
        return digest_json(known)

    def _shard(self, plan: ShardPlan, totals: Totals) -> SegmentedShard:
        """Take the shard that an earlier call has written, or predict its images."""
        key = self._key(plan)
        shard = SegmentedShard.read(self._path(plan, ".json"), key)
        if shard is not None and not (self.strict and shard.skipped):
            totals.reused += len(shard.images)
            return shard
        samples = [self.dataset.samples[index] for index in plan.span]
        images, skipped = [], []
        predictions = stream(
            self.dataset,
            self.source,
            self.patches,
            samples,
            self.ask,
            workers=self.workers,
            batch_size=self.batch_size,
        )
        for cut, said in predictions:
            if cut.problem is None:
                images.append(self._segmented(cut, said))
            elif self.strict:
                raise cut.problem
            else:
                skipped.append((cut.problem.path, cut.problem.reason))
        shard = SegmentedShard(key, tuple(images), tuple(skipped))
        shard.write(self._path(plan, ".json"))
        return shard

    def _segmented(self, cut: CutImage, said: Predictions | None) -> SegmentedImage:
        if said is None:
            none = np.zeros(0, np.float32)
            return SegmentedImage(
                cut.sample.name, cut.sample.image_path, cut.frame, (), none.astype(np.int64), none, none
            )
        if not (np.isfinite(said.probabilities).all() and np.isfinite(said.features).all()):
            raise ObjdiscError(f"{cut.sample.image_path}: the network's output is not finite; train the run again.")
        distances = np.full(len(cut.regions), np.nan, np.float32)
        if self.centers is not None:
            distances = self.centers.to_nearest(said.features)
        clusters, confidence = said.probabilities.argmax(axis=1), said.probabilities.max(axis=1)
        sample = cut.sample
        return SegmentedImage(sample.name, sample.image_path, cut.frame, cut.regions, clusters, confidence, distances)

    def _draw(self, shard: SegmentedShard, plan: ShardPlan, drawn: frozenset[str]) -> None:
        """Write the maps of a shard, unless the same maps already exist."""
        images = [image for image in shard.images if not image.is_one_region]
        wanted = [image.sample for image in images if image.sample in drawn]
        marker, key = self._path(plan, ".drawn"), self._drawing_key(shard, wanted)
        if marker.is_file() and marker.read_text(encoding="utf-8") == key and self._are_there(images, wanted):
            return
        samples = {self.dataset.samples[index].name: self.dataset.samples[index] for index in plan.span}
        for image in images:
            clusters = self.shown_clusters(image)
            segmentation = paint_regions(image.frame, image.regions, clusters, image.confidence, image.sample)
            pixels = self.dataset.read_image(samples[image.sample]) if image.sample in drawn else None
            write_frame(self.output, segmentation, self.style, pixels)
        with atomic_write(marker) as file:
            file.write(key)

    def _drawing_key(self, shard: SegmentedShard, wanted: Sequence[str]) -> str:
        style = self.style
        shown_as = None if style.shown_as is None else style.shown_as.tolist()
        mappings = [sorted((mapping or {}).items()) for mapping in (style.cluster_to_label, style.class_colors)]
        look = [style.colors.tolist(), sorted(style.legend.items()), *mappings, shown_as]
        return digest_json([shard.key, self.threshold, look, list(wanted)])

    def _are_there(self, images: Sequence[SegmentedImage], wanted: Sequence[str]) -> bool:
        maps = (self.output.cluster_ids / f"{image.sample}_clusterIds.png" for image in images)
        overlays = (self.output.overlays / f"{sample}.jpg" for sample in wanted)
        return all(path.is_file() for path in (*maps, *overlays))

    def _note_skipped(self, shard: SegmentedShard, totals: Totals) -> str:
        """Log the first skipped images of a folder; return the first of the shard."""
        for path, reason in shard.skipped[: max(_REPORTED - totals.skipped, 0)]:
            log.warning("skipped %s: %s", path, reason)
        return f"the first: {shard.skipped[0][0]}: {shard.skipped[0][1]}" if shard.skipped else ""

    def _count(self, shard: SegmentedShard, totals: Totals) -> None:
        totals.images += len(shard.images)
        totals.skipped += len(shard.skipped)
        for image in shard.images:
            totals.clusters.update(self.shown_clusters(image))
            totals.squares += sum(region.is_mere_square(image.frame) for region in image.regions)

    def _write_list(self, plans: Sequence[ShardPlan]) -> None:
        """Join the shards into ``clusters.csv``, with one in memory at a time."""
        with atomic_write(self.output.clusters_csv) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*_PLACE, *_FOUND])
            for plan in plans:
                shard = SegmentedShard.read(self._path(plan, ".json"), self._key(plan))
                if shard is None:
                    raise ObjdiscError(f"{self._path(plan, '.json')}: changed while it was used; segment again.")
                for image in shard.images:
                    writer.writerows(self._lines(image))

    def _lines(self, image: SegmentedImage) -> Iterator[list[object]]:
        for place, shown in enumerate(self.shown_clusters(image)):
            region, best = image.regions[place], int(image.clusters[place])
            distance = image.distances[place]
            yield [
                str(image.path),
                image.sample,
                *region.box,
                region.area,
                shown,
                f"{image.confidence[place]:.4f}",
                f"{region.score:.4f}",
                "" if np.isnan(distance) else f"{distance:.4f}",
                best,
                "unknown" if shown == UNKNOWN else self.names[best],
            ]
