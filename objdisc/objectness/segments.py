"""Objectness from maps of whole scenes: connected parts of clusters that behave like things."""

from collections.abc import Mapping
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
from objdisc.io.hashing import digest_file
from objdisc.io.run import Run
from objdisc.models.origin import WeightsOrigin
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.support.things import LARGEST, SMALLEST, read_things, thing_clusters
from objdisc.types import Region, Sample

_SUFFIX = "_sceneIds.png"


class Segments(ObjectnessSource):
    """Connected parts of the clusters in scene maps that behave like things; neither masks nor labels are used.

    A cluster behaves like things if its parts are compact (they fill their boxes), bounded (most of it lies in parts
    that are no larger than a fifth of the image and do not reach its border on two sides), and repeated. This is
    measured over up to 100 maps: once for a run's own scenes, so that it is the same on other images, or over the
    folder that is given. A region's score is how much its cluster behaves like things, times the share of its box that
    it fills.

    Touching things of one cluster become one region.

    Args:
        maps: Folder of scene maps, as ``discover --method scene`` writes them to ``RUN/sceneIds``: for the image
            ``a/b.jpg``, ``a/b_sceneIds.png``. None for the maps of the run itself, which divides the scenes first.
        most: Most regions of an image.

    Attributes:
        scene: The run whose own scenes are read; None if a folder was given, or if it is not set yet.
        origin: Origin of the weights of the network that sees the scenes; None if unknown.
    """

    guesses: ClassVar[bool] = True

    def __init__(self, maps: Path | None = None, most: int = 24) -> None:
        if most < 1:
            raise UsageError(f"segments: most {most}; give at least 1 region an image.")
        self.maps, self.most = None if maps is None else Path(maps), most
        self.scene: Run | None = None
        self.origin: WeightsOrigin | None = None
        self._things: Mapping[int, float] | None = None

    @property
    def wants_scene(self) -> bool:
        """True unless a folder of maps was given."""
        return self.maps is None or self.scene is not None

    def read_scenes(self, scene: Run, maps: Path, origin: WeightsOrigin) -> None:
        """Take regions from the scenes of a run, as ``ObjectnessSource`` describes."""
        self.scene, self.maps, self.origin, self._things = scene, maps, origin, None

    @property
    def supervision(self) -> str:
        """What the scenes were learned from; for a folder of maps it is unknown."""
        return str(self.origin) if self.origin else "whatever the scenes were divided with"

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Divide the sample's map, as ``ObjectnessSource`` describes; the highest score comes first."""
        path = self._map_of(sample)
        if not path.is_file():
            raise UnreadableImageError(path, f"no scene map for {sample.image_path}; run discover --method scene")
        values = read_index_map(path)
        hold_to_size(sample, path, values.shape, (image.shape[0], image.shape[1]))
        found = []
        for cluster, thingness in self._chosen().items():
            count, parts, stats, _ = cv2.connectedComponentsWithStats((values == cluster).astype(np.uint8))
            for number in range(1, count):
                _, _, width, height, area = stats[number].tolist()
                if SMALLEST * values.size <= area <= LARGEST * values.size:
                    found.append((thingness * area / (width * height), cluster, number, parts))
        found.sort(key=lambda part: (-part[0], part[1], part[2]))
        return [region_from_mask(parts == number, score=score) for score, _, number, parts in found[: self.most]]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, the clusters that are things, and, for a run's own scenes, its weights, not its maps.

        So the key stays the same when a run is moved, or replaces another.
        """
        known = self.scene is None or (self.scene.things.is_file() and self.scene.weights.is_file())
        weights = digest_file(self.scene.weights) if self.scene is not None and known else None
        things = sorted(self._chosen().items()) if known else None
        return {"source": "segments", "most": self.most, "things": things, "scene": weights}

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the sample's map if it is in a given folder; a run makes its own from the image."""
        del dataset
        path = self._map_of(sample)
        return (path,) if self.scene is None and path.is_file() else ()

    def check(self, dataset: ImageDataset) -> None:
        """Check that the folder exists and that at least one map in it fits an image.

        Raises:
            UsageError: The folder or a fitting map is missing.
        """
        if self.scene is not None:
            return  # its maps come before the regions
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

    def _chosen(self) -> Mapping[int, float]:
        """Return the clusters that behave like things, and how much; they are found only once."""
        if self._things is None:
            if self.scene is not None:
                self._things = read_things(self.scene.things)
            else:
                paths = sorted(self.maps.rglob(f"*{_SUFFIX}")) if self.maps is not None else []
                self._things = thing_clusters(paths)
        return self._things
