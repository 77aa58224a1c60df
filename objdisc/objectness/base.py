"""The base of all sources of class-agnostic regions."""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.masks import decode_mask, encode_mask, inscribed_ellipse, region_from_mask
from objdisc.io.run import Run
from objdisc.models.origin import WeightsOrigin
from objdisc.types import Region, Sample

__all__ = ["DatasetMasks", "ObjectnessSource", "decode_mask", "encode_mask", "region_from_mask"]


class ObjectnessSource(ABC):
    """Finds the parts of an image that may hold an object; it reads no class.

    Sources are pickled to the processes that build patches: keep settings in them, not data.

    Attributes:
        outlines: True if the regions are outlines of objects: small ones may then be dropped, and everything outside
            the outlines is background. False if a region is only a place to look at.
        guesses: True if many regions may hold no object; on images other than those of the training, a run then leaves
            out those that are not expected to lie on objects.
        origin: Origin of the weights of the source's network; None if it has none.
        in_process: True if the source cannot be sent to another process, for instance because it holds a network.
    """

    outlines: ClassVar[bool] = True
    guesses: ClassVar[bool] = False
    in_process: bool = False
    origin: WeightsOrigin | None = None

    @property
    def name(self) -> str:
        """The short name: that of the module that defines the source."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def supervision(self) -> str:
        """What people have marked in the images, or the network was trained with, in words; ``none`` if nothing."""
        return "none" if self.origin is None else str(self.origin)

    @property
    def wants_scene(self) -> bool:
        """Whether regions come from scenes that a run divides besides its objects; ``read_scenes`` says which run."""
        return False

    def read_scenes(self, scene: Run, maps: Path, origin: WeightsOrigin) -> None:
        """Take regions from the scenes of a run; for sources that need one.

        Args:
            scene: The run of the scenes. It must be set before regions are found; the source may be checked earlier.
            maps: Folder of the scene maps of the images.
            origin: Origin of the weights of the network that sees the scenes.

        Raises:
            UsageError: The source needs no scenes.
        """
        del maps, origin
        raise UsageError(f"{self.name}: its regions do not come from scenes, and {scene.path} cannot be used.")

    @classmethod
    def serves(cls, dataset: ImageDataset) -> bool:
        """Whether the data set has the files that this source reads, so that it may be chosen where none is named.

        Every source is asked in turn, so it only looks at which files there are and opens none. ``check`` may accept
        more: a source that is not chosen automatically can still be named.
        """
        del dataset
        return True

    @abstractmethod
    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Find the regions of one image.

        Args:
            dataset: Where masks are read from.
            sample: The image.
            image: ``(H, W, 3)`` uint8 RGB, as ``dataset.read_image(sample)`` returned it.

        Returns:
            Regions in an order that depends on the image alone; empty where there is none.

        Raises:
            UnreadableImageError: The image's mask is missing, unreadable, or of another size than the image.
        """

    def outlined(self, region: Region, frame: tuple[int, int]) -> Region:
        """Return a region as its patch is cut: with an outline, if the source's regions are outlines of objects.

        A box around an object then becomes its inscribed ellipse, because otherwise road and wall in its corners decide
        the cluster (of CamVid's training objects in boxes, 0.59 fall into a category of their class; as ellipses,
        0.93). Maps, scores and exports keep the box.

        Args:
            region: One of ``regions``, or another box in an image.
            frame: ``(H, W)`` of its image in pixels.
        """
        if not self.outlines or not region.foreground or region.mask is not None:
            return region
        return replace(region, mask=inscribed_ellipse(region.box, frame))

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Return every setting that changes the regions, as JSON values: part of the key of a ``PatchStore``."""

    def fingerprint_on(self, dataset: ImageDataset) -> dict[str, Any]:
        """Return ``fingerprint``, and what the regions depend on besides the files of single images."""
        del dataset
        return self.fingerprint()

    def count(self, dataset: ImageDataset, min_area: int) -> int | None:
        """Count the objects that the source knows of without looking at any image; None if it knows none.

        Args:
            dataset: The images.
            min_area: Pixels of the smallest object that counts, as far as sizes are known.
        """
        del dataset, min_area
        return None

    def problems(self, dataset: ImageDataset) -> list[str]:
        """List problems of the files that the source reads, one line each, found before any image is decoded."""
        del dataset
        return []

    def refuse_problems(self, dataset: ImageDataset) -> None:
        """Raise an error, as ``--strict`` asks, if there are problems with the files of images and regions.

        Raises:
            UsageError: There are; the message names the first problem.
        """
        if problems := [*dataset.problems, *self.problems(dataset)]:
            more = f" (and {len(problems) - 1} other reasons)" if len(problems) > 1 else ""
            raise UsageError(f"{dataset.root}: {problems[0]}{more}; repair it, or leave out --strict.")

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the existing files, besides the image, that the sample's regions are read from."""
        del dataset, sample
        return ()

    def check(self, dataset: ImageDataset) -> None:  # noqa: B027 - most sources need nothing of the data set
        """Check before any work whether this source can be used with the data set at all.

        Raises:
            UsageError: It cannot; the message names the sources that can.
        """


class DatasetMasks(ObjectnessSource):
    """A source that reads its regions from masks of the data set itself and has no settings.

    Attributes:
        mask_name: Name of a mask in messages.
        fingerprint_name: Name of the source in the keys of patch stores, the same for all subclasses.
    """

    mask_name: ClassVar[str]
    fingerprint_name: ClassVar[str]

    @property
    def supervision(self) -> str:
        """What people have marked in the images: their masks."""
        return f"{self.mask_name}s that the data has, without their classes"

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Make the regions of the sample's mask, as ``ObjectnessSource`` describes."""
        regions = self.read_regions(dataset, sample)
        if regions is None:
            raise UnreadableImageError(
                sample.image_path, f"it has no {self.mask_name}; add one or use --objectness windows"
            )
        return regions

    @abstractmethod
    def read_regions(self, dataset: ImageDataset, sample: Sample) -> list[Region] | None:
        """Read the sample's mask and make its regions; None if the sample has no mask.

        Raises:
            UnreadableImageError: The mask cannot be decoded or has another size than its image.
        """

    def fingerprint(self) -> dict[str, Any]:
        """Return the source's name: it has no settings."""
        return {"source": self.fingerprint_name}

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the data set's mask files."""
        return dataset.mask_paths(sample)

    def check(self, dataset: ImageDataset) -> None:
        """Check that at least one image has a mask.

        Raises:
            UsageError: No image of the data set has one.
        """
        if not any(self.has_mask(dataset, sample) for sample in dataset.samples):
            raise UsageError(
                f"{dataset.root}: no {self.mask_name}s; use --objectness folder (masks of another program), "
                "windows (no masks needed) or whole (each image is one object)."
            )

    def has_mask(self, dataset: ImageDataset, sample: Sample) -> bool:
        """Whether there are files to read the sample's mask from."""
        return bool(dataset.mask_paths(sample))
