"""Tiled predictions: what a network says of single pixels survives tiling, and memory does not grow with the image."""

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.inference.predict import Predictor
from objdisc.inference.tiling import Tiling, feather, segment_image
from objdisc.types import Sample

SIDE = 32


class Brightness:
    """Stands in for a predictor: three clusters that follow the channels of each pixel alone.

    Args:
        shrink: Factor by which the output is coarser than its input.
    """

    def __init__(self, shrink: int = 1) -> None:
        self.shrink = shrink
        self.largest_batch = 0

    def pixels(self, patches: Tensor) -> Tensor:
        self.largest_batch = max(self.largest_batch, len(patches))
        output = torch.softmax(patches[..., :3].permute(0, 3, 1, 2).float() / 64, dim=1)
        return output[:, :, :: self.shrink, :: self.shrink]


class Borders:
    """A predictor that fails near the borders of its input, as networks with padding do."""

    def pixels(self, patches: Tensor) -> Tensor:
        size = patches.shape[1]
        output = torch.zeros(len(patches), 2, size, size)
        output[:, 1] = 1
        output[:, :, 4:-4, 4:-4] = torch.tensor([1.0, 0.0])[:, None, None]
        return output


def ask(predictor: object) -> Predictor:
    return cast(Predictor, predictor)


def folder_of(tmp_path: Path, pixels: NDArray[np.uint8]) -> tuple[ImageFolder, Sample]:
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., ::-1])
    dataset = ImageFolder(tmp_path)
    return dataset, dataset.samples[0]


@pytest.mark.parametrize("frame", [(32, 32), (33, 95), (70, 41), (100, 100)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.8])
def test_a_prediction_of_single_pixels_is_the_same_with_and_without_tiles(
    tmp_path: Path, frame: tuple[int, int], overlap: float
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*frame, 3), np.uint8)
    dataset, sample = folder_of(tmp_path, pixels)
    found = segment_image(ask(Brightness()), dataset, sample, Tiling(SIDE, SIDE, overlap))
    whole = torch.softmax(torch.from_numpy(pixels).float() / 64, dim=2).numpy()
    np.testing.assert_array_equal(found.clusters, whole.argmax(axis=2))
    np.testing.assert_allclose(found.confidence, whole.max(axis=2), atol=1e-5)
    assert found.clusters.dtype == np.int16
    assert found.confidence.dtype == np.float32


def test_an_image_smaller_than_a_tile_is_predicted(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 50, 3), np.uint8)
    dataset, sample = folder_of(tmp_path, pixels)
    found = segment_image(ask(Brightness()), dataset, sample, Tiling(SIDE, SIDE))
    np.testing.assert_array_equal(found.clusters, pixels.argmax(axis=2))


def test_a_coarse_output_is_enlarged_to_the_tile(tmp_path: Path) -> None:
    """Four quarters of one colour each, seen at half the scale and predicted at a quarter of that."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32, 0], pixels[:32, 32:, 1], pixels[32:, 32:, 2] = 255, 255, 255
    dataset, sample = folder_of(tmp_path, pixels)
    found = segment_image(ask(Brightness(shrink=4)), dataset, sample, Tiling(64, 32))
    assert (found.clusters == pixels.argmax(axis=2)).mean() > 0.9
    assert found.clusters.shape == (64, 64)


def test_overlap_hides_what_a_network_does_at_the_borders_of_its_input(tmp_path: Path) -> None:
    dataset, sample = folder_of(tmp_path, np.zeros((128, 128, 3), np.uint8))
    apart = segment_image(ask(Borders()), dataset, sample, Tiling(SIDE, SIDE, 0.0))
    blended = segment_image(ask(Borders()), dataset, sample, Tiling(SIDE, SIDE, 0.5))
    inner = slice(16, -16)
    assert (apart.clusters[inner, inner] == 1).mean() > 0.3
    assert (blended.clusters[inner, inner] == 1).sum() == 0


def test_weights_are_positive_symmetric_and_highest_in_the_middle() -> None:
    for side in (1, 2, 7, 32):
        weights = feather(side)
        assert (weights > 0).all()
        np.testing.assert_array_equal(weights, weights[::-1].T)
        assert weights.max() == weights[side // 2, side // 2]


class Tall(ImageFolder):
    """An image that exists only where it is looked at."""

    frame = (2_000_000 // 200, 200)

    def image_size(self, sample: Sample) -> tuple[int, int]:
        return self.frame

    def read_image(self, sample: Sample) -> NDArray[np.uint8]:
        raise AssertionError("decoded whole")

    def read_window(self, sample: Sample, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        rows = np.arange(y, y + height)[:, None] + np.zeros(width, int)
        return np.stack([rows % 251, rows % 7 * 30, rows % 3 * 80], axis=2).astype(np.uint8)


def test_memory_holds_a_strip_of_probabilities_and_not_the_image(tmp_path: Path) -> None:
    """Beside the segmentation itself, 6 bytes a pixel: numpy's memory, as tracemalloc counts it."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    dataset, peaks = Tall(tmp_path), []
    for height in (2_000, 10_000):
        dataset.frame = (height, 200)
        tracemalloc.start()
        found: Any = segment_image(ask(Brightness()), dataset, dataset.samples[0], Tiling(64, 64), whole_up_to=0)
        peaks.append(tracemalloc.get_traced_memory()[1] - found.clusters.nbytes - found.confidence.nbytes)
        tracemalloc.stop()
        rows = np.arange(height)
        expected = np.stack([rows % 251, rows % 7 * 30, rows % 3 * 80], axis=1).astype(np.uint8).argmax(axis=1)
        assert (found.clusters == expected[:, None]).all()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.slow
