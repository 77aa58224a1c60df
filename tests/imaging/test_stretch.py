"""Measured values (depth, thermal) become the same grey in all images of a data set."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets import DataOptions, open_dataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import read_rgb
from objdisc.imaging.stretch import measure_stretch


@pytest.fixture
def depth(tmp_path: Path) -> Path:
    """Write two depth images in metres: one from 1 to 50, one from 50 to 100 with pixels that measured nothing."""
    near = np.linspace(1, 50, 40 * 50, dtype=np.float32).reshape(40, 50)
    far = np.linspace(50, 100, 40 * 50, dtype=np.float32).reshape(40, 50)
    far[0, :4] = [0, np.nan, np.inf, -np.inf]
    for name, pixels in (("near", near), ("far", far)):
        assert cv2.imwrite(str(tmp_path / f"{name}.tiff"), pixels)
    return tmp_path


def pixels_of(folder: Path, options: DataOptions | None = None) -> dict[str, NDArray[np.uint8]]:
    dataset = open_dataset(folder, "", options=options)
    return {sample.name: dataset.read_image(sample) for sample in dataset.samples}


def test_the_same_value_is_the_same_grey_in_all_images(depth: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "objdisc"):
        found = pixels_of(depth)
    assert "become black to white in all images" in caplog.text
    everything = np.concatenate([np.linspace(1, 50, 2000), np.linspace(50, 100, 2000)[4:]])
    low, high = np.percentile(everything.astype(np.float32), (1, 99))
    for name, values in (("near", np.linspace(1, 50, 2000)), ("far", np.linspace(50, 100, 2000))):
        expected = np.clip((values - low) / (high - low), 0, 1) * 255
        shown = found[name].reshape(-1, 3)
        assert shown.shape == (2000, 3)
        assert np.abs(shown[4:, 0] - expected[4:]).max() <= 0.51
        assert (shown == shown[:, :1]).all(), "three equal channels"
    assert (found["far"][0, :2] == 0).all(), "nothing was measured there"
    assert (found["far"][0, 2:4] == 0).all()


def test_values_that_somebody_names_are_taken_and_are_part_of_the_fingerprint(depth: Path) -> None:
    found = pixels_of(depth, DataOptions(stretch=(0, 200)))
    assert found["near"].max() == round(50 / 200 * 255)
    measured = open_dataset(depth, "")
    named = open_dataset(depth, "", options=DataOptions(stretch=(0, 200)))
    assert named.fingerprint()["stretch"] == [0, 200]
    assert measured.fingerprint() != named.fingerprint()
    assert DataOptions(stretch=(0, 200)).of_any_images().stretch == (0, 200), "a run reads other images alike"
    for wrong in ((1.0, 1.0), (2.0, 1.0), (0.0, float("nan"))):
        with pytest.raises(UsageError, match=r"--data\.stretch"):
            DataOptions(stretch=wrong)


def test_one_channel_of_16_bits_is_stretched_and_ordinary_images_are_read_as_ever(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    thermal = np.linspace(29_000, 31_000, 24 * 32).astype(np.uint16).reshape(24, 32)
    (tmp_path / "thermal").mkdir()
    cv2.imwrite(str(tmp_path / "thermal" / "a.tif"), thermal)
    found = pixels_of(tmp_path / "thermal")["a"]
    assert (found.min(), found.max()) == (0, 255)
    colors = random.integers(0, 1 << 16, (24, 32, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "rgb16.tif"), colors)
    cv2.imwrite(str(tmp_path / "rgb16.png"), colors)
    cv2.imwrite(str(tmp_path / "grey16.png"), colors[..., 0])
    cv2.imwrite(str(tmp_path / "grey8.tif"), (colors[..., 0] // 257).astype(np.uint8))
    Image.fromarray((colors // 257).astype(np.uint8)).save(tmp_path / "rgb8.tif")
    for path in tmp_path.glob("*.*"):
        assert measure_stretch([path]) is None, path
        np.testing.assert_array_equal(read_rgb(path, (0.0, 10.0)), read_rgb(path))
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb16.tif"), read_rgb(tmp_path / "rgb16.png"))


def test_images_of_nothing_and_of_one_value_are_read(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "nothing.tif"), np.zeros((8, 8), np.float32))
    assert measure_stretch([tmp_path / "nothing.tif"]) == (0, 1)
    cv2.imwrite(str(tmp_path / "seven.tif"), np.full((8, 8), 7, np.float32))
    assert measure_stretch([tmp_path / "seven.tif"]) == (7, 8)
    with pytest.raises(UnreadableImageError, match="say which values are black and white"):
        read_rgb(tmp_path / "seven.tif")
