"""Finding the parts of a layout: its root, its splits, and its images and maps by name."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from objdisc.datasets.lookalikes import label_maps_among
from objdisc.errors import UsageError
from objdisc.imaging.decode import list_images
from objdisc.imaging.formats import image_suffixes, missing_for
from objdisc.imaging.leftout import HIDDEN, LABEL_MAPS, NO_IMAGE, UNUSED, LeftOut
from objdisc.types import Sample

SPLITS = ("train", "val", "test")
_SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def find_root(path: Path, *patterns: str) -> Path | None:
    """Find the root of a layout: a path, or the only folder in it that looks like a root.

    Args:
        path: An existing folder.
        patterns: Patterns of ``Path.glob``, one of which must fit in such a folder: ``leftImg8bit/`` is a folder of
            that name, ``train2017/*.jpg`` one that holds JPEGs.

    Returns:
        The folder; None if there is none, or several beside each other.
    """

    def is_root(folder: Path) -> bool:
        return any(next(folder.glob(pattern), None) is not None for pattern in patterns)

    if is_root(path):
        return path
    below = [folder for folder in path.glob("*/") if is_root(folder)]
    return below[0] if len(below) == 1 else None


def split_folders(root: Path) -> tuple[str, ...]:
    """Return which of train, val and test are subfolders."""
    return tuple(name for name in SPLITS if (root / name).is_dir())


def folders_by_split(root: Path) -> dict[str, Path]:
    """Find the subfolders that are splits, also by longer names; the keys are train, val and test, in this order.

    Args:
        root: The folder; it may be missing.
    """
    found = {}
    for split, names in _SPLIT_NAMES.items():
        folder = next((root / name for name in names if (root / name).is_dir()), None)
        if folder is not None:
            found[split] = folder
    return found


def images_of_split(
    root: Path, split: str, left_out: LeftOut | None = None, *, only_photos: bool = False
) -> dict[str, Path]:
    """List every image below ``root/split``, at any depth.

    Args:
        root: The folder.
        split: One of its subfolders, or ``""`` for the folder itself.
        left_out: Counts the other files.
        only_photos: Whether label maps that lie among the images are left out, too.

    Returns:
        Path below the split to file, at least one. Names have a suffix only if two files differ in nothing else.

    Raises:
        UsageError: No such folder, or no image in it.
    """
    folder = root / split
    if not folder.is_dir():
        there = ", ".join(split_folders(root)) or "none"
        raise UsageError(f"{folder}: no such folder; splits below {root}: {there} (--split)")
    # Slicing text, because pathlib's relative_to costs seconds on 50,000 files; "x", since the folder "." is no prefix.
    prefix = len(str(folder / "x")) - 1
    left_out = LeftOut() if left_out is None else left_out
    below = {str(path)[prefix:]: path for path in list_images(folder, left_out)}
    if only_photos:
        maps = label_maps_among({text.replace(os.sep, "/"): path for text, path in below.items()})
        left_out.add((below.pop(key.replace("/", os.sep)) for key in maps), LABEL_MAPS)
    if not below:
        kinds = " ".join(sorted(image_suffixes()))
        found = f"; found {left_out}" if left_out else ""
        raise UsageError(
            f"{folder}: no image in it or below (looked for {kinds}){found}; check the path or choose another --split"
        )
    count = Counter(map(_without_suffix, below))

    def name_of(text: str) -> str:
        stem = _without_suffix(text)
        return (stem if count[stem] == 1 else text).replace(os.sep, "/")

    return {name_of(text): path for text, path in below.items()}


def maps_by_name(
    folder: Path, suffixes: Collection[str] = (".png",), left_out: LeftOut | None = None
) -> dict[str, Path]:
    """List every map below a folder at once, which is faster than looking for each image's map.

    Args:
        folder: The folder; it may be missing.
        suffixes: Endings of the maps' names, lower case.
        left_out: Counts the files that are not images.

    Returns:
        Path below the folder, without suffix and ``/``-separated, to file.
    """
    if not folder.is_dir():
        return {}
    maps = (path for path in list_images(folder, left_out) if path.suffix.lower() in suffixes)
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in maps}


def left_beside(images: Iterable[Path], read: Collection[Path]) -> LeftOut:
    """Count the files in the folders of a split's images that are read neither as images nor as maps.

    Args:
        images: Its images.
        read: All files that are read: the images, and the maps that may lie among them.
    """
    found, known, suffixes = LeftOut(), {str(path) for path in read}, image_suffixes()
    for folder in sorted({path.parent for path in images}):
        with os.scandir(folder) as entries:
            for entry in entries:
                path = Path(entry.path)
                suffix = path.suffix.lower()
                if entry.name.startswith("."):
                    found.add([path], HIDDEN)
                elif entry.path not in known and entry.is_file():
                    found.add([path], UNUSED if suffix in suffixes else missing_for(suffix) or NO_IMAGE)
    return found


def samples_of(images: Mapping[str, Path], split: str) -> tuple[Sample, ...]:
    """Make the samples of a split from its images by name; the first folder in a name is the sample's ``city``."""
    cities = {name: name.partition("/")[0] if "/" in name else "" for name in images}
    return tuple(Sample(name, images[name], split, cities[name]) for name in sorted(images))


def _without_suffix(text: str) -> str:
    return text[: text.rindex(".")]
