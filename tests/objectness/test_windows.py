"""Sliding windows: where they lie, how they are ranked and thinned."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UsageError
from objdisc.objectness.windows import Windows, contrast, sliding_windows


@pytest.fixture
def textured(tmp_path: Path) -> ImageFolder:
    """An even picture with one textured square at (60, 20), 30 pixels wide."""
    image = np.full((80, 120, 3), 128, np.uint8)
    image[20:50, 60:90] = np.random.default_rng(0).integers(0, 256, size=(30, 30, 1))
    Image.fromarray(image).save(tmp_path / "a.png")
    return ImageFolder(tmp_path)


@pytest.mark.parametrize("frame", [(80, 120), (120, 80), (33, 57), (1, 1), (64, 64)])
@pytest.mark.parametrize("stride", [0.25, 0.5, 1.0])
def test_windows_cover_the_frame_at_every_scale_and_stay_inside(frame: tuple[int, int], stride: float) -> None:
    scales = (0.2, 0.5, 1.0)
    windows = sliding_windows(frame, scales, stride)
    sides = {max(1, round(scale * min(frame))) for scale in scales}
    assert set(windows[:, 2].tolist()) == sides
    for side in sides:
        covered = np.zeros(frame, np.int64)
        corners = windows[windows[:, 2] == side, :2]
        for x, y in corners.tolist():
            assert x >= 0
            assert y >= 0
            assert x + side <= frame[1]
            assert y + side <= frame[0]
            covered[y : y + side, x : x + side] += 1
        assert covered.min() >= 1
        for axis in (0, 1):
            steps = np.diff(np.unique(corners[:, axis]))
            assert steps.max(initial=0) <= max(1, np.ceil(stride * side))


def test_contrast_equals_the_direct_formula() -> None:
    image = np.random.default_rng(0).integers(0, 256, size=(30, 40, 3), dtype=np.uint8)
    image[:, :15] = 90
    windows = sliding_windows((30, 40), (0.3, 0.6), 0.5)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    magnitude = np.hypot(cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1))
    expected = []
    for x, y, side in windows.tolist():
        ring = side // 4
        around = np.zeros((30, 40), np.bool_)
        around[max(0, y - ring) : y + side + ring, max(0, x - ring) : x + side + ring] = True
        around[y : y + side, x : x + side] = False
        inside_mean, around_mean = magnitude[y : y + side, x : x + side].mean(), magnitude[around].mean()
        total = inside_mean + around_mean
        expected.append(inside_mean / total if total else 0.5)
    np.testing.assert_allclose(contrast(image, windows), expected, rtol=1e-4)


def test_without_a_head_the_textured_square_comes_first(textured: ImageFolder) -> None:
    source = Windows(scales=(0.4,), stride=0.25, keep=3)
    image = textured.read_image(textured.samples[0])
    regions = source.regions(textured, textured.samples[0], image)
    assert 1 <= len(regions) <= 3
    x, y, side, _ = regions[0].box
    overlap = max(0, min(x + side, 90) - max(x, 60)) * max(0, min(y + side, 50) - max(y, 20))
    assert overlap > 0.5 * 30 * 30
    assert regions[0].mask is None
    assert regions[0].area == side * side
    scores = [region.score for region in regions]
    assert scores == sorted(scores, reverse=True)


def test_a_head_decides_what_is_kept_and_overlaps_are_thinned(textured: ImageFolder) -> None:
    seen: list[tuple[int, ...]] = []

    def head(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(patches.shape)
        assert (patches[..., 3] == 255).all()
        spread = patches[..., :3].astype(np.float32).std(axis=(1, 2, 3))
        return np.asarray((spread / 80).clip(0, 1), np.float32)

    source = Windows(scales=(0.2, 0.4), stride=0.25, keep=None, threshold=0.5, max_overlap=0.3)
    source.scorer, source.scorer_name, source.scorer_size = head, "abc", 24
    regions = source.regions(textured, textured.samples[0], textured.read_image(textured.samples[0]))
    assert source.in_process
    assert regions
    assert all(shape[1:] == (24, 24, 4) for shape in seen)
    assert all(region.score >= 0.5 for region in regions)
    for index, one in enumerate(regions):
        for other in regions[:index]:
            assert _iou(one.box, other.box) <= 0.3


def test_the_key_tells_heads_and_settings_apart() -> None:
    source = Windows()
    plain = source.fingerprint()
    assert plain == Windows().fingerprint() != Windows(stride=0.25).fingerprint()
    source.scorer = lambda patches: np.ones(len(patches), np.float32)
    with pytest.raises(ValueError, match="scorer_name"):
        source.fingerprint()
    source.scorer_name = "head of run 1"
    assert source.fingerprint() != plain


@pytest.mark.parametrize("bad", [{"scales": (0.0,)}, {"scales": (1.5,)}, {"scales": ()}, {"stride": 0.0}, {"keep": 0}])
def test_settings_out_of_range_say_what_to_give(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="give"):
        Windows(**bad)  # type: ignore[arg-type]


def _iou(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0, width) * max(0, height)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
