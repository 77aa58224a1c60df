"""COCO JSON with the categories of a run; images, annotations, ids and all other fields stay as they are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.coco import source_id_of
from objdisc.annotations.json_stream import Member, members
from objdisc.export.same.assigned import Assigned
from objdisc.io.files import atomic_write, write_json


def write_same(folder: Path, annotations: Annotations, assigned: Assigned) -> None:
    """Rewrite each file, with one annotation in memory at a time; only ``category_id`` and ``categories`` differ.

    A bare list of results has no categories: they go to ``categories.json``.

    Args:
        folder: Where the files go, under their names.
        annotations: The files.
        assigned: The categories.
    """
    for path, samples in annotations.entries():
        target = folder / path.relative_to(annotations.files.folder)
        with atomic_write(target) as file:
            is_list = _copy(path, file, samples, assigned)
        if is_list:
            write_json(target.with_name("categories.json"), categories(assigned))


def categories(assigned: Assigned) -> list[dict[str, Any]]:
    """Return the categories as COCO lists them."""
    return [{"id": number, "name": name, "supercategory": "object"} for number, name in assigned.all_names().items()]


def _copy(path: Path, file: IO[str], samples: Mapping[str, str], assigned: Assigned) -> bool:
    """Copy a file member by member; return whether it is a bare list."""
    separator, inner, position, is_list = "{", "", 0, False
    for member in members(path):
        is_list = is_list or member.key is None
        if member.key == "categories":
            continue
        if member.kind == "end":
            file.write("]")
            continue
        if member.kind in {"start", "value"}:
            file.write("[" if member.key is None else f"{separator}{json.dumps(member.key)}: ")
            separator = ",\n"
        if member.kind == "start" and member.key is not None:
            file.write("[")
        if member.kind == "start":
            inner, position = "\n", 0
        elif member.kind == "item":
            value = _with_category(member, position, samples, assigned)
            file.write(inner + json.dumps(value, ensure_ascii=False))
            inner, position = ",\n", position + 1
        else:
            file.write(json.dumps(member.value, ensure_ascii=False))
    if not is_list:
        file.write(f'{separator}"categories": {json.dumps(categories(assigned), ensure_ascii=False)}}}\n')
    return is_list


def _with_category(member: Member, position: int, samples: Mapping[str, str], assigned: Assigned) -> Any:
    """Return an item, with its category if it is an annotation."""
    value = member.value
    if member.key not in {None, "annotations"} or not isinstance(value, Mapping):
        return value
    found = assigned.get(samples.get(str(value.get("image_id"))), source_id_of(value, position))
    return {**value, "category_id": assigned.unassigned_id if found is None else found[0]}
