"""The ``instances`` and ``foreground`` sources on the toy city and on a hand-made frame."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.datasets.cityscapes import Cityscapes
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.objectness.base import ObjectnessSource, decode_mask, region_from_mask
from objdisc.objectness.foreground import Foreground
from objdisc.objectness.instances import Instances


@pytest.fixture
def two_touching(tmp_path: Path, write_cityscapes_frame: Callable[..., Path]) -> Path:
    """One frame with two cars that touch, and one without ground truth."""
    labels = np.full((20, 40), 7, np.uint8)
    instances = np.full((20, 40), 7, np.uint16)
    labels[5:15, 5:25] = 26
    instances[5:15, 5:15], instances[5:15, 15:25] = 26001, 26000
    image = np.zeros((20, 40, 3), np.uint8)
    write_cityscapes_frame(tmp_path, "ulm/ulm_000000_000001", image, labels, instances)
    write_cityscapes_frame(tmp_path, "ulm/ulm_000000_000002", image)
    return tmp_path


def test_each_instance_is_a_region(two_touching: Path) -> None:
    dataset = Cityscapes(two_touching)
    regions = Instances().regions(dataset, dataset.samples[0], dataset.read_image(dataset.samples[0]))
    assert [region.box for region in regions] == [(5, 5, 10, 10), (15, 5, 10, 10)]
    assert [region.area for region in regions] == [100, 100]


def test_the_regions_are_the_numbered_instances_in_their_order(toy_city: Path) -> None:
    dataset = Cityscapes(toy_city)
    seen = 0
    for sample in dataset.samples:
        instances = dataset.read_instances(sample)
        assert instances is not None
        expected = [region_from_mask(instances == number) for number in range(1, int(instances.max()) + 1)]
        assert Instances().regions(dataset, sample, dataset.read_image(sample)) == expected
        seen += len(expected)
    assert seen > 20


def test_touching_objects_are_one_component_of_the_foreground(two_touching: Path) -> None:
    dataset = Cityscapes(two_touching)
    regions = Foreground().regions(dataset, dataset.samples[0], dataset.read_image(dataset.samples[0]))
    assert [(region.box, region.area) for region in regions] == [((5, 5, 20, 10), 200)]


@pytest.mark.parametrize("source", [Instances(), Foreground()])
def test_regions_cover_what_the_data_set_calls_foreground(toy_city: Path, source: ObjectnessSource) -> None:
    dataset = Cityscapes(toy_city, "val")
    for sample in dataset.samples:
        image = dataset.read_image(sample)
        union = np.zeros(image.shape[:2], np.bool_)
        for region in source.regions(dataset, sample, image):
            assert region.mask is not None
            union |= decode_mask(region.mask)
        instances, foreground = dataset.read_instances(sample), dataset.read_foreground(sample)
        assert instances is not None
        assert foreground is not None
        np.testing.assert_array_equal(union, instances > 0 if isinstance(source, Instances) else foreground)


@pytest.mark.parametrize("source", [Instances(), Foreground()])
def test_a_frame_without_ground_truth_is_an_unusable_image(two_touching: Path, source: ObjectnessSource) -> None:
    dataset = Cityscapes(two_touching)
    source.check(dataset)
    with pytest.raises(UnreadableImageError, match="000002_leftImg8bit"):
        source.regions(dataset, dataset.samples[1], dataset.read_image(dataset.samples[1]))


@pytest.mark.parametrize("source", [Instances(), Foreground()])
def test_a_folder_of_plain_images_is_a_usage_error(tmp_path: Path, source: ObjectnessSource) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UsageError, match="--objectness folder"):
        source.check(ImageFolder(tmp_path))


def test_images_that_are_known_to_be_objects_are_foreground_without_a_mask_file(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), np.zeros((4, 6, 3), np.uint8))
    dataset = ImageFolder(tmp_path, foreground=["dog"])
    Foreground().check(dataset)
    regions = [Foreground().regions(dataset, sample, dataset.read_image(sample)) for sample in dataset.samples]
    assert [[region.box for region in found] for found in regions] == [[], [(0, 0, 6, 4)]]
    with pytest.raises(UsageError, match="no instance masks; use --objectness folder"):
        Instances().check(dataset)
