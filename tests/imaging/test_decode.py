"""Decoding of image files, held against Pillow."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.decode import image_size, list_images, read_index_map, read_rgb

_ORIENTATION = 0x0112


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """A smooth picture, so that lossy formats stay close to it: (48, 80, 3)."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (80, 48), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_opencv_reads_images() -> None:
    # Two wheels own the folder cv2; a broken installation of one leaves a module without functions.
    assert callable(cv2.imread)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".webp", ".ppm", ".JPG"])
def test_colour_image_of_any_format_agrees_with_pillow(tmp_path: Path, picture: NDArray[np.uint8], suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    Image.fromarray(picture).save(path)
    image = read_rgb(path)
    assert image.dtype == np.uint8
    assert image.shape == (48, 80, 3)
    with Image.open(path) as opened:
        # Decoders of lossy formats may differ by a rounding step.
        assert np.abs(image.astype(int) - np.asarray(opened.convert("RGB"))).max() <= 2


@pytest.mark.parametrize("name", ["two words.png", "Müller-Straße.png", "道路 写真.jpg", "a%20b#c.png", "été.JPEG"])
def test_odd_file_names_are_read(tmp_path: Path, picture: NDArray[np.uint8], name: str) -> None:
    Image.fromarray(picture).save(tmp_path / name)
    assert read_rgb(tmp_path / name).shape == (48, 80, 3)


def test_grey_becomes_three_equal_channels(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(picture[..., 0]).save(path)
    assert np.array_equal(read_rgb(path), np.repeat(picture[..., :1], 3, axis=2))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_dropped_and_hidden_colours_are_kept(tmp_path: Path, picture: NDArray[np.uint8], suffix: str) -> None:
    path = tmp_path / f"alpha{suffix}"
    alpha = np.zeros((48, 80, 1), np.uint8)
    alpha[:, 40:] = 255
    Image.fromarray(np.concatenate([picture, alpha], axis=2)).save(path)
    assert np.array_equal(read_rgb(path), picture)


def test_palette_is_looked_up(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    path = tmp_path / "palette.png"
    indexed = Image.fromarray(picture).quantize(16)
    indexed.save(path, transparency=3)
    assert np.array_equal(read_rgb(path), np.asarray(indexed.convert("RGB")))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path, channels: int) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    path = tmp_path / "deep.png"
    cv2.imencode(".png", deep)[1].tofile(path)
    expected = np.round(deep / 257.0).astype(np.uint8)
    expected = np.repeat(expected, 3, axis=2) if channels == 1 else expected[..., 2::-1]
    assert np.array_equal(read_rgb(path), expected)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, picture: NDArray[np.uint8], orientation: int, suffix: str) -> None:
    path = tmp_path / f"phone{suffix}"
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    Image.fromarray(picture).save(path, exif=exif)
    with Image.open(path) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    image = read_rgb(path)
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).max() <= 2
    assert image_size(path) == upright.shape[:2]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
def test_truncated_jpeg_is_an_error_not_a_grey_rest(
    tmp_path: Path, picture: NDArray[np.uint8], kept: float, progressive: bool
) -> None:
    whole = io.BytesIO()
    Image.fromarray(picture).resize((640, 480)).save(whole, "JPEG", progressive=progressive)
    path = tmp_path / "cut.jpg"
    path.write_bytes(whole.getvalue()[: int(kept * len(whole.getvalue()))])
    with pytest.raises(UnreadableImageError, match=r"cut\.jpg: .*truncated"):
        read_rgb(path)


def test_jpeg_whose_end_was_never_downloaded_is_an_error(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    """A download that reserved its space leaves zeros; they decode without a complaint."""
    whole = io.BytesIO()
    Image.fromarray(picture).resize((640, 480)).save(whole, "JPEG")
    content = whole.getvalue()
    path = tmp_path / "zeros.jpg"
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) // 2))
    with pytest.raises(UnreadableImageError, match="truncated"):
        read_rgb(path)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    whole = io.BytesIO()
    thumbnail = io.BytesIO()
    Image.fromarray(picture).save(whole, "JPEG")
    Image.fromarray(picture[::4, ::4]).save(thumbnail, "JPEG")
    path = tmp_path / "phone.jpg"
    path.write_bytes(whole.getvalue() + thumbnail.getvalue() + b"vendor data")
    assert read_rgb(path).shape == (48, 80, 3)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("read", [read_rgb, read_index_map])
