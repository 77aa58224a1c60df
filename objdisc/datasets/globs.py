"""Folders of any layout: patterns say which files are images, label maps and maps of objects."""

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from objdisc.datasets.class_names import numbered_classes, read_class_names
from objdisc.datasets.grouping import IGNORED, DataOptions
from objdisc.datasets.listing import SPLITS
from objdisc.datasets.lookalikes import bare_name
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UsageError
from objdisc.imaging.colors import even_hues
from objdisc.imaging.decode import list_images
from objdisc.imaging.formats import image_suffixes
from objdisc.imaging.leftout import NO_IMAGE, LeftOut

_SPLIT = "{split}"
_WILD = re.compile(r"\{split\}|\*\*/|\*\*|\*|\?|\[[^\]]+\]")


@dataclass(frozen=True)
class FileOptions:
    """Which files of a folder are images, label maps and so on, if its layout does not say so.

    Attributes:
        images: Images, as a pattern relative to the folder such as 'photos/**/*.jpg'; {split} in it stands for the
            split.
        labels: Label maps of the images, such as 'truth/**/*_label.png': a map belongs to the image for which the stars
            stand for the same text.
        instances: Maps of the images' objects, matched in the same way; every id except 0 is an object.
        class_names: File with the names of the classes in label maps: JSON, CSV, or a line each.
        every: Step between the frames of a video that are used as images.
        annotations: File or folder of masks, boxes or classes that another program wrote. The format is recognised by
            the content; by default, annotations in the folder of images, or beside it, are found.
    """

    images: str | None = None
    labels: str | None = None
    instances: str | None = None
    class_names: Path | None = None
    every: int = 1
    annotations: Path | None = None

    def __post_init__(self) -> None:
        """Check the values that can be checked without data.

        Raises:
            UsageError: A pattern has no star, or ``every`` is below 1.
        """
        for name in ("images", "labels", "instances"):
            pattern = getattr(self, name)
            if pattern is not None and not _WILD.search(pattern):
                raise UsageError(f"--{name} {pattern!r}: a pattern needs a star, such as '{name}/*.png'.")
        if self.every < 1:
            raise UsageError(f"--every {self.every}: give a number of frames of at least 1.")

    def over(self, others: Self) -> Self:
        """Return these patterns, with missing ones taken from ``others``."""
        untouched = {item.name for item in fields(self) if getattr(self, item.name) == item.default}
        return replace(self, **{name: getattr(others, name) for name in untouched})

    @property
    def name_files(self) -> bool:
        """Whether any pattern is given."""
        return any((self.images, self.labels, self.instances))


