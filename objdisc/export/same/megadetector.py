"""MegaDetector's JSON with the categories of a run in place of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.json_stream import Member, members
from objdisc.export.same.assigned import Assigned
from objdisc.io.files import atomic_write

_CATEGORIES = "detection_categories"


def write_same(folder: Path, annotations: Annotations, assigned: Assigned) -> None:
    """Rewrite each file, with one image in memory at a time; only ``category`` and ``detection_categories`` differ.

    Args:
        folder: Where the files go, under their names.
        annotations: The files.
        assigned: The categories.
    """
    for path, samples in annotations.entries():
        with atomic_write(folder / path.relative_to(annotations.files.folder)) as file:
            _copy(path, file, samples, assigned)


def _copy(path: Path, file: IO[str], samples: Mapping[str, str], assigned: Assigned) -> None:
    separator, inner, number = "{", "", 0
    for member in members(path):
        if member.key == _CATEGORIES:
            continue
        if member.kind == "end":
            file.write("]")
        elif member.kind == "item":
            file.write(inner + _text(_with_categories(member, number, samples, assigned)))
            inner, number = ",\n", number + 1
        else:
            file.write(f"{separator}{_text(member.key)}: " + ("[" if member.kind == "start" else _text(member.value)))
            separator, inner, number = ",\n", "\n", 0
    names = {str(category): name for category, name in assigned.all_names().items()}
    file.write(f"{separator}{_text(_CATEGORIES)}: {_text(names)}}}\n")


def _with_categories(member: Member, number: int, samples: Mapping[str, str], assigned: Assigned) -> Any:
    value = member.value
    if member.key != "images" or not isinstance(value, Mapping) or not value.get("detections"):
        return value
    detections = []
    for place, detection in enumerate(value["detections"]):
        found = assigned.get(samples.get(str(number)), str(place))
        category = assigned.unassigned_id if found is None else found[0]
        detections.append({**detection, "category": str(category)} if isinstance(detection, Mapping) else detection)
    return {**value, "detections": detections}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