def test_a_tile_of_6000_pixels_stays_under_3_gigabytes(tmp_path: Path) -> None:
    """Four channels and the size of a Potsdam tile, in a process of its own; the size of the network is no matter."""
    script = f"""
import resource, sys
import cv2, numpy as np, torch
from pathlib import Path
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.methods.iic_dense import DenseIIC
from objdisc.models.encoder import build_encoder
from objdisc.inference.tiling import Tiling, segment_image
from objdisc.inference.predict import Predictor
from objdisc.training.options import TrainerOptions

class Bands(ImageFolder):
    num_channels = 4
    def image_size(self, sample): return 6000, 6000
    def read_image(self, sample): return np.random.default_rng(0).integers(0, 256, (6000, 6000, 4), np.uint8)

cv2.imwrite(r"{tmp_path}/a.png", np.zeros((4, 4, 3), np.uint8))
dataset = Bands(Path(r"{tmp_path}"))
method = DenseIIC(build_encoder("segnet:8,M,8", "none", 4), 6, overclusters=36)
options = TrainerOptions(device="cpu", background="keep", equalization=0)
found = segment_image(Predictor(method, options), dataset, dataset.samples[0], Tiling(400, 200, 0.25))
assert found.clusters.shape == (6000, 6000)
status = Path("/proc/self/status")
if status.exists():  # a child's resident set size begins with its parent's, and that is a test worker's
    print(1024 * int(status.read_text().split("VmHWM:")[1].split()[0]))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert int(result.stdout) < 3e9


def test_tiles_of_side_0_are_as_high_as_the_shorter_side() -> None:
    tiling = Tiling(0, SIDE)
    assert tiling.windows((60, 60)) == [(0, 0, 60)]
    assert {side for _, _, side in tiling.windows((40, 300))} == {40}
    assert {side for _, _, side in tiling.windows((300, 40))} == {40}


@pytest.mark.parametrize("frame", [(64, 64), (64, 90), (200, 64), (30, 20), (1, 7)])
def test_maps_that_follow_edges_cover_images_of_any_shape(tmp_path: Path, frame: tuple[int, int]) -> None:
    """Halves of two colours, seen at the scale of the network: smaller, or larger, than the image."""
    pixels = np.zeros((*frame, 3), np.uint8)
    pixels[..., 0] = 250
    pixels[:, frame[1] // 2 :] = (0, 250, 0)
    dataset, sample = folder_of(tmp_path, pixels)
    found = segment_image(ask(Brightness(shrink=2)), dataset, sample, Tiling(0, SIDE, edge_radius=0.05))
    assert found.clusters.shape == found.confidence.shape == frame
    assert (found.clusters == pixels.argmax(axis=2)).mean() > 0.9


def test_an_image_too_large_to_decode_at_once_does_not_follow_edges(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 41, 3), np.uint8)
    dataset, sample = folder_of(tmp_path, pixels)
    tiling = Tiling(SIDE, SIDE, edge_radius=0.05)
    found = segment_image(ask(Brightness()), dataset, sample, tiling, whole_up_to=100)
    plain = segment_image(ask(Brightness()), dataset, sample, Tiling(SIDE, SIDE))
    np.testing.assert_array_equal(found.clusters, plain.clusters)
