"""The base of sources that read annotation files: the choice of regions, and reports of what is left out."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.report import in_one_line, notes_of
from objdisc.datasets.base import ImageDataset
from objdisc.datasets.grouping import scale_map
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import image_size
from objdisc.imaging.masks import decode_mask, region_from_mask
from objdisc.imaging.overlaps import mask_of
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample

log = logging.getLogger("objdisc")


class AnnotatedRegions(ObjectnessSource):
    """Regions in annotation files, each once; their classes are not read.

    Masks may overlap and nest: a wheel, its car, and the road below are three regions. By default all of them are
    taken.

    Args:
        min_score: Leave out regions with a lower score, 0 to 1; those without a score have 1.
        min_share: Leave out regions that cover less than this share of their image.
        max_share: Leave out regions that cover more than this share, such as road and sky.
        max_overlap: Leave out a region if more than this share of it lies in a larger one that is kept: parts, and all
            but one of several almost equal masks; 1 leaves out none.

    Raises:
        UsageError: A number is not from 0 to 1.
    """

    def __init__(
        self, min_score: float = 0.0, min_share: float = 0.0, max_share: float = 1.0, max_overlap: float = 1.0
    ) -> None:
        settings = {"min_score": min_score, "min_share": min_share, "max_share": max_share, "max_overlap": max_overlap}
        for name, value in settings.items():
            if not 0 <= value <= 1:
                raise UsageError(f"{name} {value} of --objectness {self.name}: give a number from 0 to 1.")
        self.min_score, self.min_share, self.max_share, self.max_overlap = settings.values()

    @property
    def supervision(self) -> str:
        """What people or a detector have marked in the images: where objects are."""
        return "masks or boxes of annotation files, without their classes"

    @classmethod
    def format_name(cls) -> str:
        """Return ``AnnotationFormat.name`` of the format that it reads, which is the name of its own module."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def annotations_of(cls, dataset: ImageDataset) -> Annotations | None:
        """Return the data set's annotations in the source's format; None if it has none."""
        return next((each for each in dataset.annotations if each.format.name == cls.format_name()), None)

    @classmethod
    def serves(cls, dataset: ImageDataset) -> bool:
        """Whether there are files of the format that mention any image of the data set."""
        annotations = cls.annotations_of(dataset)
        return annotations is not None and annotations.covers_any

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Read the regions of one image, as ``ObjectnessSource`` describes.

        Raises:
            UnreadableImageError: The files do not mention the image, or give another size for it.
        """
        kept, _ = self._sorted_out(self._found(dataset, sample, (image.shape[0], image.shape[1])), image.shape[:2])
        return kept

    def _found(self, dataset: ImageDataset, sample: Sample, frame: tuple[int, int]) -> list[Region]:
        annotations = self._asked(dataset)
        scaled = dataset.options.scale != 1
        try:
            found = annotations.regions(sample.name, image_size(sample.image_path) if scaled else frame)
        except ValueError as error:
            raise UnreadableImageError(sample.image_path, f"{annotations}: {error}") from error
        if found is None:
            raise UnreadableImageError(sample.image_path, f"{annotations}: does not mention it")
        return list(_scaled(found, dataset.options.scale, frame)) if scaled else found

    def _sorted_out(self, regions: Sequence[Region], frame: Sequence[int]) -> tuple[list[Region], Counter[str]]:
        """Return the regions that are kept, in order, and how many are left out for each reason."""
        pixels = frame[0] * frame[1]
        left_out: Counter[str] = Counter()
        kept = []
        for region in regions:
            if region.score < self.min_score:
                left_out[f"score below {self.min_score:g}"] += 1
            elif not self.min_share * pixels <= region.area <= self.max_share * pixels:
                left_out[f"share of the image not from {self.min_share:g} to {self.max_share:g}"] += 1
            else:
                kept.append(region)
        if self.max_overlap < 1 and kept:
            inside = _inside_larger(kept, (frame[0], frame[1]), self.max_overlap)
            left_out[f"more than {self.max_overlap:g} of it in a larger region"] += sum(inside)
            kept = [region for region, part in zip(kept, inside, strict=True) if not part]
        return kept, left_out

    def fingerprint(self) -> dict[str, Any]:
        """Return the source's name and settings, and how boxes without a mask are treated."""
        names = ("min_score", "min_share", "max_share", "max_overlap")
        return {"source": self.name, "boxes": "ellipses", **{name: getattr(self, name) for name in names}}

    def fingerprint_on(self, dataset: ImageDataset) -> dict[str, Any]:
        """Return the settings, and a hash of all regions in the files, without classes."""
        return {**self.fingerprint(), "content": self._asked(dataset).facts["content"]}

    def count(self, dataset: ImageDataset, min_area: int) -> int:
        """Count the data set's objects in the files, as ``ObjectnessSource`` describes."""
        return self._asked(dataset).count(min_area)

    def check(self, dataset: ImageDataset) -> None:
        """Find the files, and log what is left out of them and why.

        Raises:
            UsageError: There are none of this format, or none mentions any image of the data set.
        """
        annotations = self._asked(dataset)
        if not annotations.covers_any:
            absent = ", ".join(annotations.matches.absent[:3]) or "none"
            raise UsageError(
                f"{annotations}: names no image of {dataset.root}; it names {absent}, the data set has "
                f"{dataset.samples[0].image_path}. Give the folder of those images, or other --annotations."
            )
        if not annotations.is_told:
            annotations.is_told = True
            images, objects = len(annotations.matches.number_of), annotations.count()
            log.info("%s: %d objects in %d of %d images", annotations, objects, images, len(dataset.samples))
            for line in self.problems(dataset):
                log.warning("%s", line)
            self._say_left_out(dataset, annotations)

    def problems(self, dataset: ImageDataset) -> list[str]:
        """List what is left out of the files, or read differently from how it is written, and why."""
        annotations = self._asked(dataset)
        later = [] if annotations.has_sizes else list(_later_notes(dataset, annotations))
        return [in_one_line(note) for note in notes_of(annotations, dataset.samples, later)]

    def _say_left_out(self, dataset: ImageDataset, annotations: Annotations) -> None:
        if (self.min_score, self.min_share, self.max_share, self.max_overlap) == (0, 0, 1, 1):
            return
        left_out: Counter[str] = Counter()
        for sample in dataset.samples:
            if annotations.matches.number_of.get(sample.name) is None:
                continue
            try:
                frame = dataset.image_size(sample)
                left_out += self._sorted_out(self._found(dataset, sample, frame), frame)[1]
            except UnreadableImageError:
                continue  # the store names it
        for reason, count in left_out.items():
            log.info("%s: %d regions left out: %s", dataset.split or "all", count, reason)

    def _asked(self, dataset: ImageDataset) -> Annotations:
        annotations = self.annotations_of(dataset)
        if annotations is None:
            there = "; ".join(map(str, dataset.annotations)) or "none"
            raise UsageError(
                f"{dataset.root}: no annotations for --objectness {self.name.replace('_', '-')} in it or beside it "
                f"(found: {there}); give them with --annotations."
            )
        return annotations


