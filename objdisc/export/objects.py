"""The data that every format writes: a run's predicted objects with their categories, and their frames."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.inference.stitching import stitch
from objdisc.naming.categories import REJECTED, Names
from objdisc.patches.store import PatchStore
from objdisc.retrieval import Index
from objdisc.types import Patch, SegmentationMap

Objects = list[tuple[int, Patch]]

_END: tuple[str | None, Iterator[tuple[int, Patch]]] = (None, iter(()))


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of the evaluation split.

    Attributes:
        sample: ``Sample.name``.
        path: The file's path when the run was made.
        file_name: Its path below the data set's folder, ``/``-separated.
        height: In pixels.
        width: In pixels.
    """

    sample: str
    path: Path
    file_name: str
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class NamedObjects:
    """N patches of a run with their categories.

    Attributes:
        store: The patches.
        names: The categories.
        clusters: ``(N,)`` int64 cluster of each patch after single moves; -1 if the patch itself was rejected.
        categories: ``(N,)`` int64 ids from 1; -1 for background patches and rejected ones.
        confidence: ``(N,)`` float32 probability of the category, as ``Names.confidence_of`` says.
        frames: Every readable image, in the order of the store.
    """

    store: PatchStore
    names: Names
    clusters: NDArray[np.int64]
    categories: NDArray[np.int64]
    confidence: NDArray[np.float32]
    frames: tuple[Frame, ...]

    @classmethod
    def of(cls, store: PatchStore, index: Index, names: Names) -> "NamedObjects":
        """Join a run's patches and their clusters with the categories.

        Args:
            store: The evaluation split's patches.
            index: The run's predictions for them, row by row.
            names: The categories.
        """
        categories = np.where(store.foreground, names.categories_of(index.clusters), REJECTED)
        frames = (
            Frame(name, path, os.path.relpath(path, index.root).replace(os.sep, "/"), *store.frames[name])
            for name, path in index.image_paths.items()
        )
        return cls(
            store,
            names,
            names.clusters_of(index.clusters),
            categories,
            names.confidence_of(index.probabilities),
            tuple(frames),
        )

    @cached_property
    def object_rows(self) -> NDArray[np.int64]:
        """The rows of all objects that have a category."""
        return np.flatnonzero(self.categories != REJECTED)

    def score(self, row: int, patch: Patch) -> float:
        """Return the score that a patch is an object of its category: the source's score times the confidence."""
        return float(patch.region.score) * float(self.confidence[row])

    def objects(self) -> Iterator[tuple[Frame, Objects]]:
        """Yield every frame with its objects, if any, as rows and patches. Only one frame is in memory."""
        pairs = ((int(row), self.store.patch(int(row))) for row in self.object_rows)
        groups = groupby(pairs, key=lambda pair: pair[1].sample)
        sample, found = next(groups, _END)
        for frame in self.frames:
            if frame.sample == sample:
                yield frame, list(found)
                sample, found = next(groups, _END)
            else:
                yield frame, []

    def outlined(self) -> Iterator[tuple[Frame, Objects]]:
        """Yield the same as ``objects``, except for images that are one object as a whole, which need no map."""
        for frame, objects in self.objects():
            whole = (0, 0, frame.width, frame.height)
            if not any(patch.region.mask is None and patch.region.box == whole for _, patch in objects):
                yield frame, objects

    def category_map(self, frame: Frame, objects: Objects) -> NDArray[np.int64]:
        """Paint the categories of one frame; where objects overlap, the one with the higher confidence wins.

        Returns:
            ``(H, W)`` category ids, 0 for no category.
        """
        rows = [row for row, _ in objects]
        weights = np.zeros((len(rows), max(len(self.names.categories), 1)), np.float32)
        weights[np.arange(len(rows)), self.categories[rows] - 1] = self.confidence[rows]
        painted: SegmentationMap = stitch(
            (frame.height, frame.width), [patch for _, patch in objects], weights, frame.sample
        )
        return painted.clusters.astype(np.int64) + 1
