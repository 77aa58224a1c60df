"""Segment Anything's masks with the categories of a run, as a COCO file, since their own format has no categories."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.coco import source_id_of
from objdisc.annotations.json_stream import head_keys, items
from objdisc.export.same.assigned import Assigned
from objdisc.export.same.coco import categories
from objdisc.io.files import atomic_write

FILE = "instances.json"


def write_same(folder: Path, annotations: Annotations, assigned: Assigned) -> None:
    """Write ``instances.json``: every mask of every picture unchanged, with all its fields and a new id.

    ``sam_id`` is the mask's id in the picture's file. Memory does not grow with the number of pictures.

    Args:
        folder: Where the file goes.
        annotations: The pictures' files.
        assigned: The categories.
    """
    images: list[dict[str, Any]] = []
    number, separator = 0, "\n"
    with atomic_write(folder / FILE) as file:
        file.write('{"info": {"description": "Segment Anything\'s masks, with categories"},\n"annotations": [')
        for path, samples in annotations.entries():
            image = _image(path, len(images) + 1, annotations, samples)
            images.append(image)
            for mask in _masks(path, image["id"], samples.get(""), assigned):
                number += 1
                file.write(separator + json.dumps({"id": number, **mask}, ensure_ascii=False))
                separator = ",\n"
        listed = json.dumps(categories(assigned), ensure_ascii=False)
        file.write(f'],\n"images": {json.dumps(images, ensure_ascii=False)},\n"categories": {listed}}}\n')


def _image(path: Path, number: int, annotations: Annotations, samples: Mapping[str, str]) -> dict[str, Any]:
    given: Any = next(items(path, "image"), {}) if "image" in head_keys(path) else {}
    name = str(given.get("file_name") or samples.get("") or path.stem)
    height, width = (annotations.size(samples[""]) if "" in samples else None) or (0, 0)
    return {"height": height, "width": width, **given, "id": number, "file_name": name}


def _masks(path: Path, image: int, sample: str | None, assigned: Assigned) -> Iterator[dict[str, Any]]:
    place = "annotations.item" if "annotations" in head_keys(path) else "item"
    for position, mask in enumerate(items(path, place)):
        if isinstance(mask, Mapping):
            source_id = source_id_of(mask, position)
            found = assigned.get(sample, source_id)
            category = assigned.unassigned_id if found is None else found[0]
            rest = {key: value for key, value in mask.items() if key != "id"}
            yield {"image_id": image, "category_id": category, "iscrowd": 0, "sam_id": source_id, **rest}
