"""Which clusters of scene maps behave like things, measured without labels and saved with a run's scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.imaging.decode import read_index_map
from objdisc.imaging.spread import spread_evenly
from objdisc.io.files import read_json, write_json

SMALLEST, LARGEST = 1 / 500, 1 / 5
"""The smallest and the largest part of a scene that may be a region, as shares of the image."""

_MOST_MAPS = 100  # that are looked at, spread evenly
_UNKNOWN = (254, 65534)  # from here on, by the depth of a map, a value is no cluster
_COMPACT = 0.35  # of the box of a part, that it fills on average
_AT_BORDER = 0.35  # of the area of a cluster, at most, in parts that reach the image's border on two sides
_REPEATED = 3  # parts, at least, in all maps
_DIGITS = 6  # of how much a cluster behaves like things: it is written to a file and read again


@dataclass(frozen=True, slots=True)
class _Behaviour:
    """Statistics of the parts of a cluster over many maps.

    Attributes:
        count: Number of parts of the size of a region.
        large: Share of the cluster's pixels in larger parts.
        fill: Mean share of its box that a part of the size of a region fills.
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


def thing_clusters(paths: Sequence[Path]) -> dict[int, float]:
    """Choose the clusters that behave like things.

    Args:
        paths: Scene maps, of which at most 100, spread evenly, are used.

    Returns:
        How much each of the chosen clusters behaves like things, above 0 and at most 1.
    """
    some = [paths[place] for place in spread_evenly(len(paths), min(_MOST_MAPS, len(paths))).tolist()]
    gathered: dict[int, list[tuple[float, float, bool]]] = {}
    for path in some:
        for cluster, parts in _parts(read_index_map(path)).items():
            gathered.setdefault(cluster, []).extend(parts)
    behaviours = {cluster: _behaviour(parts) for cluster, parts in sorted(gathered.items())}
    return {cluster: round(found.thingness, _DIGITS) for cluster, found in behaviours.items() if found.is_thing}


def write_things(path: Path, things: Mapping[int, float]) -> None:
    """Write what ``thing_clusters`` chose as JSON."""
    write_json(path, {"things": {str(cluster): value for cluster, value in things.items()}})


def read_things(path: Path) -> dict[int, float]:
    """Read what ``write_things`` wrote.

    Raises:
        UsageError: The file is missing or damaged.
    """
    values = read_json(path)
    try:
        return {int(cluster): float(value) for cluster, value in values["things"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path}: damaged; delete the folder {path.parent}, and run the command that writes it."
        ) from error


def _parts(values: NDArray[np.integer]) -> dict[int, list[tuple[float, float, bool]]]:
    """Measure the connected parts of each cluster of a map.

    Returns:
        For each cluster and part: its share of the image, the share of its box that it fills, and whether it reaches
        the image's border on two sides.
    """
    found: dict[int, list[tuple[float, float, bool]]] = {}
    height, width = values.shape
    for cluster in np.unique(values).tolist():
        if cluster >= _UNKNOWN[values.dtype.itemsize - 1]:
            continue
        count, _, stats, _ = cv2.connectedComponentsWithStats((values == cluster).astype(np.uint8))
        for x, y, wide, tall, area in stats[1:count].tolist():
            sides = (x == 0) + (y == 0) + (x + wide == width) + (y + tall == height)
            found.setdefault(cluster, []).append((area / values.size, area / (wide * tall), sides >= 2))
    return found


def _behaviour(parts: list[tuple[float, float, bool]]) -> _Behaviour:
    areas, fills, beyond = (np.array(column) for column in zip(*parts, strict=True))
    sized = (areas >= SMALLEST) & (areas <= LARGEST)
    total = areas.sum()
    return _Behaviour(
        count=int(sized.sum()),
        large=float(areas[areas > LARGEST].sum() / total),
        fill=float(fills[sized].mean()) if sized.any() else 0.0,
        beyond=float(areas[beyond.astype(np.bool_)].sum() / total),
    )
