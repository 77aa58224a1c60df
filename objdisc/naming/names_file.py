"""Reading ``names.json``, as the report page saves it, with a check that it belongs to the run."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.imaging.colors import Color
from objdisc.io.files import read_json
from objdisc.naming.categories import REJECTED, Names
from objdisc.naming.scenes import SceneNames

FORMAT, VERSIONS = "objdisc-names", (1, 2)  # 2 names clusters of the scene as well

_CLUSTER_KEYS = {"cluster", "name", "color", "merged_into", "rejected"}
_SCENE_KEYS = {"cluster", "name"}
_MOVE_KEYS = {"patch", "cluster"}
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def read_names(
    path: Path, identities: Collection[str], foreground: Sequence[bool] | NDArray[np.bool_], default: Names
) -> Names:
    """Read ``names.json``; clusters that it leaves out keep their default names.

    Args:
        path: The file, as the report page saves it.
        identities: ``run_identity`` of the run that it must belong to, and its ``former_identities``.
        foreground: ``(N,)`` whether a row of the patch store is an object; only objects can be moved.
        default: Names and colours of clusters that the file does not name.

    Raises:
        UsageError: The file is missing, damaged or contradictory, or belongs to another run or another K.
    """
    reader = _Reader(path)
    values = read_json(path)
    reader.check_header(values, identities, default.num_clusters)
    clusters = reader.clusters(values, default)
    moved = reader.moves(values, foreground, default.num_clusters)
    return Names.of(clusters, moved)


def read_scene_names(path: Path, default: SceneNames) -> SceneNames:
    """Read the names of scene clusters from ``names.json``; version 1 has none.

    ``read_names`` checks that the file belongs to the run.

    Args:
        path: The file.
        default: Names and colours of clusters that the file does not name.

    Raises:
        UsageError: The file is damaged, or names a cluster that does not exist.
    """
    reader, names, given = _Reader(path), list(default.names), list(default.given)
    for where, entry in reader.entries(read_json(path), "scene", _SCENE_KEYS):
        cluster = reader.number(entry, "cluster", where, 0, len(names))
        if name := reader.name(entry, where):
            names[cluster], given[cluster] = name, True
    return SceneNames(names, default.colors, given)


class _Reader:
    """Parses ``names.json``; every error names the file and the place in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, message: str) -> NoReturn:
        raise UsageError(f"{self.path}: {message}")

    def check_header(self, values: Mapping[str, Any], identities: Collection[str], num_clusters: int) -> None:
        if values.get("format") != FORMAT:
            self.fail(f"not a names file, its format is {values.get('format')!r}; save one in the run's report.html.")
        if values.get("version") not in VERSIONS:
            self.fail(f"version {values.get('version')!r}; this objdisc reads versions 1 and 2.")
        if (found := values.get("num_clusters")) != num_clusters:
            self.fail(f"names {found!r} clusters, but the run has {num_clusters}; save it in this run's report.html.")
        if values.get("run") not in identities:
            self.fail("belongs to another run (other weights or other patches); save it in this run's report.html.")

    def clusters(self, values: Mapping[str, Any], default: Names) -> list[tuple[str, Color] | None]:
        count = default.num_clusters
        entries: dict[int, dict[str, Any]] = {}
        for where, entry in self.entries(values, "clusters", _CLUSTER_KEYS):
            cluster = self.number(entry, "cluster", where, 0, count)
            if cluster in entries:
                self.fail(f"{where}: cluster {cluster} stands there twice; keep one entry.")
            if entry.get("merged_into") is not None:
                self.number(entry, "merged_into", where, 0, count)
            if not isinstance(entry.get("rejected", False), bool):
                self.fail(f"{where}.rejected is {entry['rejected']!r}; expected true or false.")
            entries[cluster] = entry | {"name": self.name(entry, where), "color": self.color(entry, where)}
        own: list[tuple[str, Color]] = []
        for usual in default.categories:
            named = entries.get(usual.clusters[0], {})
            own.append((named.get("name") or usual.name, named.get("color") or usual.color))
        roots = [self.root(cluster, entries) for cluster in range(count)]
        return [None if root is None else own[root] for root in roots]

    def root(self, cluster: int, entries: Mapping[int, Mapping[str, Any]]) -> int | None:
        """Follow merges to their end; None if a cluster on the way is rejected."""
        seen = [cluster]
        while True:
            entry = entries.get(seen[-1], {})
            if entry.get("rejected", False):
                return None
            if entry.get("merged_into") is None:
                return seen[-1]
            seen.append(entry["merged_into"])
            if seen[-1] in seen[:-1]:
                circle = " → ".join(map(str, seen[seen.index(seen[-1]) :]))
                self.fail(f"clusters are merged in a circle, {circle}; leave one of them without merged_into.")

    def moves(
        self, values: Mapping[str, Any], foreground: Sequence[bool] | NDArray[np.bool_], count: int
    ) -> dict[int, int]:
        moved: dict[int, int] = {}
        for where, entry in self.entries(values, "moved", _MOVE_KEYS):
            patch = self.number(entry, "patch", where, 0, len(foreground))
            if not foreground[patch]:
                self.fail(f"{where}: patch {patch} is a background window; only objects are in clusters.")
            if patch in moved:
                self.fail(f"{where}: patch {patch} is moved twice; keep one entry.")
            moved[patch] = self.number(entry, "cluster", where, REJECTED, count)
        return moved

    def entries(self, values: Mapping[str, Any], key: str, known: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        entries = values.get(key, [])
        if not isinstance(entries, list):
            self.fail(f"{key} is a {_kind(entries)}; expected a list.")
        for place, entry in enumerate(entries):
            where = f"{key}[{place}]"
            if not isinstance(entry, dict):
                self.fail(f"{where} is a {_kind(entry)}; expected an object with {', '.join(sorted(known))}.")
            if unknown := sorted(set(entry) - known):
                self.fail(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(sorted(known))}.")
            yield where, entry

    def number(self, entry: Mapping[str, Any], key: str, where: str, start: int, stop: int) -> int:
        value = entry.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(f"{where}.{key} is {value!r}; expected a whole number.")
        if not start <= value < stop:
            what = "patch" if key == "patch" else "cluster"
            self.fail(f"{where}.{key}: there is no {what} {value}; they run from {start} to {stop - 1}.")
        return value

    def name(self, entry: Mapping[str, Any], where: str) -> str:
        value = entry.get("name")
        if value is not None and not isinstance(value, str):
            self.fail(f"{where}.name is {value!r}; expected text.")
        return " ".join(unicodedata.normalize("NFC", value or "").split())

    def color(self, entry: Mapping[str, Any], where: str) -> Color | None:
        value = entry.get("color")
        if value is None:
            return None
        if not isinstance(value, str) or not _COLOR.fullmatch(value):
            self.fail(f"{where}.color is {value!r}; expected #rrggbb, such as #3366cc.")
        return (int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16))


def _kind(value: object) -> str:
    kinds = {dict: "JSON object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")
