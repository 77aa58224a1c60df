"""Maps as GeoTIFF: georeference of the image, tile by tile, whole or not at all."""

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.errors import ObjdiscError, UsageError
from objdisc.export import geotiff
from objdisc.export.geotiff import GeoTiffWriter, write_geotiff

rasterio = pytest.importorskip("rasterio")

ORIGIN = (366676.5, 5808365.1)  # of a Potsdam tile, UTM zone 33 N, metres


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    """Write an image of 80x60 pixels of 5 cm with a georeference."""
    path = tmp_path / "top_potsdam_2_10_RGBIR.tif"
    profile = {"driver": "GTiff", "width": 80, "height": 60, "count": 4, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", **profile, transform=rasterio.transform.from_origin(*ORIGIN, 0.05, 0.05)) as file:
        file.write(np.zeros((4, 60, 80), np.uint8))
    return path


@pytest.fixture
def ids() -> NDArray[np.int16]:
    return np.random.default_rng(0).integers(-1, 6, (60, 80)).astype(np.int16)


def test_a_map_lies_where_its_image_lies(tile: Path, ids: NDArray[np.int16], tmp_path: Path) -> None:
    colors = {0: (255, 255, 255), 5: (255, 0, 0)}
    path = write_geotiff(tmp_path / "maps" / "out.tif", tile, ids, colors=colors)
    with rasterio.open(path) as written, rasterio.open(tile) as image:
        assert written.crs == image.crs == rasterio.crs.CRS.from_epsg(32633)
        assert written.transform == image.transform
        assert written.bounds == image.bounds
        assert written.dtypes == ("uint8",)
        assert written.nodata == 255
        assert np.array_equal(written.read(1), np.where(ids < 0, 255, ids))
        assert written.colormap(1)[5] == (255, 0, 0, 255)
    assert [file.name for file in path.parent.iterdir()] == ["out.tif"]


def test_tiles_in_any_order_make_the_same_map(tile: Path, ids: NDArray[np.int16], tmp_path: Path) -> None:
    labels = np.maximum(ids, 0)
    with GeoTiffWriter(tmp_path / "tiles.tif", tile, (60, 80)) as file:
        for y in (40, 0, 25):
            for x in (50, 0, 30):
                file.write(labels[y : y + 25, x : x + 30], x, y)
    with rasterio.open(tmp_path / "tiles.tif") as written:
        assert np.array_equal(written.read(1), labels)


def test_a_map_at_half_scale_covers_the_same_ground(tile: Path, tmp_path: Path) -> None:
    write_geotiff(tmp_path / "half.tif", tile, np.zeros((30, 40), np.uint8))
    with rasterio.open(tmp_path / "half.tif") as written, rasterio.open(tile) as image:
        assert written.bounds == pytest.approx(image.bounds)
        assert written.res == pytest.approx((0.1, 0.1))


def test_many_clusters_take_16_bits(tile: Path, tmp_path: Path) -> None:
    ids = np.arange(4800).reshape(60, 80)
    write_geotiff(tmp_path / "many.tif", tile, ids, nothing=65535)
    with rasterio.open(tmp_path / "many.tif") as written:
        assert written.dtypes == ("uint16",)
        assert np.array_equal(written.read(1), ids)


def test_an_image_without_a_georeference_gives_a_map_without_one(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((6, 8, 3), np.uint8))
    write_geotiff(tmp_path / "out.tif", tmp_path / "photo.png", np.ones((6, 8), np.uint8))
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        written = rasterio.open(tmp_path / "out.tif")
    assert written.crs is None
    assert (written.read(1) == 1).all()
    written.close()


def test_an_error_between_tiles_leaves_the_old_map_and_nothing_else(tile: Path, tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "maps" / "out.tif", tile, np.full((60, 80), 3, np.uint8))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="reaches over"), GeoTiffWriter(path, tile, (60, 80)) as file:
        file.write(np.zeros((61, 10), np.uint8))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["out.tif"]


def test_a_large_map_asks_for_no_more_memory_than_its_tiles(tile: Path, tmp_path: Path) -> None:
    tracemalloc.start()
    with GeoTiffWriter(tmp_path / "large.tif", tile, (6000, 6000)) as file:
        for y in range(0, 6000, 500):
            for x in range(0, 6000, 500):
                file.write(np.full((500, 500), (x + y) // 500, np.uint8), x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6, "a map of 6000 x 6000 has 36 MB"
    with rasterio.open(tmp_path / "large.tif") as written:
        assert written.read(1, window=((5500, 6000), (5500, 6000))).max() == 22


def test_what_cannot_be_written_is_said_in_one_line(
    tile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = np.zeros((60, 80), np.uint8)
    with pytest.raises(UsageError, match=r"gone\.tif: its georeference cannot be read"):
        write_geotiff(tmp_path / "out.tif", tmp_path / "gone.tif", ids)
    (tmp_path / "file").touch()
    with pytest.raises(ObjdiscError, match=r"out\.tif: cannot be written"):
        write_geotiff(tmp_path / "file" / "out.tif", tile, ids)
    with GeoTiffWriter(tmp_path / "out.tif", tile, (60, 80)) as file:
        with pytest.raises(ValueError, match=r"a tile of 80x60 at \(1, 0\) reaches over a map of \(80, 60\)"):
            file.write(ids, 1, 0)
        with pytest.raises(ValueError, match="ids from 300 to 300 do not fit uint8"):
            file.write(np.full((2, 2), 300))
    monkeypatch.setattr(geotiff, "has_rasterio", lambda: False)
    with pytest.raises(UsageError, match=r"needs rasterio; pip install 'objdisc\[geo\]'"):
        write_geotiff(tmp_path / "out.tif", tile, ids)