def _later_notes(dataset: ImageDataset, annotations: Annotations) -> Iterator[tuple[str, str]]:
    """Yield problems of objects in images whose size only the image file tells."""
    for sample in dataset.samples:
        if sample.name in annotations.matches.number_of and annotations.size(sample.name) is None:
            try:
                frame = image_size(sample.image_path)
            except UnreadableImageError:
                continue  # the store names it
            for reason, source_id in annotations.notes(sample.name, frame):
                yield reason, f"object {source_id} of {sample.name}"


def _scaled(regions: Sequence[Region], scale: float, frame: tuple[int, int]) -> Iterator[Region]:
    """Scale regions as the data set scales its maps; regions without any pixel left are dropped."""
    for region in regions:
        if region.mask is not None:
            mask = scale_map(decode_mask(region.mask), scale)
            if mask.any():
                made = region_from_mask(mask, score=region.score)
                yield Region(made.box, made.area, made.mask, score=made.score, source_id=region.source_id)
            continue
        x, y, width, height = region.box
        left, top = min(round(x * scale), frame[1] - 1), min(round(y * scale), frame[0] - 1)
        right, bottom = (
            min(max(round(end * scale), start + 1), side)
            for end, start, side in ((x + width, left, frame[1]), (y + height, top, frame[0]))
        )
        box = (left, top, right - left, bottom - top)
        yield Region(box, box[2] * box[3], score=region.score, source_id=region.source_id)


def _inside_larger(regions: Sequence[Region], frame: tuple[int, int], most: float) -> list[bool]:
    """Say for each region whether more than a share of it lies in one larger region that is kept."""
    masks = [mask_of(region, frame) for region in regions]
    # Of crowds, the library divides by the area of the first alone: what share of it lies in the second
    shares = coco_mask.iou(masks, masks, [1] * len(masks))
    order = sorted(range(len(regions)), key=lambda row: (-regions[row].area, -regions[row].score, row))
    inside = [False] * len(regions)
    for place, row in enumerate(order):
        inside[row] = any(not inside[other] and shares[row, other] > most for other in order[:place])
    return inside
