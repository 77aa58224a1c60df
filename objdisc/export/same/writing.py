"""The choice of the function that writes a format of annotations."""

from collections.abc import Callable, Mapping
from pathlib import Path

from objdisc.annotations.annotations import Annotations
from objdisc.errors import UsageError
from objdisc.export.objects import NamedObjects
from objdisc.export.same import boxes, coco, labelme, megadetector, sam_json, yolo
from objdisc.export.same.assigned import Assigned

_WRITERS: Mapping[str, Callable[[Path, Annotations, Assigned], None]] = {
    "coco": coco.write_same,
    "sam_json": sam_json.write_same,
    "labelme": labelme.write_same,
    "megadetector": megadetector.write_same,
    "yolo": yolo.write_same,
    "boxes": boxes.write_same,
}


def write_same(folder: Path, named: NamedObjects, annotations: Annotations) -> Assigned:
    """Write a run's categories into annotation files of the same format as those of its regions.

    Args:
        folder: Where the files go.
        named: The run's objects.
        annotations: The files that they came from.

    Returns:
        The categories, with counts of objects with and without one.

    Raises:
        UsageError: No object of the run comes from these files.
        ObjdiscError: A file cannot be written.
    """
    assigned = Assigned.of(named, annotations)
    if not assigned.objects:
        raise UsageError(
            f"{annotations}: no object of the run comes from there; run discover with --annotations, or name the "
            "files that it read with --annotations."
        )
    _WRITERS[annotations.format.name](folder, annotations, assigned)
    return assigned
