"""What every source of class-agnostic regions offers."""

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
        outlines: True where the regions are outlines of objects: small ones may then be dropped, and what the outlines
            leave free is background. False where a region is only a place to look at.
        guesses: True where many regions may hold no object; on other images than those of the training, a run then
            leaves out what its foreground head is not sure of.
        origin: Where the weights of a network come from that the source looks at images with; None where it has none.
        in_process: True where the source cannot travel to another process, such as one that holds a network.
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
        """What people have told of the images, or the network was trained with, in words; ``none`` if nothing."""
        return "none" if self.origin is None else str(self.origin)

    @property
    def wants_scene(self) -> bool:
        """Whether regions are parts of scenes that a run divides beside its objects; ``read_scenes`` says which run."""
        return False

    def read_scenes(self, scene: Run, maps: Path, origin: WeightsOrigin) -> None:
        """Take regions from the scenes of a run; for sources that want one.

        Args:
            scene: The run of the scenes. What is asked of the source may come before it; regions come after it.
            maps: Folder of the scene maps of the images.
            origin: Where the weights come from that the scenes are seen with.

        Raises:
            UsageError: The source wants no scene.
        """
        del maps, origin
        raise UsageError(f"{self.name}: its regions are no parts of scenes, and {scene.path} is of no use to it.")

    @classmethod
    def serves(cls, dataset: ImageDataset) -> bool:
        """Whether the data set has what this source reads, so that it may be chosen where no source is named.

        It is asked of every source in turn, so it looks at which files there are and into none. ``check`` may let more
        pass: what is not chosen by itself can still be asked for.
        """
        del dataset
        return True

    @abstractmethod
    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Find the regions of one image.

        Args:
            dataset: Where masks are read from.
            sample: The image.
            image: ``(H, W, 3)`` uint8 RGB, what ``dataset.read_image(sample)`` returned.

        Returns:
            Regions in an order that depends on the image alone; empty where there is none.

        Raises:
            UnreadableImageError: The image's mask is missing, unreadable, or of another size than the image.
        """

    def outlined(self, region: Region, frame: tuple[int, int]) -> Region:
        """Return a region as its patch is cut: with an outline, where the source's regions are outlines of objects.

        A box around an object is then the ellipse that it holds, since road and wall in its corners decide otherwise
        (of CamVid's training objects in boxes, 0.59 fall into a category of their class; as ellipses, 0.93). Maps,
        scores and exports keep the box.

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
        """Return ``fingerprint``, and what the regions depend on beside the files of single images."""
        del dataset
        return self.fingerprint()

    def count(self, dataset: ImageDataset, min_area: int) -> int | None:
        """Count the objects that the source knows before it has looked at any image; None where it knows none.

        Args:
            dataset: The images.
            min_area: Smaller ones, in pixels, do not count, as far as their size is known.
        """
        del dataset, min_area
        return None

    def problems(self, dataset: ImageDataset) -> list[str]:
        """List what is wrong with what the source reads, in whole lines; found before any image is decoded."""
        del dataset
        return []

    def refuse_problems(self, dataset: ImageDataset) -> None:
        """Stop, as ``--strict`` asks, where something is wrong with what images and regions are read from.

        Raises:
            UsageError: Something is; the message names the first problem.
        """
        if problems := [*dataset.problems, *self.problems(dataset)]:
            more = f" (and {len(problems) - 1} other reasons)" if len(problems) > 1 else ""
            raise UsageError(f"{dataset.root}: {problems[0]}{more}; mend it, or leave out --strict.")

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the existing files, beside the image, that the sample's regions are read from."""
        del dataset, sample
        return ()

    def check(self, dataset: ImageDataset) -> None:  # noqa: B027 - most sources need nothing of the data set
        """Say before any work whether the data set can serve this source at all.

        Raises:
            UsageError: It cannot; the message names the sources that can.
        """


class DatasetMasks(ObjectnessSource):
    """A source that reads its regions from masks of the data set itself and has no settings.

    Attributes:
        mask_name: What a mask is called in messages.
        fingerprint_name: What the source is called in the keys of patch stores, whatever a subclass is called.
    """

    mask_name: ClassVar[str]
    fingerprint_name: ClassVar[str]

    @property
    def supervision(self) -> str:
        """What people have told of the images: their masks."""
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
        """Read the sample's mask and make its regions; None where the sample has no mask.

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
        """Predict for at least one image with a mask.

        Raises:
            UsageError: No image of the data set has any.
        """
        if not any(self.has_mask(dataset, sample) for sample in dataset.samples):
            raise UsageError(
                f"{dataset.root}: no {self.mask_name}s; use --objectness folder (masks of another program), "
                "windows (no masks needed) or whole (each image is one object)."
            )

    def has_mask(self, dataset: ImageDataset, sample: Sample) -> bool:
        """Whether there are files to read the sample's mask from."""
        return bool(dataset.mask_paths(sample))
