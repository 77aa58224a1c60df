"""Painting patches into frames, against a loop over pixels."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from objdisc.errors import ObjdiscError
from objdisc.imaging.masks import region_from_mask
from objdisc.inference.stitching import footprint, label_map, paint_regions, stitch
from objdisc.types import NOTHING, UNKNOWN, Patch, Region, SegmentationMap

FRAME = (24, 31)


def patch_of(region: Region, frame: tuple[int, int] = FRAME) -> Patch:
    x, y, width, height = region.box
    return Patch("street", (x, y, max(width, height)), frame, region)


def random_region(rng: np.random.Generator) -> Region:
    """Draw a ragged mask, a box without mask that may leave the frame, or a background window."""
    kind = rng.integers(0, 4)
    if kind < 2:
        mask = np.zeros(FRAME, np.bool_)
        left, top = rng.integers(0, FRAME[1] - 4), rng.integers(0, FRAME[0] - 4)
        mask[top : top + rng.integers(4, 12), left : left + rng.integers(4, 12)] = True
        return region_from_mask(mask & (rng.random(FRAME) < 0.8))
    x, y, width, height = (int(value) for value in rng.integers((-6, -6, 1, 1), (34, 27, 14, 14)))
    return Region((x, y, width, height), width * height, foreground=bool(kind == 2))


def paint_pixel_by_pixel(
    patches: list[Patch], probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Predict of each pixel which patch that holds it is the most confident: the definition."""
    clusters, confidence = np.full(FRAME, -1, np.int16), np.zeros(FRAME, np.float32)
    masks = [None if p.region.mask is None else coco_mask.decode(p.region.mask) for p in patches]
    for y in range(FRAME[0]):
        for x in range(FRAME[1]):
            for patch, mask, row in zip(patches, masks, probabilities, strict=True):
                left, top, width, height = patch.region.box
                boxed = left <= x < left + width and top <= y < top + height
                inside = boxed if mask is None else mask[y, x]
                if patch.region.foreground and inside and row.max() > confidence[y, x]:
                    clusters[y, x], confidence[y, x] = row.argmax(), row.max()
    return clusters, confidence


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools
@pytest.mark.parametrize("seed", range(10))
def test_each_pixel_belongs_to_the_most_confident_patch_that_holds_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patches = [patch_of(random_region(rng)) for _ in range(12)]
    # Few distinct values, so that equal confidences occur: the earlier patch wins them
    probabilities = rng.choice(np.array([[0.6, 0.4], [0.4, 0.6], [0.2, 0.8], [0.9, 0.1]], np.float32), 12)
    stitched = stitch(FRAME, patches, probabilities, "street")
    clusters, confidence = paint_pixel_by_pixel(patches, probabilities)
    assert np.array_equal(stitched.clusters, clusters)
    assert np.array_equal(stitched.confidence, confidence)
    assert [stitched.clusters.dtype, stitched.confidence.dtype] == [np.dtype(np.int16), np.dtype(np.float32)]
    assert (clusters >= 0).any()
    assert stitched.sample == "street"


def test_order_of_patches_does_not_matter_where_confidences_differ() -> None:
    rng = np.random.default_rng(1)
    patches = [patch_of(random_region(rng)) for _ in range(15)]
    probabilities = rng.dirichlet([1, 1, 1], 15).astype(np.float32)
    shuffled = rng.permutation(15)
    first = stitch(FRAME, patches, probabilities, "street")
    second = stitch(FRAME, [patches[row] for row in shuffled], probabilities[shuffled], "street")
    assert np.array_equal(first.clusters, second.clusters)


def test_background_patches_paint_nothing() -> None:
    background = patch_of(Region((2, 2, 9, 9), 81, foreground=False))
    stitched = stitch(FRAME, [background], np.array([[0.1, 0.9]], np.float32), "street")
    assert (stitched.clusters == -1).all()
    assert not stitched.confidence.any()


@pytest.mark.parametrize("num_clusters", [0, 3])
def test_an_image_without_patches_gives_an_empty_map(num_clusters: int) -> None:
    stitched = stitch(FRAME, [], np.zeros((0, num_clusters), np.float32), "street")
    assert stitched.clusters.shape == FRAME
    assert (stitched.clusters == -1).all()


