"""A box becomes a patch as a run's own objects became theirs."""

import numpy as np
import pytest

from objdisc.errors import UsageError
from objdisc.objectness.base import decode_mask
from objdisc.patches.windows import PatchOptions
from objdisc.retrieval.query import query_patch, query_region

IMAGE = np.random.default_rng(0).integers(1, 256, (60, 80, 3), np.uint8)
OPTIONS = PatchOptions(size=24, context=10)


def test_where_regions_are_outlines_the_ellipse_in_the_box_is_one() -> None:
    region = query_region((60, 80), (10, 20, 30, 16), outlines=True)
    assert region.mask is not None
    rows, columns = np.ogrid[:60, :80]
    ellipse = ((columns - 24.5) / 15) ** 2 + ((rows - 27.5) / 8) ** 2 <= 1
    np.testing.assert_array_equal(decode_mask(region.mask), ellipse)
    assert (region.box, region.area) == ((10, 20, 30, 16), 480)
    patch = query_patch(IMAGE, region, PatchOptions(size=36, context=10))  # 30 pixels and a margin of 3: no resampling
    np.testing.assert_array_equal(patch[10:26, 3:33, :3], IMAGE[20:36, 10:40])
    np.testing.assert_array_equal(patch[10:26, 3:33, 3] == 255, ellipse[20:36, 10:40])
    assert patch[..., 3].sum() == 255 * ellipse.sum()


def test_where_regions_are_windows_the_box_is_one() -> None:
    region = query_region((60, 80), (10, 20, 24, 24), outlines=False)
    assert region.mask is None
    patch = query_patch(IMAGE, region, OPTIONS)
    np.testing.assert_array_equal(patch[..., :3], IMAGE[20:44, 10:34])
    assert (patch[..., 3] == 255).all()


@pytest.mark.parametrize("outlines", [True, False])
def test_without_a_box_the_whole_image_is_asked_for(outlines: bool) -> None:
    region = query_region((60, 80), None, outlines=outlines)
    assert (region.box, region.area) == ((0, 0, 80, 60), 4800)
    patch = query_patch(IMAGE, region, OPTIONS)
    assert patch.shape == (24, 24, 4)
    assert patch[8:16, 2:22, 3].all()  # to its corners


@pytest.mark.parametrize(
    "box", [(-1, 0, 5, 5), (0, -1, 5, 5), (76, 0, 5, 5), (0, 56, 5, 5), (0, 0, 0, 5), (3, 3, 5, -1)]
)
def test_a_box_outside_the_image_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError, match=r"--box .*: not inside the image, which is 80 x 60 pixels"):
        query_region((60, 80), box, outlines=True)
