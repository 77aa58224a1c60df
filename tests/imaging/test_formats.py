"""HEIC and AVIF where they can be read; a line that names what is missing where they cannot."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.datasets import open_dataset
from objdisc.errors import UnreadableImageError
from objdisc.imaging import formats
from objdisc.imaging.decode import image_size, list_images, read_rgb
from objdisc.imaging.leftout import LeftOut

SIDEWAYS = 6  # EXIF: rotate by a quarter clockwise to see it upright


def save(path: Path, **settings: object) -> Image.Image:
    """Write an image whose left third is red, the rest blue, marked as lying on its side."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :32, 0] = pixels[:, 32:, 2] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = SIDEWAYS
    image.save(path, exif=exif.tobytes(), quality=95, **settings)  # type: ignore[arg-type]
    return image


@pytest.mark.parametrize("suffix", [".heic", ".avif", ".HEIF"])
def test_rotated_photos_of_phones_are_read_upright(tmp_path: Path, suffix: str) -> None:
    if suffix != ".avif":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"a photo{suffix}"
    save(path, **({} if suffix == ".avif" else {"format": "HEIF"}))
    pixels = read_rgb(path)
    assert pixels.shape == (96, 64, 3)
    assert image_size(path) == (96, 64)
    assert pixels[10, 30].argmax() == 0, "the left third is the upper third now"
    assert pixels[80, 30].argmax() == 2
    assert [sample.name for sample in open_dataset(tmp_path, "").samples] == ["a photo"]


def test_without_the_extra_heic_files_are_left_out_and_the_line_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.HEIC", "b.heic", "c.png", "notes.txt", "table.json", "more.txt", ".hidden.png", "no suffix"):
        (tmp_path / name).touch()
    monkeypatch.setattr(formats, "has_heif", lambda: False)
    left_out = LeftOut()
    assert [path.name for path in list_images(tmp_path, left_out)] == ["c.png"]
    assert str(left_out) == (
        "1 .png: hidden; 2 .txt, 1 without suffix, 1 .json: no images; 2 .heic: pip install 'objdisc[heif]'"
    )
    assert left_out
    assert not LeftOut()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.avif"
    save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UnreadableImageError, match=r"cut\.avif: cannot be decoded"):
        read_rgb(path)