class Globs(SegmentationDataset):
    """Images, label maps and maps of objects in any folder, named by patterns.

    Maps are matched with images by the text that the stars of both patterns stand for, or else by their file names
    without endings such as ``_mask``. Label maps hold 8-bit ids in the size of their images; 255 is left out of scoring
    if class names are given without it. Without a pattern for images, all images below the folder that fit no other
    pattern are taken.

    Args:
        root: The folder.
        split: Text that ``{split}`` in the patterns stands for; ignored if they do not hold it.
        foreground: Names of the classes that are objects; an empty list or None chooses none.
        files: The patterns.

    Raises:
        UsageError: A pattern fits no file, the names cannot be read, or a class name is unknown.
    """

    def __init__(
        self, root: Path, split: str = "", foreground: Sequence[str] | None = None, files: FileOptions | None = None
    ) -> None:
        files = files or FileOptions()
        self.left_out = LeftOut()
        labels, instances = (_found(root, pattern, split) for pattern in (files.labels, files.instances))
        images = self._images(root, split, files, {*labels.values(), *instances.values()})
        maps, objects = _belonging(images, labels), _belonging(images, instances)
        for pattern, name, found, mine in (
            (files.labels, "labels", labels, maps),
            (files.instances, "instances", instances, objects),
        ):
            if pattern is not None and not mine:
                raise UsageError(
                    f"--{name} {pattern!r}: {len(found)} files fit that pattern below {root}, but none belongs to "
                    f"one of {len(images)} images such as {next(iter(images))}; the stars of both patterns "
                    "must stand for the same text."
                )
        names = numbered_classes() if files.class_names is None else read_class_names(files.class_names)
        colors = dict(zip(names, even_hues(len(names)).values(), strict=True))
        super().__init__(root, split, images, maps, names, colors, foreground or None, objects)
        if files.class_names is not None and IGNORED not in names:
            self.ignore_ids = frozenset({IGNORED})

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return False: patterns cannot be recognised from a folder."""
        del path
        return False

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return none: see ``splits_named``."""
        del path
        return ()

    @classmethod
    def splits_named(cls, path: Path, files: FileOptions) -> tuple[str, ...]:
        """Return the texts that ``{split}`` in the pattern of images stands for, train first; empty without it."""
        pattern = files.images or ""
        if _SPLIT not in pattern:
            return ()
        regex = _regex(pattern)
        found = {match["split"] for text in _expand(path, pattern, "*") if (match := regex.fullmatch(text))}
        return tuple(sorted(found, key=lambda name: (name not in SPLITS, *map(name.__ne__, SPLITS), name)))

    @classmethod
    def open_files(
        cls, path: Path, split: str, foreground: Sequence[str] | None, files: FileOptions, options: DataOptions
    ) -> Self:
        """Open a split of the files that patterns name."""
        del options
        return cls(path, split if cls.splits_named(path, files) else "", foreground, files)

    def _images(self, root: Path, split: str, files: FileOptions, maps: set[Path]) -> dict[str, Path]:
        if files.images is None:
            found = {
                path.relative_to(root).with_suffix("").as_posix(): path
                for path in sorted(list_images(root, self.left_out))
                if path not in maps
            }
        else:
            found = {key: path for key, path in _found(root, files.images, split).items() if path not in maps}
        suffixes = image_suffixes()
        self.left_out.add((path for path in found.values() if path.suffix.lower() not in suffixes), NO_IMAGE)
        images = {key: path for key, path in found.items() if path.suffix.lower() in suffixes}
        if not images:
            there = ", ".join(self.splits_named(root, files))
            hint = f"; splits that fit: {there} (--split)" if there else ""
            raise UsageError(f"--images {files.images!r}: no image fits that pattern below {root}{hint}; check it.")
        return images


def _belonging(images: Mapping[str, Path], found: Mapping[str, Path]) -> dict[str, Path]:
    """Find each image's map by the stars' texts, or else by the file name if it is unique."""
    by_name: dict[str, list[Path]] = {}
    for path in found.values():
        by_name.setdefault(bare_name(path.stem), []).append(path)
    maps = {}
    for key, image in images.items():
        alike = by_name.get(bare_name(image.stem), [])
        mine = found.get(key) or (alike[0] if len(alike) == 1 else None)
        if mine is not None:
            maps[key] = mine
    return maps


def _found(root: Path, pattern: str | None, split: str) -> dict[str, Path]:
    """List the files of a pattern by the texts of its stars, joined by ``/``, without the split."""
    if pattern is None:
        return {}
    regex = _regex(pattern)
    found = {}
    for text in sorted(_expand(root, pattern, glob.escape(split) if split else "*")):
        match = regex.fullmatch(text)
        if match is not None and (root / text).is_file():
            starred = [part.strip("/") for name, part in _groups(match) if name != "split"]
            found["/".join(filter(None, starred)) or Path(text).stem] = root / text
    return found


def _groups(match: re.Match[str]) -> list[tuple[str, str]]:
    names = {number: name for name, number in match.re.groupindex.items()}
    return [(names.get(number, ""), part or "") for number, part in enumerate(match.groups(), 1)]


def _expand(root: Path, pattern: str, split: str) -> list[str]:
    texts = glob.glob(pattern.replace(_SPLIT, split), root_dir=root, recursive=True)
    return [text.replace(os.sep, "/") for text in texts]


def _regex(pattern: str) -> re.Pattern[str]:
    """Turn a pattern into a regular expression with one group for each wildcard."""
    translated = {"**/": "((?:[^/]+/)*)", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
    parts, end, has_split = [], 0, False
    for wild in _WILD.finditer(pattern):
        parts.append(re.escape(pattern[end : wild.start()]))
        end = wild.end()
        if wild[0] == _SPLIT:
            parts.append("(?P=split)" if has_split else "(?P<split>[^/]+)")
            has_split = True
        else:
            parts.append(translated.get(wild[0]) or f"({wild[0].replace('[!', '[^')})")
    return re.compile("".join([*parts, re.escape(pattern[end:])]))
