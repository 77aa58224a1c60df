"""Objectness from maps of whole scenes: connected parts of the clusters that behave like things."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.maps import hold_to_size
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import read_index_map
from objdisc.imaging.masks import region_from_mask
from objdisc.imaging.spread import spread_evenly
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample

_SUFFIX = "_sceneIds.png"
_MOST_MAPS = 100  # that tell which clusters behave like things, spread evenly over the folder
_SMALLEST, _LARGEST = 1 / 500, 1 / 5  # of the image: a region
_UNKNOWN = (254, 65534)  # from here on, by the depth of a map, a value is no cluster
_COMPACT = 0.35  # of the box of a part, that it fills on average
_AT_BORDER = 0.35  # of the area of a cluster, at most, in parts that reach the image's border on two sides
_REPEATED = 3  # parts, at least, in all maps


@dataclass(frozen=True, slots=True)
class _Behaviour:
    """What the parts of a cluster are like, over many maps.

    Attributes:
        count: Parts of the size of a region.
        large: Share of the cluster's pixels in parts larger than that.
        fill: Mean share of its box that such a part fills.
        beyond: Share of the cluster's pixels in parts that reach the border of the image on two sides.
    """

    count: int
    large: float
    fill: float
    beyond: float

    @property
    def thingness(self) -> float:
        """How much the cluster behaves like things, 0 to 1."""
        return (1 - self.large) * (1 - self.beyond) * min(self.fill / (2 * _COMPACT), 1.0)

    @property
    def is_thing(self) -> bool:
        """Whether its parts are compact, bounded, and repeated."""
        return self.count >= _REPEATED and self.fill >= _COMPACT and self.beyond <= _AT_BORDER and self.large <= 0.5


class Segments(ObjectnessSource):
    """Connected parts of scene maps, of those clusters that behave like things; without masks, without labels.

    A cluster behaves like things where its parts are compact (they fill their boxes), bounded (most of it lies in parts
    that are no larger than a fifth of the image and do not reach its border on two sides), and repeated. What is so
    is measured over up to 100 maps of the folder. A region's score is how much its cluster behaves like things, times
    the share of its box that it fills.

    Things that touch and are of one cluster are one region.

    Args:
        maps: Folder of scene maps, as ``discover --method scene`` writes them to ``RUN/sceneIds``: for the image
            ``a/b.jpg``, ``a/b_sceneIds.png``. None for those of the run itself, which divides the scenes first.
        most: Regions of an image, at most.

    Attributes:
        awaited: Set with ``maps`` by who is going to make them: they need not be there yet.
    """

    guesses: ClassVar[bool] = True

    def __init__(self, maps: Path | None = None, most: int = 24) -> None:
        if most < 1:
            raise UsageError(f"segments: most {most}; give at least 1 region an image.")
        self.maps, self.most, self.awaited = None if maps is None else Path(maps), most, False
        self._things: dict[int, float] | None = None

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Part the sample's map, as ``ObjectnessSource`` describes; the highest score comes first."""
        path = self._map_of(sample)
        if not path.is_file():
            raise UnreadableImageError(path, f"no scene map for {sample.image_path}; run discover --method scene")
        values = read_index_map(path)
        hold_to_size(sample, path, values.shape, (image.shape[0], image.shape[1]))
        found = []
        for cluster, thingness in self._clusters(dataset).items():
            count, parts, stats, _ = cv2.connectedComponentsWithStats((values == cluster).astype(np.uint8))
            for number in range(1, count):
                _, _, width, height, area = stats[number].tolist()
                if _SMALLEST * values.size <= area <= _LARGEST * values.size:
                    found.append((thingness * area / (width * height), cluster, number, parts))
        found.sort(key=lambda part: (-part[0], part[1], part[2]))
        return [region_from_mask(parts == number, score=score) for score, _, number, parts in found[: self.most]]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings; the maps themselves are in the key by name, size and time."""
        return {"source": "segments", "most": self.most}

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the sample's map, if there is one."""
        del dataset
        path = self._map_of(sample)
        return (path,) if path.is_file() else ()

    def check(self, dataset: ImageDataset) -> None:
        """Predict for the folder and for at least one map in it that fits an image.

        Raises:
            UsageError: Neither is there.
        """
        if self.awaited:
            return
        if self.maps is None or not self.maps.is_dir():
            raise UsageError(
                f"{self.maps or 'no folder given'}: no such folder of scene maps; segments reads what objdisc discover "
                "--method scene wrote to RUN/sceneIds: give it with --objectness.maps. Only objdisc discover, without "
                "--scene none, makes them by itself."
            )
        if not any(self.files(dataset, sample) for sample in dataset.samples):
            wanted = self._map_of(dataset.samples[0])
            raise UsageError(f"{self.maps}: no map there has the name of an image; expected for instance {wanted}")

    def _map_of(self, sample: Sample) -> Path:
        return (self.maps or Path()) / f"{sample.name}{_SUFFIX}"

    def _clusters(self, dataset: ImageDataset) -> dict[int, float]:
        """Return the clusters that behave like things, and how much; measured once."""
        if self._things is None:
            paths = sorted((self.maps or Path()).rglob(f"*{_SUFFIX}"))
            some = [paths[place] for place in spread_evenly(len(paths), min(_MOST_MAPS, len(paths))).tolist()]
            self._things = _things([read_index_map(path) for path in some])
        return self._things


def _things(maps: list[NDArray[np.integer]]) -> dict[int, float]:
    """Return the clusters of some maps that behave like things, and how much each does, 0 to 1."""
    gathered: dict[int, list[tuple[float, float, bool]]] = {}
    for values in maps:
        for cluster in np.unique(values).tolist():
            if cluster >= _UNKNOWN[values.dtype.itemsize - 1]:
                continue
            count, _, stats, _ = cv2.connectedComponentsWithStats((values == cluster).astype(np.uint8))
            height, width = values.shape
            for x, y, wide, tall, area in stats[1:count].tolist():
                sides = (x == 0) + (y == 0) + (x + wide == width) + (y + tall == height)
                gathered.setdefault(cluster, []).append((area / values.size, area / (wide * tall), sides >= 2))
    behaviours = {cluster: _behaviour(parts) for cluster, parts in gathered.items()}
    return {cluster: found.thingness for cluster, found in behaviours.items() if found.is_thing}


def _behaviour(parts: list[tuple[float, float, bool]]) -> _Behaviour:
    areas, fills, beyond = (np.array(column) for column in zip(*parts, strict=True))
    sized = (areas >= _SMALLEST) & (areas <= _LARGEST)
    total = areas.sum()
    return _Behaviour(
        count=int(sized.sum()),
        large=float(areas[areas > _LARGEST].sum() / total),
        fill=float(fills[sized].mean()) if sized.any() else 0.0,
        beyond=float(areas[beyond.astype(np.bool_)].sum() / total),
    )
