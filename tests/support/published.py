"""A checkout with published figures, and what its runs note."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from objdisc.cli import main
from objdisc.pipeline.provenance import Provenance

COMMIT = "0123456789abcdef"
ENTRY: dict[str, Any] = {
    "about": "The toy city by k-means memory",
    "data": "data/city",
    "config": "configs/tiny.yaml",
    "flags": "--num-clusters 5 --overlays 0",
    "seeds": [0, 3],
    "train_split": "train",
    "split": "val",
    "figures": ["nmi", "baseline.nmi"],
}
OLD = [{"seed": seed, "nmi": nmi, "baseline": {"nmi": 0.5}, "subheads": 5} for seed, nmi in ((0, 0.25), (3, 0.75))]


class Repository:
    """A checkout with one entry of figures, and its published file.

    Attributes:
        results: Its data/results.
        out: Where runs go.
    """

    def __init__(self, path: Path, city: Path) -> None:
        self.results, self.out = path / "repository/data/results", path / "out"
        self.results.mkdir(parents=True)
        (path / "repository/configs").mkdir()
        (path / "repository/data/city").symlink_to(city)
        tiny = "method: kmeans_memory\nnum_clusters: 4\nepochs: 2\n"
        (path / "repository/configs/tiny.yaml").write_text(tiny, encoding="utf-8")
        self.put()
        self.file.write_text(json.dumps(OLD), encoding="utf-8")

    @property
    def file(self) -> Path:
        """What is published."""
        return self.results / "tiny.json"

    def put(self, **changes: Any) -> None:
        """Write the entry, with changes; None leaves a key out."""
        entry = {key: value for key, value in (ENTRY | changes).items() if value is not None}
        (self.results / "figures.yaml").write_text(yaml.safe_dump({"tiny": entry}), encoding="utf-8")

    def rows(self) -> list[dict[str, Any]]:
        """Read what is published."""
        found: list[dict[str, Any]] = json.loads(self.file.read_text(encoding="utf-8"))
        return found

    def __call__(self, *words: str) -> int:
        """Call the command."""
        return main(["reproduce", *words, "--results", str(self.results), "--output-dir", str(self.out)])


def at(monkeypatch: pytest.MonkeyPatch, commit: str | None) -> None:
    """Let the code be of a commit."""
    for module in ("objdisc.io.marks", "objdisc.commands.reproduce.command"):
        monkeypatch.setattr(f"{module}.current_commit", lambda: commit)


def made(
    seed: int, nmi: float, *, commit: str | None = COMMIT, date: str = "2026-12-01T10:00:00+00:00"
) -> dict[str, Any]:
    """Return what a run noted."""
    machine = Provenance("0.2.0", commit, "3.13.1", "2.9.1", "AMD EPYC", 2, 1, "cpu", "", "bf16", date)
    times = {"seconds": 60.0, "cpu_seconds": 50.0}
    return {"seed": seed, "nmi": nmi, "baseline": {"nmi": 0.5}, "provenance": machine.to_json(), **times}


Said = Callable[[], str]
