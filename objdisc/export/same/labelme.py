"""LabelMe's JSON with the categories of a run as labels."""

import json
from pathlib import Path

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.labelme import objects, read
from objdisc.export.same.assigned import UNASSIGNED, Assigned
from objdisc.io.files import atomic_write


def write_same(folder: Path, annotations: Annotations, assigned: Assigned) -> None:
    """Rewrite each file; only the labels of shapes differ.

    Args:
        folder: Where the files go, under their names.
        annotations: The files.
        assigned: The categories.
    """
    for path, samples in annotations.entries():
        whole = read(path)
        labels: dict[int, str] = {}
        for source_id, shapes in objects(whole):
            name = assigned.name_of(samples.get(""), source_id) or UNASSIGNED
            labels |= {id(shape): name for shape in shapes}
        whole["shapes"] = [
            {**shape, "label": labels[id(shape)]} if id(shape) in labels else shape for shape in whole["shapes"]
        ]
        with atomic_write(folder / path.relative_to(annotations.files.folder)) as file:
            json.dump(whole, file, indent=2, ensure_ascii=False)
