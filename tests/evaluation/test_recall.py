"""Recall of regions: against intersections and unions counted pixel by pixel."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.datasets.cityscapes import Cityscapes
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.evaluation.recall import region_recall
from objdisc.imaging.masks import decode_mask, region_from_mask
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.instances import Instances
from objdisc.types import Region, Sample

FrameWriter = Callable[..., Path]
SIDE, CAR, ROAD = 40, 26, 7


class Scattered(ObjectnessSource):
    """Boxes at random, every other one with a mask that leaves a corner out; not in the order of their scores."""

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        rng = np.random.default_rng(len(sample.name) + int(sample.name[-1]))
        found = []
        for index in range(30):
            y, x = rng.integers(0, SIDE - 16, 2)
            height, width = rng.integers(6, 16, 2)
            mask = np.zeros(image.shape[:2], np.bool_)
            mask[y : y + height, x : x + width] = True
            if index % 2:
                mask[y : y + 3, x : x + 3] = False
                found.append(region_from_mask(mask, score=float(rng.random())))
            else:
                box = (int(x), int(y), int(width), int(height))
                found.append(Region(box, int(height * width), score=float(rng.random())))
        return found

    def fingerprint(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def city(tmp_path: Path, write_cityscapes_frame: FrameWriter) -> Cityscapes:
    """Three frames of cars of many sizes, one frame without ground truth, one without a car."""
    for frame in range(3):
        rng = np.random.default_rng(frame)
        instances = np.full((SIDE, SIDE), ROAD, np.uint16)
        for number in range(5):
            y, x, height, width = rng.integers([0, 0, 4, 4], [26, 26, 14, 14])
            instances[y : y + height, x : x + width] = CAR * 1000 + number
        labels = np.where(instances >= 1000, CAR, ROAD).astype(np.uint8)
        write_cityscapes_frame(tmp_path, f"ulm/ulm_0_{frame}", np.zeros((SIDE, SIDE, 3), np.uint8), labels, instances)
    write_cityscapes_frame(tmp_path, "ulm/ulm_0_3", np.zeros((SIDE, SIDE, 3), np.uint8))
    road = np.full((SIDE, SIDE), ROAD, np.uint8)
    write_cityscapes_frame(tmp_path, "ulm/ulm_0_4", np.zeros((SIDE, SIDE, 3), np.uint8), road, road.astype(np.uint16))
    return Cityscapes(tmp_path)


def pixels(region: Region) -> NDArray[np.bool_]:
    if region.mask is not None:
        return decode_mask(region.mask)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    x, y, width, height = region.box
    mask[y : y + height, x : x + width] = True
    return mask


@pytest.mark.parametrize(("limit", "threshold"), [(1, 0.1), (8, 0.3), (20, 0.5), (None, 0.5)])
def test_it_equals_the_count_pixel_by_pixel(city: Cityscapes, limit: int | None, threshold: float) -> None:
    source, best = Scattered(), []
    for sample in city.samples:
        instances = city.read_instances(sample)
        if instances is None:
            continue
        found = source.regions(city, sample, city.read_image(sample))
        kept = sorted(found, key=lambda region: region.score)[::-1][:limit]
        for number in range(1, instances.max() + 1):
            truth = instances == number
            if truth.sum() >= 30:
                best.append(max((pixels(one) & truth).sum() / (pixels(one) | truth).sum() for one in kept))
    score = region_recall(city, source, min_area=30, threshold=threshold, limits=(limit,))
    assert (score.num_images, score.num_objects, score.num_regions) == (4, len(best), 120)
    assert score.recall[limit] == pytest.approx(np.mean([value >= threshold for value in best]))
    assert score.mean_iou[limit] == pytest.approx(np.mean(best))
    assert 0 < score.mean_iou[limit] < 1


def test_the_objects_themselves_find_all(city: Cityscapes) -> None:
    score = region_recall(city, Instances(), min_area=1)
    assert set(score.recall.values()) == set(score.mean_iou.values()) == {1.0}
    document = json.loads(json.dumps(score.to_json()))
    assert list(document["recall"]) == ["8", "16", "32", "64", "all"]


def test_without_ground_truth_there_is_nothing_to_say(city: Cityscapes, tmp_path: Path) -> None:
    score = region_recall(ImageFolder(tmp_path / "leftImg8bit"), Scattered())
    assert (score.num_images, score.num_objects) == (0, 0)
    assert np.isnan(score.recall[8])
    del city
