"""Maps as GeoTIFF with the georeference of the image that they belong to, written tile by tile (extra ``geo``)."""

import contextlib
import secrets
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import ObjdiscError, UsageError
from objdisc.imaging.colors import Color
from objdisc.imaging.rasters import has_rasterio

_BLOCK = 256  # side of the file's own tiles in pixels: windows are written without reading their surroundings back


class GeoTiffWriter:
    """A map of ids that grows tile by tile; memory is bounded by a tile, not by the map.

    Use it as a context manager: the file has a temporary name until the block ends without an error, so that there is
    never an incomplete map.

    Args:
        path: The ``.tif`` file to write.
        source: The image whose coordinate system and position the map takes; if it has none, neither has the map.
        size: ``(height, width)`` of the map in pixels. If it differs from the source's, pixels are correspondingly
            larger or smaller on the ground.
        nothing: Id that stands for "nothing found", written as the file's no-data value; None for none.
        colors: Id to RGB, 0 to 255, for viewers; only with 8-bit ids.
        wide: Whether ids need 16 bits.

    Raises:
        UsageError: rasterio is not installed, or the source cannot be opened.
        ObjdiscError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        source: Path,
        size: tuple[int, int],
        *,
        nothing: int | None = 255,
        colors: Mapping[int, Color] | None = None,
        wide: bool = False,
    ) -> None:
        if not has_rasterio():
            raise UsageError(f"{path}: GeoTIFF needs rasterio; pip install 'objdisc[geo]'")
        self.path = path
        self._temporary = path.parent / f".objdisc-{secrets.token_hex(6)}.tmp"
        self.dtype: np.dtype[np.uint8 | np.uint16] = np.dtype(np.uint16) if wide else np.dtype(np.uint8)
        self.size = size
        self._colors = None if wide else colors
        self._profile = _profile_of(source, size) | {"dtype": self.dtype.name, "nodata": nothing}

    def __enter__(self) -> Self:
        """Open the file under a temporary name."""
        import rasterio

        with _failing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _quiet():
                self._file: Any = rasterio.open(self._temporary, "w", **self._profile)
            if self._colors is not None:
                self._file.write_colormap(1, {label: (*color, 255) for label, color in self._colors.items()})
        return self

    def write(self, ids: NDArray[np.integer], x: int = 0, y: int = 0) -> None:
        """Write a tile.

        Args:
            ids: ``(h, w)`` ids that the file's depth holds.
            x: Its left column in pixels of the map.
            y: Its top row.

        Raises:
            ValueError: The tile reaches over the map's border, or an id does not fit the depth.
            ObjdiscError: The disk is full.
        """
        from rasterio.windows import Window

        height, width = ids.shape
        if x < 0 or y < 0 or x + width > self.size[1] or y + height > self.size[0]:
            raise ValueError(f"a tile of {width}x{height} at ({x}, {y}) reaches over a map of {self.size[::-1]}")
        if ids.size and (ids.min() < 0 or ids.max() > np.iinfo(self.dtype).max):
            raise ValueError(f"ids from {ids.min()} to {ids.max()} do not fit {self.dtype}")
        with _failing(self.path):
            self._file.write(ids.astype(self.dtype, copy=False), 1, window=Window(x, y, width, height))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file and give it its name, or drop it after an error."""
        try:
            with _failing(self.path):
                self._file.close()
                if kind is None:
                    self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)


def write_geotiff(
    path: Path,
    source: Path,
    ids: NDArray[np.integer],
    *,
    nothing: int | None = 255,
    colors: Mapping[int, Color] | None = None,
) -> Path:
    """Write a whole map of ids with the georeference of its image.

    Args:
        path: The file to be.
        source: The image.
        ids: ``(H, W)`` ids from 0, with 16 bits if the largest is above 255; negative ids are written as ``nothing``.
        nothing: The no-data value, 255 by default; None for none.
        colors: Id to RGB for viewers.

    Returns:
        ``path``.

    Raises:
        UsageError: rasterio is not installed, or the source cannot be opened.
        ObjdiscError: The file cannot be written.
        ValueError: Ids are negative and ``nothing`` is None.
    """
    wide = max(int(ids.max(initial=0)), nothing or 0) > np.iinfo(np.uint8).max
    with GeoTiffWriter(path, source, (ids.shape[0], ids.shape[1]), nothing=nothing, colors=colors, wide=wide) as file:
        file.write(ids if nothing is None else np.where(ids < 0, nothing, ids))
    return path


def _profile_of(source: Path, size: tuple[int, int]) -> dict[str, Any]:
    import rasterio

    try:
        with _quiet(), rasterio.open(source) as image:
            crs, transform = image.crs, image.transform
            wide, high = image.width / size[1], image.height / size[0]
    except rasterio.errors.RasterioError as error:
        raise UsageError(f"{source}: its georeference cannot be read ({' '.join(str(error).split())})") from error
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": 1,
        "height": size[0],
        "width": size[1],
        "compress": "deflate",
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "BIGTIFF": "IF_SAFER",
    }
    if crs is None and transform == rasterio.Affine.identity():
        return profile
    at = transform
    # Written out, because releases of affine differ in the sign for this product: transform times a scaling
    pixels = rasterio.Affine(at.a * wide, at.b * high, at.c, at.d * wide, at.e * high, at.f)
    return profile | {"crs": crs, "transform": pixels}


@contextlib.contextmanager
def _failing(path: Path) -> Iterator[None]:
    """Turn errors while writing into one line."""
    import rasterio

    try:
        yield
    except (OSError, rasterio.errors.RasterioError) as error:
        raise ObjdiscError(f"{path}: cannot be written ({' '.join(str(error).split())})") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ignore warnings about images without a georeference: their maps have none either."""
    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield
