"""Bands of rasters, with rasterio and without, held against what was written."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from objdisc.errors import UnreadableImageError
from objdisc.imaging import rasters
from objdisc.imaging.rasters import raster_size, read_bands

NAMES = "red, green, blue, infrared"


@pytest.fixture
def bands() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (48, 80, 4), dtype=np.uint8)


@pytest.fixture(params=["rasterio", "without rasterio"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with rasterio, where it is installed, and as if it were not."""
    if request.param == "rasterio":
        pytest.importorskip("rasterio")
    else:
        monkeypatch.setattr(rasters, "has_rasterio", lambda: False)
    return str(request.param)


def _write_geotiff(path: Path, bands: NDArray[np.generic], **profile: object) -> None:
    rasterio = pytest.importorskip("rasterio")
    height, width, count = bands.shape
    settings = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": count,
        "dtype": bands.dtype.name,
    } | profile
    with rasterio.open(path, "w", **settings) as file:
        file.write(bands.transpose(2, 0, 1))


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    "profile",
    [
        {"photometric": "RGB", "ALPHA": "NO"},
        {"photometric": "RGB", "ALPHA": "YES"},
        {"photometric": "RGB", "ALPHA": "NO", "tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "lzw"},
        {"photometric": "RGB", "ALPHA": "NO", "compress": "deflate", "predictor": 2},
    ],
    ids=["plain", "fourth band declared as alpha", "tiled and compressed", "with predictor"],
)
def test_four_bands_are_read_as_they_were_written(
    tmp_path: Path, bands: NDArray[np.uint8], profile: dict[str, object]
) -> None:
    path = tmp_path / "tile.tif"
    _write_geotiff(path, bands, **profile)
    assert raster_size(path) == (48, 80)
    assert np.array_equal(read_bands(path, 4, NAMES), bands)
    assert np.array_equal(read_bands(path, 4, NAMES, (7, 5, 30, 20)), bands[5:25, 7:37])
    assert np.array_equal(read_bands(path, 3, "red, green, blue"), bands[..., :3])


@pytest.mark.usefixtures("reader")
def test_16_bits_are_scaled_to_8(tmp_path: Path, bands: NDArray[np.uint8]) -> None:
    path = tmp_path / "deep.tif"
    _write_geotiff(path, bands.astype(np.uint16) * 257, photometric="RGB", ALPHA="NO")
    assert np.array_equal(read_bands(path, 4, NAMES), bands)


@pytest.mark.usefixtures("reader")
def test_one_channel_too_few_says_what_was_expected(tmp_path: Path, bands: NDArray[np.uint8]) -> None:
    Image.fromarray(bands[..., :3]).save(tmp_path / "rgb.tif")
    with pytest.raises(
        UnreadableImageError, match=r"rgb\.tif: has 3 channels; expected 4 \(red, green, blue, infrared\)"
    ):
        read_bands(tmp_path / "rgb.tif", 4, NAMES)
    Image.fromarray(bands[..., 0]).save(tmp_path / "grey.tif")
    with pytest.raises(UnreadableImageError, match="has 1 channel; expected 4"):
        read_bands(tmp_path / "grey.tif", 4, NAMES)


@pytest.mark.usefixtures("reader")
def test_missing_truncated_and_foreign_files_are_refused_in_one_line(tmp_path: Path, bands: NDArray[np.uint8]) -> None:
    Image.fromarray(bands[..., :3]).save(tmp_path / "cut.tif")
    data = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.tif").write_text("no image")
    for name in ("cut.tif", "text.tif", "missing.tif"):
        with pytest.raises(UnreadableImageError) as caught:
            read_bands(tmp_path / name, 3, "red, green, blue")
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_a_png_with_four_channels_is_read_without_applying_its_alpha(tmp_path: Path, bands: NDArray[np.uint8]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), bands[..., [2, 1, 0, 3]])
    assert np.array_equal(read_bands(tmp_path / "a.png", 4, NAMES), bands)


def test_what_only_rasterio_reads_is_said_to_need_it(
    tmp_path: Path, bands: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grey.tif"
    _write_geotiff(path, bands, photometric="MINISBLACK")
    assert np.array_equal(read_bands(path, 4, NAMES), bands)
    monkeypatch.setattr(rasters, "has_rasterio", lambda: False)
    with pytest.raises(UnreadableImageError, match=r"pip install 'objdisc\[geo\]'"):
        read_bands(path, 4, NAMES)
