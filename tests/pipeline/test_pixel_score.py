"""Which images a per-pixel prediction and its baselines are counted on."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from objdisc.datasets import ImageDataset, open_dataset
from objdisc.evaluation.pixelcounts import count_pixels
from objdisc.pipeline.pixel_score import score_pixels
from objdisc.types import Sample, SegmentationMap

CLUSTERS = 3


class Rows:
    """Predicts thirds of the image, and remembers whom it was asked about."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        self.asked[dataset.split] += 1
        height, width = dataset.image_size(sample)
        clusters = np.repeat(np.arange(height) * CLUSTERS // height, width).reshape(height, width)
        return SegmentationMap(sample.name, clusters.astype(np.int16), np.ones((height, width), np.float32))


def test_baselines_are_scored_on_every_image_and_a_mapping_is_fitted_on_some(toy_city: Path) -> None:
    val, train = (open_dataset(toy_city, split) for split in ("val", "train"))
    method, baseline = Rows(), Rows()
    samples: Sequence[Sample] = val.samples
    assert min(len(samples), len(train.samples)) > 2
    counts = count_pixels(val, (method(val, sample) for sample in samples), CLUSTERS)
    score = score_pixels(counts, val, train, method, [("thirds", baseline)], fitting_images=2)
    assert method.asked == {"val": len(samples), "train": 2}
    assert baseline.asked == {"val": len(samples)}
    assert score.metrics is not None
    assert score.baselines is not None
    assert score.baselines["thirds"].hungarian == score.metrics.hungarian
