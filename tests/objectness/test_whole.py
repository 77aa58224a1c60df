"""The ``whole`` source: images that are objects, and images that are known to be none."""

from pathlib import Path

import cv2
import numpy as np

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.objectness.whole import Whole


def test_whole_images_are_objects_unless_the_data_set_knows_better(tmp_path: Path) -> None:
    for name in ("dog", "frog"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), np.zeros((6, 9, 3), np.uint8))
    for foreground, expected in ((None, [True, True]), (["dog"], [True, False])):
        dataset = ImageFolder(tmp_path, foreground=foreground)
        regions = [
            region
            for sample in dataset.samples
            for region in Whole().regions(dataset, sample, dataset.read_image(sample))
        ]
        assert [region.box for region in regions] == [(0, 0, 9, 6)] * 2
        assert [region.foreground for region in regions] == expected
        assert all(region.mask is None and region.area == 54 for region in regions)
