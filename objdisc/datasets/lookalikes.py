"""Telling label maps from photos in a folder of images by names, places, and the pixels of a few files.

A single hint is not enough, except for a name of Cityscapes. Any other name or folder, such as ``_mask`` or ``masks/``,
also needs photos of the same stems and pixels that look like ids. Without such a name, a whole folder of ids with the
same stems and sizes as photos elsewhere is one of label maps. At most a few files of each folder are decoded.
"""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objdisc.errors import UnreadableImageError
from objdisc.imaging.decode import image_size
from objdisc.imaging.spread import spread_evenly

LABEL_FOLDERS = frozenset(
    {
        "ann", "ann_dir", "annotation", "annotations", "gt", "gts", "ground_truth", "groundtruth", "id_maps",
        "indexed", "instance", "instances", "label", "label_maps", "labelmaps", "labels", "mask", "masks",
        "panoptic", "seg", "segmentation", "segmentations", "segmentationclass", "segmentationobject", "semantic",
        "sem_seg",
    }
)  # fmt: skip
"""Names of folders that may hold label maps, lower case."""

_CERTAIN = re.compile(r"_gt(Fine|Coarse)_|_(label|instance)(Train)?Ids$", re.IGNORECASE)
_END = re.compile(
    r"[-_. ](label_?ids|instance_?ids|train_?ids?|train_id|labels?|instances?|colou?rs?|masks?|gt|seg|segmentation|"
    r"(ground_?)?truth|semantic|panoptic|annotations?|annotated|l|m)$",
    re.IGNORECASE,
)
_IMAGE_END = re.compile(r"[-_. ](leftimg8bit|image|img|rgb|sat|photo|orig(inal)?)$", re.IGNORECASE)
_LOSSY = frozenset({".jpg", ".jpeg", ".jpe"})  # their blocks make many values of few
_SAMPLE = 4  # files of a group that are decoded
_MAX_GROUPS = 32  # groups without a telling name that are looked into
_MAX_IDS = 64
_MAX_OBJECTS = 4096  # of more than 8 bits: what a name vouches for may tell many objects apart
_MIN_SHARE = 0.9  # of a group's stems that photos must have, too
_STRIDE_ABOVE = 1 << 20  # pixels; of larger files every few are looked at


@dataclass(slots=True)  # not frozen, which makes 100,000 of them slow
class _File:
    key: str
    path: Path
    folder: str
    suffix: str  # lower case
    stem: str  # lower case, without what tells a map or an image of the same stem apart
    named: bool  # whether its name or a folder of it may be a label map's
    certain: bool  # whether its name alone says that it is one


def label_maps_among(images: Mapping[str, Path]) -> frozenset[str]:
    """Find the label maps among images.

    Args:
        images: Path below the folder, with or without suffix, ``/``-separated, to file.

    Returns:
        The keys of ``images`` whose files are label maps; all of them only if their names leave no doubt.
    """
    files = [_file(key, path) for key, path in images.items()]
    certain = {file.key for file in files if file.certain}
    rest = [file for file in files if file.key not in certain]
    groups: defaultdict[tuple[str, str, bool], list[_File]] = defaultdict(list)
    for file in rest:
        groups[file.folder, file.suffix, file.named].append(file)
    found = set(certain)
    photos = [group for (_, _, named), group in groups.items() if not named]
    found |= _by_names([group for (_, _, named), group in groups.items() if named], photos)
    found |= _by_partners(photos)
    return frozenset(found) if len(found) < len(files) or found == certain else frozenset()


def bare_name(name: str) -> str:
    """Return what the names of an image and of its map have in common: ``a/b`` of ``a/b_mask`` and ``a/b_image``."""
    return _IMAGE_END.sub("", _END.sub("", name)).lower()


def _file(key: str, path: Path) -> _File:
    folder, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    suffix, bare = suffix.lower(), _END.sub("", stem)
    folders = key.lower().split("/")[:-1]
    named = bare != stem or any(folder in LABEL_FOLDERS or folder.startswith("gt_") for folder in folders)
    certain = suffix not in _LOSSY and _CERTAIN.search(stem) is not None
    return _File(key, path, folder, suffix, _IMAGE_END.sub("", bare).lower(), named, certain)


