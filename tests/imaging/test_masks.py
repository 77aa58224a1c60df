"""Run-length masks against pycocotools and plain numpy."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy import ndimage

from objdisc.imaging.masks import (
    decode_box,
    decode_crop,
    decode_mask,
    encode_mask,
    inscribed_ellipse,
    region_from_mask,
    regions_from_binary,
    regions_from_map,
)


def coco_counts(mask: NDArray[np.bool_]) -> str:
    counts: str = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    return counts


def random_masks(count: int) -> list[NDArray[np.bool_]]:
    """Noise, blocks and rectangles of many sizes, empty and full ones among them."""
    rng = np.random.default_rng(0)
    masks = [np.zeros((3, 4), np.bool_), np.ones((3, 4), np.bool_), np.ones((1, 1), np.bool_)]
    for _ in range(count):
        noise = rng.random(rng.integers(1, 25, size=2)) < rng.random()
        masks.append(np.kron(noise, np.ones(rng.integers(1, 25, size=2), np.bool_)))
    return masks


def test_encoding_is_cocos_byte_for_byte_and_decoding_undoes_it() -> None:
    for mask in random_masks(300):
        rle = encode_mask(mask)
        assert rle == {"size": list(mask.shape), "counts": coco_counts(mask)}
        np.testing.assert_array_equal(decode_mask(rle), mask)


def test_decoding_a_box_equals_slicing_the_whole() -> None:
    rng = np.random.default_rng(1)
    for mask in random_masks(100):
        (y, x), (height, width) = (rng.integers(mask.shape), rng.integers(1, 20, size=2))
        height, width = min(height, mask.shape[0] - y), min(width, mask.shape[1] - x)
        box = (int(x), int(y), int(width), int(height))
        rle = encode_mask(mask)
        np.testing.assert_array_equal(decode_crop(rle, box), mask[y : y + height, x : x + width])
        np.testing.assert_array_equal(decode_box(rle["counts"], mask.shape[0], box), decode_crop(rle, box))


def test_region_of_a_mask_has_cocos_box_and_area() -> None:
    for mask in random_masks(100):
        if not mask.any():
            continue
        region = region_from_mask(mask)
        coco = {"size": list(mask.shape), "counts": coco_counts(mask)}
        assert list(region.box) == coco_mask.toBbox(coco).tolist()
        assert region.area == coco_mask.area(coco)
        assert region.mask == coco
        assert region.foreground


def test_an_empty_mask_makes_no_region() -> None:
    with pytest.raises(ValueError, match="empty mask"):
        region_from_mask(np.zeros((4, 4), np.bool_))


@pytest.mark.parametrize("numbers", [4, 1000])
def test_an_instance_map_gives_the_region_of_each_number(numbers: int) -> None:
    rng = np.random.default_rng(numbers)
    for _ in range(100):
        coarse = rng.integers(0, numbers, size=rng.integers(1, 8, size=2), dtype=np.int32)
        instances = np.kron(coarse, np.ones(rng.integers(1, 6, size=2), np.int32))
        expected = [region_from_mask(instances == number) for number in np.unique(instances) if number]
        assert regions_from_map(instances) == expected


def test_the_masks_kept_of_an_instance_map_are_those_that_decoding_gives() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        instances = np.kron(rng.integers(0, 90, size=(12, 12), dtype=np.int32), np.ones((3, 2), np.int32))
        for region in regions_from_map(instances):
            assert region.mask is not None
            kept = decode_box(region.mask["counts"], 36, region.box)
            np.testing.assert_array_equal(kept, decode_crop(region.mask, region.box))


def test_an_instance_in_two_parts_is_one_region() -> None:
    instances = np.zeros((10, 30), np.int32)
    instances[2:4, 3:5] = instances[6:9, 20:25] = 1
    (region,) = regions_from_map(instances)
    assert region.box == (3, 2, 22, 7)
    assert region.area == 4 + 15


def test_components_are_those_of_scipy_with_eight_neighbours() -> None:
    for mask in random_masks(100):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        expected = [region_from_mask(labels == number) for number in range(1, count + 1)]
        found = regions_from_binary(mask)
        assert sorted(region.mask["counts"] for region in found if region.mask) == sorted(
            region.mask["counts"] for region in expected if region.mask
        )
        assert sorted((region.box, region.area) for region in found) == sorted(
            (region.box, region.area) for region in expected
        )


@pytest.mark.parametrize(("width", "height"), [(30, 16), (16, 31), (41, 41), (7, 60)])
def test_the_ellipse_in_a_box_is_that_of_opencv_and_fills_pi_quarters(width: int, height: int) -> None:
    found = decode_mask(inscribed_ellipse((3, 5, width, height), (70, 60)))
    drawn = np.zeros((70, 60), np.uint8)
    center, axes = (3 + (width - 1) / 2, 5 + (height - 1) / 2), (width, height)
    cv2.ellipse(drawn, (center, axes, 0.0), 1, -1)
    assert np.count_nonzero(found != drawn) < 2 * (width + height)  # OpenCV's reaches half a pixel further
    assert not (found & (drawn == 0)).any()
    assert found.sum() == pytest.approx(np.pi / 4 * width * height, rel=0.03)
    outside = found.copy()
    outside[5 : 5 + height, 3 : 3 + width] = False
    assert not outside.any()


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (2, 1, 1, 9), (0, 3, 12, 1), (4, 4, 2, 2)])
def test_the_thinnest_boxes_have_an_ellipse_too(box: tuple[int, int, int, int]) -> None:
    assert decode_mask(inscribed_ellipse(box, (10, 12))).any()
