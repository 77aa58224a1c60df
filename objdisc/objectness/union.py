"""Objectness from several sources: the best regions of the first, then those of the others, without duplicates."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objdisc.config.components import Component, resolve_class_path
from objdisc.datasets.base import ImageDataset
from objdisc.errors import UsageError
from objdisc.imaging.overlaps import distinct, overlap
from objdisc.io.run import Run
from objdisc.models.origin import WeightsOrigin
from objdisc.models.weights import PACKAGED
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample

_PACKAGE = "objdisc.objectness"


class Union(ObjectnessSource):
    """Regions of several sources, without those that repeat a better one.

    The first source's best regions come first, then those of the others in the order of their names, then the rest of
    the first's. Scores of different sources cannot be compared, so a region's score is its rank: 1 for the first,
    falling evenly to ``1 / most`` for the last possible one.

    By default parts of scenes come before nodes of merge trees: parts of scenes look alike in all images, nodes stand
    out from their surroundings. On 21 frames of CamVid's training split (65 objects of at least 400 pixels, seen while
    8 were chosen to lead), and scenes of 27 clusters, the best 16 find 0.37 of the objects at IoU 0.5 and the best 24
    0.40; those of ``tree`` alone 0.32 and 0.39. With 8 clusters of scenes there are two parts in an image, and neither
    is an object: the union is then no better than ``tree``. In 32 regions it is no better with 27 clusters either
    (0.43, and 0.46 by ``tree``), in 64 it is the same (0.54).

    Args:
        encoder: Name of the network of those sources that use one.
        weights: Weights of that network, as ``--weights`` takes them.
        sources: Short names of at least two sources, the leading one first; they have their default settings.
        leading: Most regions of the first source that come before those of the others.
        most: Most regions of an image.
        max_overlap: Intersection over union above which the later of two regions is left out, 0 to 1.
        maps: Folder of scene maps for ``segments``; None for those of the run itself.

    Attributes:
        parts: The sources.
    """

    guesses: ClassVar[bool] = True

    def __init__(
        self,
        encoder: str = PACKAGED,
        weights: str = "imagenet",
        sources: Sequence[str] = ("segments", "tree"),
        leading: int = 8,
        most: int = 24,
        max_overlap: float = 0.6,
        maps: Path | None = None,
    ) -> None:
        if min(leading, most) < 1 or not 0 <= max_overlap <= 1:
            raise UsageError(
                f"union: leading {leading}, most {most}, max_overlap {max_overlap}; leading and most start at 1, "
                "max_overlap is a share from 0 to 1."
            )
        if len(set(sources)) < 2 or len(set(sources)) < len(sources):
            raise UsageError(f"union: sources {', '.join(sources) or 'none'}; give at least two different ones.")
        self.leading, self.most, self.max_overlap = leading, most, max_overlap
        given = {"encoder": encoder, "weights": weights, "maps": maps, "most": most}
        self.parts = tuple(_built(name, given) for name in sources)
        self.in_process = any(part.in_process for part in self.parts)
        self.origin = next((part.origin for part in self.parts if part.origin is not None), None)

    @property
    def supervision(self) -> str:
        """The supervision of all sources, in words; ``none`` if there is none."""
        told = {part.name: part.supervision for part in self.parts if part.supervision != "none"}
        if len(set(told.values())) == 1:
            return next(iter(told.values()))
        return "; ".join(f"{name}: {what}" for name, what in told.items()) or "none"

    @property
    def wants_scene(self) -> bool:
        """True if this holds for one of the sources."""
        return any(part.wants_scene for part in self.parts)

    def read_scenes(self, scene: Run, maps: Path, origin: WeightsOrigin) -> None:
        """Pass the run to the sources that need scenes, as ``ObjectnessSource`` describes."""
        for part in self.parts:
            if part.wants_scene:
                part.read_scenes(scene, maps, origin)

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Gather the regions of all sources, as ``ObjectnessSource`` describes; the score falls from first to last."""
        first, *others = [part.regions(dataset, sample, image) for part in self.parts]
        ordered = [*first[: self.leading], *(region for found in others for region in found), *first[self.leading :]]
        shared = overlap(ordered, ordered, image.shape[:2])
        kept = distinct(shared, range(len(ordered)), self.max_overlap)[: self.most]
        return [replace(ordered[row], score=1 - place / self.most) for place, row in enumerate(kept)]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings and those of each source."""
        return self._settings([part.fingerprint() for part in self.parts])

    def fingerprint_on(self, dataset: ImageDataset) -> dict[str, Any]:
        """Return ``fingerprint``, and what each source depends on besides the files of single images."""
        return self._settings([part.fingerprint_on(dataset) for part in self.parts])

    def problems(self, dataset: ImageDataset) -> list[str]:
        """List problems of the files that the sources read."""
        return [problem for part in self.parts for problem in part.problems(dataset)]

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the files that any of the sources reads."""
        return tuple(path for part in self.parts for path in part.files(dataset, sample))

    def check(self, dataset: ImageDataset) -> None:
        """Check every source.

        Raises:
            UsageError: One of them cannot be used with the data set.
        """
        for part in self.parts:
            part.check(dataset)

    def _settings(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "source": "union",
            "leading": self.leading,
            "most": self.most,
            "max_overlap": self.max_overlap,
            "sources": parts,
        }


def _built(name: str, given: dict[str, Any]) -> ObjectnessSource:
    """Build one of the sources.

    Raises:
        UsageError: It is unknown, needs settings of its own, is a union itself, or finds no outlines.
    """
    path = resolve_class_path(name, ObjectnessSource, _PACKAGE)
    found = Component(path).find(ObjectnessSource)
    if issubclass(found, Union) or not found.outlines:
        raise UsageError(f"union: {name} is no source of outlines; take others, such as segments and tree.")
    try:
        return Component(path).build(ObjectnessSource, **given)
    except TypeError as error:
        raise UsageError(f"union: {name} needs settings of its own ({error}); use it by itself.") from error