def test_truncated_png_is_an_error(tmp_path: Path, read: Callable[[Path], object], kept: float) -> None:
    ids = np.random.default_rng(0).integers(0, 34, (200, 300), dtype=np.uint8)
    content = cv2.imencode(".png", ids)[1].tobytes()
    path = tmp_path / "cut.png"
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UnreadableImageError, match=r"cut\.png"):
        read(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"<html>404 not found</html>", "not an image"), (bytes(1000), "not an image")],
)
def test_what_is_no_image_is_an_error(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=reason):
        read_rgb(path)
    with pytest.raises(UnreadableImageError):
        image_size(path)


def test_missing_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    for read in (read_rgb, read_index_map, image_size):
        with pytest.raises(UnreadableImageError, match=r"gone\.png: no such file"):
            read(tmp_path / "gone.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_index_map_keeps_every_id(tmp_path: Path, dtype: type[np.uint8 | np.uint16]) -> None:
    ids = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (20, 30), dtype=dtype, endpoint=True)
    path = tmp_path / "ids.png"
    cv2.imencode(".png", ids)[1].tofile(path)
    read = read_index_map(path)
    assert read.dtype == dtype
    assert np.array_equal(read, ids)


def test_index_map_of_a_palette_image_gives_indices_not_colours(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 20, (20, 30), dtype=np.uint8)
    indexed = Image.fromarray(ids).convert("P")
    indexed.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tobytes())
    indexed.save(tmp_path / "palette.png")
    assert np.array_equal(read_index_map(tmp_path / "palette.png"), ids)


def test_index_map_ignores_exif_rotation(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 34, (20, 30), dtype=np.uint8)
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    Image.fromarray(ids).save(tmp_path / "ids.png", exif=exif)
    assert np.array_equal(read_index_map(tmp_path / "ids.png"), ids)


def test_index_map_saved_as_grey_rgb_is_accepted_and_a_colour_map_is_not(
    tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    ids = np.random.default_rng(0).integers(0, 34, (20, 30, 1), dtype=np.uint8)
    Image.fromarray(np.repeat(ids, 3, axis=2)).save(tmp_path / "grey.png")
    Image.fromarray(picture).save(tmp_path / "colour.png")
    assert np.array_equal(read_index_map(tmp_path / "grey.png"), ids[..., 0])
    with pytest.raises(UnreadableImageError, match="colour image; expected one channel"):
        read_index_map(tmp_path / "colour.png")


def test_listing_finds_images_at_any_depth_and_nothing_else(tmp_path: Path) -> None:
    wanted = {tmp_path / name for name in ("a.png", "sub/b.JPG", "sub/deeper/c d.webp")}
    unwanted = {tmp_path / name for name in ("notes.txt", ".hidden.png", ".cache/x.png", "sub/._b.jpg", "noext")}
    for path in wanted | unwanted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "e.png").touch()
    assert set(list_images(tmp_path)) == {*wanted, tmp_path / "folder.png" / "e.png"}


def test_a_truncated_palette_map_is_an_error(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 20, (200, 300), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(ids).convert("P").save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(UnreadableImageError, match=r"cut\.png: cannot be decoded"):
        read_index_map(tmp_path / "cut.png")


@pytest.mark.parametrize("read", [read_rgb, read_index_map])
def test_floating_point_pixels_are_an_error_with_the_fix(tmp_path: Path, read: Callable[[Path], object]) -> None:
    pixels = np.full((20, 30, 3), 0.5, np.float32)
    cv2.imencode(".tif", pixels)[1].tofile(tmp_path / "float.tif")
    with pytest.raises(UnreadableImageError, match=r"its pixels are float32; .* 8 or 16 bits"):
        read(tmp_path / "float.tif")


def test_an_image_beyond_the_decoders_limit_is_an_error_not_a_crash(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + bytes(100))
    for read in (read_rgb, image_size):
        with pytest.raises(UnreadableImageError, match=r"huge\.png: cannot be decoded"):
            read(tmp_path / "huge.png")


def test_size_of_an_image_too_large_for_pillow_comes_from_decoding(
    tmp_path: Path, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(picture).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert image_size(tmp_path / "large.png") == (48, 80)


def test_a_folder_that_contains_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(UsageError, match="cannot be listed"):
        list(list_images(tmp_path))
