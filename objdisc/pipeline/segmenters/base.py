"""What discover, segment and evaluate share: a trained method as a function of whole images."""

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
    """A split of a data set and, where they were cut, its patches.

    Attributes:
        dataset: Its images.
        store: Its patches; None where a method does without.
        predictions: What the method says about the patches.
    """

    dataset: ImageDataset
    store: PatchStore | None = None
    predictions: Predictions | None = None

    @property
    def readable(self) -> frozenset[str]:
        """``Sample.name`` of the images that could be read; all of them where none was tried."""
        names = (sample.name for sample in self.dataset.samples) if self.store is None else self.store.frames
        return frozenset(names)


@dataclass(frozen=True)
class SegmentedSplit:
    """What became of a split.

    Attributes:
        score: Agreement with the classes, where labels lie beside the images.
        mapped: Images that have maps.
        table: The agreement as text; empty without labels.
        read_frame: Draws an image with its clusters, by its name.
    """

    score: Score
    mapped: Sequence[Sample]
    table: str
    read_frame: Callable[[str], NDArray[np.uint8]]


@dataclass(frozen=True)
class FolderOptions:
    """How a folder of images is segmented with a finished run.

    Attributes:
        names: A names.json that was saved in the run's report.html: the maps' pictures and lists then show the
            categories that were named there.
        unknown: Whether objects that are far from every cluster are called unknown.
        unknown_quantile: Far is farther from the nearest cluster centre than this share of the training objects.
        overlays: Draw at most this many frames.
        strict: Stop at the first unreadable image instead of skipping it.
        workers: Threads that cut patches.
        batch_size: Patches that go through the network at once, at most.
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
            UsageError: A value that makes no sense.
        """
        if not 0 < self.unknown_quantile <= 1:
            raise UsageError(f"--unknown-quantile {self.unknown_quantile}: give a share above 0, at most 1.")
        if self.overlays < 0 or self.workers < 0 or self.batch_size < 1:
            raise UsageError("segment: --overlays and --workers must be at least 0, --batch-size 1.")


@dataclass(frozen=True)
class SegmentedFolder:
    """What was found in a folder.

    Attributes:
        folder: Where the maps are.
        images: Images that have maps.
        skipped: Images that could not be read.
        reused: Images that were known from an earlier call.
        regions: Regions of each cluster, of ``UNKNOWN`` too; None of a method that predicts for each pixel.
        names: What each cluster is called.
        threshold: Distance from every cluster above which an object is unknown; None where none is.
        kind: Folder of the maps of cluster ids, ``Method.map_kind``.
        warnings: What is suspicious, in sentences.
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
        options: Options of the run; their device is where the network runs.

    Attributes:
        scene: Finds what lies below the objects in the overlay of an image, by its name; None where nothing does.
    """

    lists_objects: ClassVar[bool]
    """Whether what it finds are objects that can be listed, one by one."""

    def __init__(self, method: Method, source: ObjectnessSource, options: DiscoverOptions) -> None:
        self.source, self.options = source, options
        self.scene: Callable[[str], SceneLayer | None] | None = None
        self.predictor = Predictor(method, options.training)

    @classmethod
    def check(cls, method: Method, source: ObjectnessSource, dataset: ImageDataset) -> None:
        """Hold a method's network to the channels of the images, before anything is trained.

        Raises:
            UsageError: The images have others, or the regions do not suit.
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
            named: What was asked for; None for whatever suits the images.
            dataset: The images.
            run: The run.
            divided: Whether the scenes of the images are going to be divided before the regions are asked for.
        """

    @classmethod
    def of_run(cls, run: LoadedRun, dataset: ImageDataset, named: Component | None, *, divided: bool = False) -> Self:
        """Make the segmenter of a finished run for some images.

        Args:
            run: The run; its options say on what device.
            dataset: The images.
            named: Source of regions; see ``choose_source``.
            divided: See there.

        Raises:
            UsageError: The images or the regions do not suit the run's method.
        """
        source = cls.choose_source(named, dataset, run, divided=divided)
        cls.check(run.method, source, dataset)
        return cls(run.method, source, run.options)

    @classmethod
    @abstractmethod
    def baseline(cls, options: DiscoverOptions) -> Method | None:
        """Build the baseline that is trained beside the method; None where what it must beat needs no training."""

    @abstractmethod
    def segment(self, dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        """Segment one image at its full size.

        Raises:
            UnreadableImageError: The image cannot be read.
        """

    @abstractmethod
    def prepare(self, dataset: ImageDataset, folder: Run) -> Split:
        """Cut and predict whatever ``segment_split`` needs of a split; what is kept goes to the folder."""

    @abstractmethod
    def segment_split(
        self, folder: Run, split: Split, *, trained_on: Split | None, baseline: Method | None, overlays: int
    ) -> SegmentedSplit:
        """Write the maps of a split, and only then compare with its labels, where it has any.

        Args:
            folder: Where maps go.
            split: From ``prepare``, or made alike.
            trained_on: The split of the training; None where baselines and transferred matchings are not asked for.
            baseline: From ``baseline``, trained; None where it was not asked for.
            overlays: Overlays are drawn for at most so many images.
        """

    @abstractmethod
    def folder_job(
        self, run: LoadedRun, dataset: ImageDataset, options: FolderOptions
    ) -> Callable[[Run], SegmentedFolder]:
        """Check all that a folder of any size is segmented with; nothing is written.

        Args:
            run: The finished run that this segments with.
            dataset: The folder.
            options: How.

        Returns:
            What does it, given the folder for the maps.

        Raises:
            UsageError: Something does not fit.
        """
