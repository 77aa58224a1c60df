"""Files of a folder that are not read as images, counted by suffix and reason."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

NO_IMAGE = "no images"
HIDDEN = "hidden"
RUNS = "written by objdisc"
UNUSED = "images of another split, or not named as in this layout"
LABEL_MAPS = "label maps (--labels takes them)"


@dataclass
class LeftOut:
    """Files that were found and left out.

    Attributes:
        counts: Number of files for each reason and suffix; the suffix is lower case with its dot, or empty.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, paths: Iterable[Path], reason: str) -> None:
        """Count files, or folders, that are left out for the same reason."""
        self.counts.update((reason, path.suffix.lower()) for path in paths)

    def number(self, reason: str) -> int:
        """Return how many were left out for a reason."""
        return sum(count for (why, _), count in self.counts.items() if why == reason)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        """Return one line such as ``3 .txt, 1 .json: no images; 6 .png: label maps (--labels takes them)``."""
        reasons = dict.fromkeys(reason for reason, _ in sorted(self.counts))
        return "; ".join(f"{self._by_suffix(reason)}: {reason}" for reason in reasons)

    def _by_suffix(self, reason: str) -> str:
        found = Counter({suffix: count for (why, suffix), count in self.counts.items() if why == reason})
        most = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{count} {suffix or 'without suffix'}" for suffix, count in most[:6]]
        rest = sum(count for _, count in most[6:])
        return ", ".join([*named, *([f"{rest} more"] if rest else [])])
