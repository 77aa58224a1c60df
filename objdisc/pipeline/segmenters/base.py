"""The base that discover, segment and evaluate share: a trained method as a function of whole images."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from objdisc.config.components import Component
from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.inference.predict import Predictions, Predictor
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.store import PatchStore
from objdisc.pipeline.loading import LoadedRun
from objdisc.pipeline.options import DiscoverOptions
from objdisc.pipeline.scoring import Score
from objdisc.render.overlay import SceneLayer
from objdisc.types import Sample, SegmentationMap


@dataclass(frozen=True)
class Split:
    """A split of a data set and, if they were cut, its patches.

    Attributes:
        dataset: Its images.
        store: Its patches; None if the method needs none.
        predictions: The method's predictions for the patches.
    """

    dataset: ImageDataset
    store: PatchStore | None = None
    predictions: Predictions | None = None

    @property
    def readable(self) -> frozenset[str]:
        """``Sample.name`` of the images that could be read; all of them if none was tried."""
        names = (sample.name for sample in self.dataset.samples) if self.store is None else self.store.frames
        return frozenset(names)


@dataclass(frozen=True)
class SegmentedSplit:
    """The results for a split.

    Attributes:
        score: Agreement with the classes, if there are labels.
        mapped: Images that have maps.
        table: The agreement as text; empty without labels.
        read_frame: Function that draws an image with its clusters, by its name.
    """

    score: Score
    mapped: Sequence[Sample]
    table: str
    read_frame: Callable[[str], NDArray[np.uint8]]


@dataclass(frozen=True)
class FolderOptions:
    """How a folder of images is segmented with a finished run.

    Attributes:
        names: A names.json saved in the run's report.html; pictures and lists then show the categories named in it.
        unknown: Whether objects that are far from every cluster are marked as unknown.
        unknown_quantile: An object is far from every cluster if its nearest centre is farther away than for this share
            of the training objects.
        overlays: Draw at most this many frames.
        strict: Stop at the first unreadable image instead of skipping it.
        workers: Threads that cut patches.
        batch_size: Most patches that go through the network at once.
    """

    names: Path | None = None
    unknown: bool = True
    unknown_quantile: float = 0.99
    overlays: int = 50
    strict: bool = False
    workers: int = 2
    batch_size: int = 128

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            UsageError: A value is out of its range.
        """
        if not 0 < self.unknown_quantile <= 1:
            raise UsageError(f"--unknown-quantile {self.unknown_quantile}: give a share above 0, at most 1.")
        if self.overlays < 0 or self.workers < 0 or self.batch_size < 1:
            raise UsageError("segment: --overlays and --workers must be at least 0, --batch-size 1.")


@dataclass(frozen=True)
class SegmentedFolder:
    """The results for a folder.

    Attributes:
        folder: Where the maps are.
        images: Images that have maps.
        skipped: Images that could not be read.
        reused: Images whose results are known from an earlier call.
        regions: Number of regions in each cluster, also of ``UNKNOWN`` ones; None for a method that predicts pixels.
        names: Name of each cluster.
        threshold: Distance from every cluster above which an object is unknown; None if no object can be.
        kind: Folder of the maps of cluster ids, ``Method.map_kind``.
        warnings: Warnings, in sentences.
    """

    folder: Run
    images: int
    skipped: int
    reused: int = 0
    regions: Mapping[int, int] | None = None
    names: Sequence[str] = field(default_factory=tuple)
    threshold: float | None = None
    kind: str = "clusterIds"
    warnings: Sequence[str] = ()

    @property
    def maps(self) -> Path:
        """Folder of the maps of cluster ids, one PNG an image."""
        return self.folder.maps(self.kind)


class Segmenter(ABC):
    """A trained method as a function of whole images.

    Args:
        method: Trained.
        source: Where regions come from.
        options: Options of the run, with the device of the network.

    Attributes:
        scene: Function that returns the scene below the objects in an image's overlay, by the image's name; None
            without a scene.
    """

    lists_objects: ClassVar[bool]
    """Whether it finds objects that can be listed one by one."""

    def __init__(self, method: Method, source: ObjectnessSource, options: DiscoverOptions) -> None:
        self.source, self.options = source, options
        self.scene: Callable[[str], SceneLayer | None] | None = None
        self.predictor = Predictor(method, options.training)

    @classmethod
    def check(cls, method: Method, source: ObjectnessSource, dataset: ImageDataset) -> None:
        """Check a method's network against the channels of the images, before anything is trained.

        Raises:
            UsageError: The images have other channels, or the regions are not suitable.
        """
        channels = len(method.encoder.mean)
        if dataset.num_channels != channels:
            raise UsageError(
                f"{dataset.root}: images of {dataset.num_channels} channels, but a network for {channels}; "
                f"give --channels {dataset.num_channels}"
            )

    @classmethod
    @abstractmethod
    def choose_source(
        cls, named: Component | None, dataset: ImageDataset, run: LoadedRun, *, divided: bool = False
    ) -> ObjectnessSource:
        """Build the source of regions of a finished run on other images.

        Args:
            named: The named source; None for one that suits the images.
            dataset: The images.
            run: The run.
            divided: Whether the scenes of the images will be divided before the regions are needed.
        """

    @classmethod
    def of_run(cls, run: LoadedRun, dataset: ImageDataset, named: Component | None, *, divided: bool = False) -> Self:
        """Make the segmenter of a finished run for some images.

        Args:
            run: The run; its options name the device.
            dataset: The images.
            named: Source of regions; see ``choose_source``.
            divided: See there.

        Raises:
            UsageError: The images or the regions are not suitable for the run's method.
        """
        source = cls.choose_source(named, dataset, run, divided=divided)
        cls.check(run.method, source, dataset)
        return cls(run.method, source, run.options)

    @classmethod
    @abstractmethod
    def baseline(cls, options: DiscoverOptions) -> Method | None:
        """Build the baseline that is trained besides the method; None if the baselines need no training."""

    @abstractmethod
    def segment(self, dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        """Segment one image at its full size.

        Raises:
            UnreadableImageError: The image cannot be read.
        """

    @abstractmethod
    def prepare(self, dataset: ImageDataset, folder: Run) -> Split:
        """Cut and predict what ``segment_split`` needs of a split; files go to the folder."""

    @abstractmethod
    def segment_split(
        self, folder: Run, split: Split, *, trained_on: Split | None, baseline: Method | None, overlays: int
    ) -> SegmentedSplit:
        """Write the maps of a split, and only then compare with its labels, if it has any.

        Args:
            folder: Where maps go.
            split: The split from ``prepare``, or a similar one.
            trained_on: The split of the training; None if baselines and transferred matchings are not asked for.
            baseline: The trained baseline from ``baseline``; None if it was not asked for.
            overlays: Most images with overlays.
        """

    @abstractmethod
    def folder_job(
        self, run: LoadedRun, dataset: ImageDataset, options: FolderOptions
    ) -> Callable[[Run], SegmentedFolder]:
        """Check everything for segmenting a folder of any size; nothing is written.

        Args:
            run: The finished run that this segments with.
            dataset: The folder.
            options: The options.

        Returns:
            A function that segments, given the folder for the maps.

        Raises:
            UsageError: A check fails.
        """
