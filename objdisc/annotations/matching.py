"""Matching images in annotation files with a data set: by path, end of path, file name or stem."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from objdisc.types import Sample

_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image as an annotation file names it.

    Attributes:
        number: Its number in the index.
        name: Path or name in the file.
        file: The annotation file, relative to the given folder or file.
        folder: Folder of the annotation file, absolute.
    """

    number: int
    name: str
    file: str
    folder: str


@dataclass
class Matches:
    """Which image entry belongs to which sample, and what could not be matched.

    Attributes:
        number_of: ``Sample.name`` to ``NamedImage.number``.
        absent: Names in the files of images that are not in the data set.
        ambiguous: Names in the files that fit several images of the data set.
        claimed: Names in the files of images that another entry already names.
        other_split: Number of entries of another split, judged by their path or their file's name.
    """

    number_of: dict[str, int] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    claimed: list[str] = field(default_factory=list)
    other_split: int = 0


def match(samples: Sequence[Sample], root: Path, images: Iterable[NamedImage]) -> Matches:
    """Find the sample of each image that annotation files mention.

    The first of these that decides is used: the path below the data set's folder or beside the annotation file; the
    file name, where the longest agreement of folders from the end wins; the same without the suffix; a number that is
    the whole name. Case matters only if names differ in nothing else.

    Args:
        samples: Samples of one split.
        root: Folder of the data set.
        images: Entries of the files, in their order.
    """
    names = _Names(samples, root)
    found = Matches()
    claims: dict[str, list[tuple[int, NamedImage]]] = defaultdict(list)
    for image in images:
        if _is_of_other_split(image, samples[0].split):
            found.other_split += 1
            continue
        agreement, candidates = names.find(image)
        if not candidates:
            found.absent.append(image.name)
        elif len(candidates) > 1:
            found.ambiguous.append(image.name)
        else:
            claims[candidates[0]].append((agreement, image))
    for sample, claimants in claims.items():
        best = max(agreement for agreement, _ in claimants)
        winner, *others = [image for agreement, image in claimants if agreement == best]
        found.number_of[sample] = winner.number
        found.claimed += [f"{image.name} ({winner.file} and {image.file})" for image in others]
        found.absent += [image.name for agreement, image in claimants if agreement < best]
    return found


def _is_of_other_split(image: NamedImage, split: str) -> bool:
    """Whether the path of an entry, or the name of its file, names a split other than the wanted one."""
    if split not in _SPLIT_WORDS.values():
        return False
    folders = re.split(r"[/\\]", image.name)[:-1]
    words = {_SPLIT_WORDS.get(word.lower(), "") for word in (*folders, *re.findall("[a-zA-Z]+", image.file))} - {""}
    return bool(words) and split not in words


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[/\\]", name) if part not in {"", "."})


def _agreement(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the folders that two paths share, from the end."""
    count = 0
    for mine, theirs in zip(reversed(one[:-1]), reversed(other[:-1]), strict=False):
        if mine.casefold() != theirs.casefold():
            break
        count += 1
    return count


_EXACT = 1 << 20  # agrees more than any number of folders

Entry = tuple[tuple[str, ...], str]


class _Names:
    """The samples of a split by all names that a file may use."""

    def __init__(self, samples: Sequence[Sample], root: Path) -> None:
        self._paths: dict[str, str] = {}
        self._bases: Mapping[str, list[Entry]] = defaultdict(list)
        self._stems: Mapping[str, list[Entry]] = defaultdict(list)
        self._numbers: Counter[str] = Counter()
        self._numbered: dict[str, str] = {}
        here = os.path.abspath(root)
        for sample in samples:
            path = os.path.abspath(sample.image_path)
            self._paths[path] = sample.name
            parts = _parts(os.path.relpath(path, here))
            self._bases[parts[-1].casefold()].append((parts, sample.name))
            stem = os.path.splitext(parts[-1])[0]
            own = sample.name.rpartition("/")[2]
            for alias in {stem, own}:
                self._stems[alias.casefold()].append(((*parts[:-1], alias), sample.name))
            if digits := re.fullmatch(r"0*(\d+)", stem):
                self._numbers[digits[1]] += 1
                self._numbered[digits[1]] = sample.name
        self._here = here

    def find(self, image: NamedImage) -> tuple[int, list[str]]:
        """Return the samples that an entry may mean, and how many folders of their paths agree."""
        for folder in (self._here, image.folder):
            exact = self._paths.get(os.path.normpath(os.path.join(folder, image.name.replace("\\", "/"))))
            if exact is not None:
                return _EXACT, [exact]
        parts = _parts(image.name)
        if not parts:
            return 0, []
        entries = self._bases.get(parts[-1].casefold())
        if entries is None:
            stem = os.path.splitext(parts[-1])[0]
            entries = self._stems.get(parts[-1].casefold()) or self._stems.get(stem.casefold())
        if entries is None:
            return self._by_number(parts[-1])
        return _best(parts, entries)

    def _by_number(self, name: str) -> tuple[int, list[str]]:
        digits = re.fullmatch(r"0*(\d+)", name)
        if digits is None or not self._numbers[digits[1]]:
            return 0, []
        return 0, [self._numbered[digits[1]]] * self._numbers[digits[1]]


def _best(parts: tuple[str, ...], entries: Sequence[Entry]) -> tuple[int, list[str]]:
    """Choose among images of the same name those whose folders agree longest, then those of the same case."""
    agreements = [_agreement(parts, theirs) for theirs, _ in entries]
    best = max(agreements)
    chosen = [entry for entry, agreement in zip(entries, agreements, strict=True) if agreement == best]
    same_case = [entry for entry in chosen if os.path.splitext(entry[0][-1])[0] == os.path.splitext(parts[-1])[0]]
    return best, list(dict.fromkeys(name for _, name in same_case or chosen))