def test_a_box_outside_the_frame_covers_nothing() -> None:
    for box in ((31, 0, 5, 5), (0, 24, 5, 5), (-9, 2, 9, 4), (3, -9, 4, 9), (90, 90, 5, 5), (-90, -90, 5, 5)):
        assert footprint(Region(box, 25), FRAME)[2].size == 0, box


def test_a_mask_of_another_size_is_an_error() -> None:
    patch = patch_of(region_from_mask(np.ones((5, 5), np.bool_)))
    with pytest.raises(ObjdiscError, match=r"mask is \(5, 5\) pixels, its frame \(24, 31\)"):
        stitch(FRAME, [patch], np.ones((1, 1), np.float32), "street")


def test_broken_probabilities_are_errors() -> None:
    patch = patch_of(Region((0, 0, 2, 2), 4))
    with pytest.raises(ObjdiscError, match="street: a cluster probability is not finite"):
        stitch(FRAME, [patch], np.array([[np.nan, 0.5]], np.float32), "street")
    with pytest.raises(ValueError, match="1 patches, but probabilities for 2"):
        stitch(FRAME, [patch], np.ones((2, 2), np.float32), "street")


def test_many_objects_of_a_full_size_frame_are_painted() -> None:
    frame = (1024, 2048)
    rows, columns = np.ogrid[: frame[0], : frame[1]]
    centers = np.random.default_rng(0).integers((100, 100), (900, 1900), (60, 2))
    patches = [
        patch_of(region_from_mask((rows - y) ** 2 + (columns - x) ** 2 < 80**2), frame) for y, x in centers.tolist()
    ]
    probabilities = np.random.default_rng(1).dirichlet([1] * 10, 60).astype(np.float32)
    stitched = stitch(frame, patches, probabilities, "street")
    assert (stitched.clusters >= 0).mean() > 0.2


def test_labels_come_from_the_mapping_and_are_zero_elsewhere() -> None:
    clusters = np.array([[-1, 0, 1], [2, 3, 0]], np.int16)
    segmentation = SegmentationMap("street", clusters, np.ones((2, 3), np.float32))
    labels = label_map(segmentation, {0: 26, 2: 24, 9: 33})
    assert labels.tolist() == [[0, 26, 0], [24, 0, 26]]
    assert labels.dtype == np.uint8
    assert not label_map(segmentation, {}).any()
    empty = replace(segmentation, clusters=np.full((2, 3), -1, np.int16))
    assert not label_map(empty, {0: 26}).any()


def test_an_unknown_region_gives_way_to_every_known_one() -> None:
    regions = [Region((0, 0, 10, 10), 100), Region((5, 5, 10, 10), 100), Region((8, 8, 10, 10), 100)]
    painted = paint_regions(FRAME, regions, [UNKNOWN, 1, UNKNOWN], [0.99, 0.2, 0.99], "street")
    assert (painted.clusters[5:15, 5:15] == 1).all()
    assert (painted.clusters[:5, :10] == UNKNOWN).all()
    assert (painted.clusters[15:18, 8:18] == UNKNOWN).all()
    assert (painted.confidence[painted.clusters == UNKNOWN] == 0).all()
    assert set(np.unique(painted.clusters)) == {UNKNOWN, -1, 1}


def test_what_is_unknown_has_label_0() -> None:
    clusters = np.array([[UNKNOWN, -1, 0, 1]], np.int16)
    segmentation = SegmentationMap("street", clusters, np.zeros((1, 4), np.float32))
    assert label_map(segmentation, {0: 24, 1: 26}).tolist() == [[0, 0, 24, 26]]
    assert label_map(segmentation, {}).tolist() == [[0, 0, 0, 0]]


def test_of_regions_of_annotation_files_the_smaller_one_wins() -> None:
    frame, wheel, car = (8, 8), Region((2, 2, 2, 2), 4, source_id="wheel"), Region((0, 0, 6, 6), 36, source_id="car")
    for regions, clusters in (([wheel, car], [1, 2]), ([car, wheel], [2, 1])):
        painted = paint_regions(frame, regions, clusters, [0.3, 0.4], "a").clusters
        expected = np.full(frame, NOTHING)
        expected[:6, :6] = 2
        expected[2:4, 2:4] = 1
        np.testing.assert_array_equal(painted, expected)
    unknown = paint_regions(frame, [wheel, car], [UNKNOWN, 2], [0.9, 0.1], "a").clusters
    assert (unknown[:6, :6] == 2).all(), "what is unknown gives way to every other"
