"""Affine pairs: what one view does the other undoes, checked with a checkerboard and with scipy's own resampling."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from objdisc.augmentation.affine import Affine, draw_affines, invert, reaches, warp
from objdisc.augmentation.chance import Seeds, mixed_seeds
from objdisc.errors import UsageError

SIZE = 64
STRONG = Affine(flip=0.5, rotation=30, scale=0.8, shift=0.1)


def seeds(count: int) -> Seeds:
    return mixed_seeds(3, np.arange(count))


@pytest.fixture
def checkerboard() -> torch.Tensor:
    """``(1, 1, 64, 64)``: squares of 8 pixels, the pattern in which a shift by a pixel is seen at every edge."""
    y, x = np.mgrid[:SIZE, :SIZE] // 8
    return torch.from_numpy(((y + x) % 2).astype(np.float32))[None, None]


@pytest.mark.parametrize(
    "options",
    [Affine(1), Affine(0, rotation=45), Affine(0, scale=0.7), Affine(0, shift=0.2), STRONG],
    ids=["flip", "rotation", "scale", "shift", "all"],
)
def test_what_one_view_does_the_other_undoes_to_within_a_pixel(checkerboard: torch.Tensor, options: Affine) -> None:
    """Away from the edges of the squares, more than a pixel off would show as black on white."""
    maps = draw_affines(options, seeds(20))
    board = checkerboard.expand(20, 1, SIZE, SIZE)
    back = warp(warp(board, maps), invert(maps))[:, 0]
    y, x = np.mgrid[:SIZE, :SIZE] % 8
    inner = torch.from_numpy((y >= 2) & (y <= 5) & (x >= 2) & (x <= 5))
    compared = inner & reaches(invert(maps), SIZE)
    assert compared.sum() > 1000
    assert ((back > 0.5) != (board[:, 0] > 0.5))[compared].sum() == 0


def test_a_flip_is_undone_exactly(checkerboard: torch.Tensor) -> None:
    noise = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    maps = draw_affines(Affine(flip=1), seeds(2))
    torch.testing.assert_close(warp(noise, maps), noise.flip(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(warp(warp(noise, maps), invert(maps)), noise, atol=1e-5, rtol=0)
    assert reaches(maps, SIZE).all()


def test_warp_reads_where_the_map_points(checkerboard: torch.Tensor) -> None:
    """The oracle is scipy's affine_transform, in pixel coordinates (row, column)."""
    image = ndimage.gaussian_filter(np.random.default_rng(0).random((SIZE, SIZE)), 2).astype(np.float32)
    theta = draw_affines(STRONG, mixed_seeds(7))
    ((a, b, tx), (c, d, ty)) = theta[0].double().numpy()
    center, half = (SIZE - 1) / 2, SIZE / 2
    matrix = np.array([[d, c], [b, a]])
    offset = np.array([center + ty * half, center + tx * half]) - matrix @ np.array([center, center])
    expected = ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant")
    found = warp(torch.from_numpy(image)[None, None], theta)[0, 0].numpy()
    inside = reaches(theta, SIZE)[0].numpy()
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)


def test_pixels_are_reached_where_a_picture_of_ones_stays_one() -> None:
    maps = draw_affines(STRONG, seeds(10))
    ones = warp(torch.ones(10, 1, SIZE, SIZE), maps)[:, 0]
    differ = reaches(maps, SIZE) != (ones > 1 - 1e-3)
    assert differ.float().mean() < 0.001


def test_a_sample_has_its_map_whatever_the_batch() -> None:
    together = draw_affines(STRONG, seeds(5))
    alone = draw_affines(STRONG, seeds(5)[3:4])
    assert torch.equal(together[3:4], alone)
    assert len({tuple(one.flatten().tolist()) for one in together}) == 5


def test_maps_stay_within_their_ranges() -> None:
    maps = draw_affines(Affine(0.5, rotation=20, scale=0.5, shift=0.25), seeds(300)).double()
    determinants = torch.linalg.det(maps[:, :, :2])
    assert ((determinants < 0).float().mean() - 0.5).abs() < 0.1, "half of them mirror"
    factors = determinants.abs().rsqrt()
    assert 0.5 <= factors.min() < 0.6
    assert 1.8 < factors.max() <= 2
    assert 0.4 < maps[:, :, 2].abs().max() <= 0.5
    angles = torch.rad2deg(torch.atan2(maps[:, 0, 1], maps[:, 1, 1]).abs())
    assert 18 < angles.max() <= 20.001


@pytest.mark.parametrize("wrong", [{"flip": 2}, {"rotation": -1}, {"scale": 0}, {"scale": 1.5}, {"shift": 1}])
def test_ranges_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--affine"):
        Affine(**wrong)