def _by_names(named: Sequence[Sequence[_File]], photos: Sequence[Sequence[_File]]) -> set[str]:
    """Take groups with names of label maps if photos have the same stems and a sample of the pixels are ids."""
    stems = {file.stem for group in photos for file in group}
    found: set[str] = set()
    for group in named:
        partners = sum(file.stem in stems for file in group)
        if partners >= _MIN_SHARE * len(group) and all(_holds_ids(file.path) for file in _sample(group)):
            found |= {file.key for file in group}
    return found


def _by_partners(groups: Sequence[Sequence[_File]]) -> set[str]:
    """Take whole folders of ids if photos in another folder, or with another suffix, have the same stems and sizes."""
    owners: defaultdict[str, list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        for file in group:
            owners[file.stem].append(number)
    found: set[str] = set()
    looked = 0
    for number, group in enumerate(groups):
        if len(group) < 2 or group[0].suffix in _LOSSY or looked >= _MAX_GROUPS:
            continue
        other = _partner_of(number, group, owners)
        if other is None:
            continue
        looked += 1
        if all(_holds_ids(file.path, alone=True) for file in _sample(group)) and _are_photos_of(groups[other], group):
            found |= {file.key for file in group}
    return found


def _partner_of(number: int, group: Sequence[_File], owners: Mapping[str, Sequence[int]]) -> int | None:
    """Return the only other group that has nearly all stems of a group; None if there is none, or several."""
    shared: defaultdict[int, int] = defaultdict(int)
    for file in group:
        for owner in set(owners[file.stem]) - {number}:
            shared[owner] += 1
    others = [owner for owner, count in shared.items() if count >= _MIN_SHARE * len(group)]
    return others[0] if len(others) == 1 else None


def _are_photos_of(photos: Sequence[_File], maps: Sequence[_File]) -> bool:
    """Whether the photos of a sample of maps have the maps' sizes and do not hold ids themselves."""
    by_stem = {file.stem: file.path for file in photos}
    for file in _sample([file for file in maps if file.stem in by_stem]):
        photo = by_stem[file.stem]
        try:
            if image_size(photo) != image_size(file.path):
                return False
        except UnreadableImageError:
            return False
        if _holds_ids(photo):
            return False
    return True


def _sample(group: Sequence[_File]) -> list[_File]:
    return [group[place] for place in spread_evenly(len(group), _SAMPLE).tolist()]


def _holds_ids(path: Path, *, alone: bool = False) -> bool:
    """Whether the pixels of a file may be ids: few values or few colours.

    Args:
        path: The file.
        alone: Whether the name gives no hint. Then two values, such as those of a scanned page, are not enough.
    """
    try:
        with Image.open(path) as image:
            if image.mode == "1":
                return not alone
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    if pixels.size == 0 or pixels.dtype.kind not in "ui":
        return False
    step = int(np.ceil(np.sqrt(pixels.shape[0] * pixels.shape[1] / _STRIDE_ABOVE)))
    pixels = pixels[::step, ::step]
    if path.suffix.lower() in _LOSSY:
        return not alone and _is_nearly_binary(pixels)
    values = _values(pixels)
    is_grey = pixels.ndim == 2
    most = _MAX_OBJECTS if is_grey and pixels.dtype != np.uint8 and not alone else _MAX_IDS
    if not 0 < values <= most:
        return False
    return not alone or values > 2 or (is_grey and int(pixels.max()) < _MAX_IDS)


def _values(pixels: NDArray[np.integer]) -> int:
    """Count the different values, or colours, of pixels."""
    if pixels.ndim == 3:
        weights = 256 ** np.arange(pixels.shape[2], dtype=np.int64)
        return len(np.unique(pixels.astype(np.int64) @ weights))
    return len(np.unique(pixels))


def _is_nearly_binary(pixels: NDArray[np.integer]) -> bool:
    """Whether a lossy file shows a mask: grey, and nearly all of it black or white."""
    if pixels.ndim == 3:
        if int(np.ptp(pixels[..., :3].astype(np.int16), axis=2).max()) > 16:
            return False
        pixels = pixels[..., 0]
    return float(np.mean((pixels < 16) | (pixels > 239))) > 0.97
