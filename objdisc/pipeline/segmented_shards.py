"""A run's predictions for a few images on disk: a shard, which an interrupted segmentation need not repeat."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.io.files import atomic_write
from objdisc.io.paths import checked_name
from objdisc.types import Region

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """The objects of one image and their clusters.

    Attributes:
        sample: ``Sample.name`` of the image.
        path: Its file.
        frame: ``(height, width)`` in pixels.
        regions: Its n objects.
        clusters: ``(n,)`` int64, the most probable cluster of each.
        confidence: ``(n,)`` float32, its probability.
        distances: ``(n,)`` float32, distance to the nearest cluster centre; NaN if the run has no centres.
    """

    sample: str
    path: Path
    frame: tuple[int, int]
    regions: tuple[Region, ...]
    clusters: NDArray[np.int64]
    confidence: NDArray[np.float32]
    distances: NDArray[np.float32]

    @property
    def is_one_region(self) -> bool:
        """Whether the image as a whole is one region, so that its map would be useless."""
        whole = (0, 0, self.frame[1], self.frame[0])
        return any(region.mask is None and region.box == whole for region in self.regions)


@dataclass(frozen=True, eq=False)
class SegmentedShard:
    """A few consecutive images.

    Attributes:
        key: Hash of everything that the content depends on.
        images: Those that could be read.
        skipped: Path and reason of each that could not.
    """

    key: str
    images: tuple[SegmentedImage, ...]
    skipped: tuple[tuple[Path, str], ...]

    def write(self, path: Path) -> None:
        """Write a JSON file that appears when it is complete.

        Raises:
            ObjdiscError: The disk is full, or the folder cannot be written.
        """
        values = {
            "format": FORMAT_VERSION,
            "key": self.key,
            "images": [_image_to_json(image) for image in self.images],
            "skipped": [[str(image), reason] for image, reason in self.skipped],
        }
        with atomic_write(path) as file:
            json.dump(values, file, ensure_ascii=False, allow_nan=False)

    @classmethod
    def read(cls, path: Path, key: str) -> "SegmentedShard | None":
        """Read a shard; None if there is none with this key, or it is damaged.

        Raises:
            UsageError: It names an image whose files would be written outside the folder.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if (values["format"], values["key"]) != (FORMAT_VERSION, key):
                return None
            skipped = tuple((Path(image), str(reason)) for image, reason in values["skipped"])
            for image in values["images"]:
                checked_name(image["sample"], path)
            return cls(key, tuple(map(_image_from_json, values["images"])), skipped)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _image_to_json(image: SegmentedImage) -> dict[str, Any]:
    objects = zip(image.regions, image.clusters.tolist(), image.confidence, image.distances, strict=True)
    return {
        "sample": image.sample,
        "path": str(image.path),
        "frame": image.frame,
        "objects": [
            {
                "box": region.box,
                "area": region.area,
                "mask": None if region.mask is None else region.mask["counts"],
                "score": region.score,
                **({} if region.source_id is None else {"source_id": region.source_id}),
                "cluster": cluster,
                "confidence": float(confidence),
                "distance": None if np.isnan(distance) else float(distance),
            }
            for region, cluster, confidence, distance in objects
        ],
    }


def _image_from_json(values: Mapping[str, Any]) -> SegmentedImage:
    height, width = values["frame"]
    objects = values["objects"]
    regions = tuple(
        Region(
            tuple(item["box"]),
            item["area"],
            None if item["mask"] is None else {"size": [height, width], "counts": item["mask"]},
            score=item["score"],
            source_id=item.get("source_id"),
        )
        for item in objects
    )
    distances = [np.nan if item["distance"] is None else item["distance"] for item in objects]
    return SegmentedImage(
        values["sample"],
        Path(values["path"]),
        (height, width),
        regions,
        np.array([item["cluster"] for item in objects], np.int64),
        np.array([item["confidence"] for item in objects], np.float32),
        np.array(distances, np.float32),
    )
