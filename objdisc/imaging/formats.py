"""Which file names are those of images, and which packages the less common formats need."""

import importlib.util
from collections.abc import Mapping

from PIL import features

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Suffixes that every installation reads, lower case."""

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
AVIF_SUFFIXES = frozenset({".avif"})

_BOX, _BRANDS = b"ftyp", slice(8, 32)  # ISO base media: a box that names the brands that the file follows
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


def has_heif() -> bool:
    """Say whether pillow-heif (extra ``heif``) is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def has_avif() -> bool:
    """Say whether AVIF can be read: Pillow does so from version 11.3 on."""
    return bool(features.check("avif")) if "avif" in features.modules else False


def image_suffixes() -> frozenset[str]:
    """Return the suffixes that this installation reads, lower case."""
    return IMAGE_SUFFIXES | frozenset(suffix for suffix, needs in _needed().items() if not needs)


def missing_for(suffix: str) -> str:
    """Return what must be installed before images of a suffix can be read; empty if nothing."""
    return _needed().get(suffix, "")


def is_heif_or_avif(header: bytes) -> bool:
    """Say whether a file is HEIF or AVIF, which OpenCV does not decode alike everywhere.

    Args:
        header: Its first 32 bytes.
    """
    return header[4:8] == _BOX and any(brand in header[_BRANDS] for brand in (*_AVIF_BRANDS, *_HEIF_BRANDS))


def register_heif() -> None:
    """Let Pillow open HEIF files if pillow-heif is installed."""
    if has_heif():
        import pillow_heif

        pillow_heif.register_heif_opener()


def _needed() -> Mapping[str, str]:
    heif = "" if has_heif() else "pip install 'objdisc[heif]'"
    avif = "" if has_avif() else "pip install 'pillow>=11.3'"
    return {**dict.fromkeys(HEIF_SUFFIXES, heif), **dict.fromkeys(AVIF_SUFFIXES, avif)}
