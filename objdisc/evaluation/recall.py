"""How many of the ground truth's objects a source of regions finds, regardless of class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.imaging.masks import regions_from_map
from objdisc.imaging.overlaps import overlap
from objdisc.objectness.base import ObjectnessSource

LIMITS: tuple[int | None, ...] = (8, 16, 32, 64, None)


@dataclass(frozen=True)
class RegionRecall:
    """The share of objects that some of an image's best regions fit; NaN if there is no object.

    Attributes:
        num_images: Images with ground truth.
        num_objects: Objects in them that are large enough.
        num_regions: Regions that were found in them.
        recall: Limit on the regions of an image, best first (None for all), to the share of objects that one of these
            fits with an intersection over union of at least the threshold.
        mean_iou: The same keys to the mean, over objects, of the best intersection over union.
    """

    num_images: int
    num_objects: int
    num_regions: int
    recall: dict[int | None, float]
    mean_iou: dict[int | None, float]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary with text keys; without a limit the key is ``all``."""
        shares = {
            name: {"all" if limit is None else str(limit): value for limit, value in values.items()}
            for name, values in (("recall", self.recall), ("mean_iou", self.mean_iou))
        }
        counts = {"num_images": self.num_images, "num_objects": self.num_objects, "num_regions": self.num_regions}
        return counts | shares


def region_recall(
    dataset: ImageDataset,
    source: ObjectnessSource,
    *,
    min_area: int = 400,
    threshold: float = 0.5,
    limits: Sequence[int | None] = LIMITS,
) -> RegionRecall:
    """Compare the regions of each image with its instance masks.

    Args:
        dataset: A split with instance masks; images without are left out.
        source: Where the regions come from. Those of an image are sorted by falling score, equal ones stay in order.
        min_area: Pixels of the smallest object that counts.
        threshold: Intersection over union of masks, 0 to 1, from which on a region fits an object.
        limits: Limits on the regions of an image; None for all.

    Returns:
        The shares over all objects.

    Raises:
        UnreadableImageError: An image or a mask cannot be read.
    """
    best: dict[int | None, list[NDArray[np.float64]]] = {limit: [] for limit in limits}
    num_images = num_regions = 0
    for sample in dataset.samples:
        instances = dataset.read_instances(sample)
        if instances is None:
            continue
        found = source.regions(dataset, sample, dataset.read_image(sample))
        num_images, num_regions = num_images + 1, num_regions + len(found)
        objects = [region for region in regions_from_map(instances) if region.area >= min_area]
        overlaps = overlap(sorted(found, key=lambda region: -region.score), objects, instances.shape)
        for limit in limits:
            best[limit].append(overlaps[:limit].max(axis=0, initial=0.0))
    joined = {limit: np.concatenate([np.zeros(0), *values]) for limit, values in best.items()}
    return RegionRecall(
        num_images,
        sum(map(len, next(iter(best.values()), []))),
        num_regions,
        {limit: _mean(values >= threshold) for limit, values in joined.items()},
        {limit: _mean(values) for limit, values in joined.items()},
    )


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.mean()) if values.size else float("nan")
