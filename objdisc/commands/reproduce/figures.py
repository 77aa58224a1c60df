"""The published figures: ``figures.yaml``, the command of each entry, and the figures in its JSON file."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

import objdisc
from objdisc.errors import UsageError
from objdisc.io.paths import checked_name
from objdisc.pipeline.provenance import Provenance

RESULTS = Path("data/results")
FILE = "figures.yaml"

_DIGITS = 3
_NEEDED = {"about", "data", "seeds", "train_split", "split", "figures"}
_KNOWN = _NEEDED | {"config", "flags", "digits"}


@dataclass(frozen=True)
class PublishedRow:
    """The published figures of one seed.

    Attributes:
        numbers: The run's ``metrics.json``, with the command in later files.
        provenance: How and where it was made; None in files from before this was recorded.
    """

    numbers: Mapping[str, Any]
    provenance: Provenance | None

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Self:
        """Read one.

        Raises:
            KeyError: A part of its provenance is missing.
            TypeError: The provenance is not a mapping.
            ValueError: A value is not a number.
        """
        made = numbers.get("provenance")
        return cls(numbers, None if made is None else Provenance.from_json(made))

    @property
    def commit(self) -> str:
        """The commit; empty where it is unknown."""
        return str(self.numbers.get("commit", "")) if self.provenance is None else self.provenance.commit or ""

    @property
    def processor(self) -> str:
        """The processor's name, or a description of it; empty if it is unknown."""
        return str(self.numbers.get("processor", "")) if self.provenance is None else self.provenance.processor

    @property
    def date(self) -> str:
        """When it was made, in ISO 8601; empty where it is unknown."""
        return str(self.numbers.get("date", "")) if self.provenance is None else self.provenance.date


@dataclass(frozen=True)
class Figures:
    """One entry of ``figures.yaml``.

    Attributes:
        name: Its name, which is also that of its JSON file.
        about: What the figures are of.
        folder: Folder of ``figures.yaml`` and the JSON files.
        data: Folder of the images, from the root of the repository.
        config: Config of discover, also from the root; None if flags give all settings.
        flags: Flags of discover, over the config.
        seeds: The seeds that are published.
        train_split: Training split; empty if the data has no splits.
        split: Evaluation split; empty if the data has no splits.
        keys: Keys of ``metrics.json`` that are published, with dots for nested ones.
        digits: Digits after the decimal point.
    """

    name: str
    about: str
    folder: Path
    data: Path
    config: Path | None
    flags: tuple[str, ...]
    seeds: tuple[int, ...]
    train_split: str
    split: str
    keys: tuple[str, ...]
    digits: int = _DIGITS

    @property
    def root(self) -> Path:
        """The root of the repository, in which data and config lie."""
        return self.folder.resolve().parents[1]

    @property
    def file(self) -> Path:
        """The JSON file of its figures."""
        return self.folder / f"{self.name}.json"

    @property
    def splits(self) -> str:
        """Describe the training split and the evaluation split."""
        trained, scored = self.train_split or "all images", self.split or "all images"
        return trained if trained == scored else f"{trained} → {scored}"

    def command(self, seed: int | str) -> str:
        """Return the command of one seed, for the root of the repository."""
        config = () if self.config is None else ("--config", str(self.config))
        return shlex.join(["objdisc", "discover", str(self.data), *config, *self.flags, "--seed", str(seed)])

    def published(self) -> list[PublishedRow]:
        """Read the published figures of each seed; empty if there is no file yet.

        Raises:
            UsageError: The file is damaged.
        """
        if not self.file.is_file():
            return []
        try:
            rows = json.loads(self.file.read_text(encoding="utf-8"))
            return [PublishedRow.of(dict(row)) for row in rows]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{self.file}: damaged ({error}); take it from git: git checkout {self.file}") from error


def value_of(numbers: Mapping[str, Any], key: str) -> float | None:
    """Look up a figure by its dotted key; None if it is missing or not a number."""
    found: Any = numbers
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def read_figures(folder: Path | None) -> dict[str, Figures]:
    """Read ``figures.yaml``.

    Args:
        folder: Its folder; None for data/results of the checkout that the package lies in.

    Returns:
        The entries by name, in order.

    Raises:
        UsageError: The file is missing or damaged.
    """
    asked, folder = folder, folder or Path(objdisc.__file__).parents[1] / RESULTS
    path = folder / FILE
    if not path.is_file():
        where = "this installation is no checkout of the repository; clone it, or give " if asked is None else "give "
        raise UsageError(f"{path}: no published figures there; {where}--results FOLDER with a {FILE}.")
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {name: _entry(folder, str(name), values) for name, values in entries.items()}
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({' '.join(str(error).split())}).") from error


def _entry(folder: Path, name: str, values: Mapping[str, Any]) -> Figures:
    checked_name(name, folder / FILE)
    wrong = sorted({*values} - _KNOWN) + sorted(_NEEDED - {*values})
    if wrong:
        raise UsageError(f"{name}: {wrong[0]!r} is {'missing' if wrong[0] in _NEEDED else 'no key of an entry'}.")
    seeds = tuple(int(seed) for seed in values["seeds"])
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"{name}: seeds {list(seeds)}; give each seed once.")
    return Figures(
        name=name,
        about=str(values["about"]),
        folder=folder,
        data=Path(values["data"]),
        config=Path(values["config"]) if "config" in values else None,
        flags=tuple(shlex.split(values.get("flags", ""))),
        seeds=seeds,
        train_split=str(values["train_split"]),
        split=str(values["split"]),
        keys=_texts(values["figures"]),
        digits=int(values.get("digits", _DIGITS)),
    )


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)
