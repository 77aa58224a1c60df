"""COCO files of instances: the annotations form for ``COCO()``, and the results form for ``COCO.loadRes``.

The format is that of https://cocodataset.org/#format-data and #format-results; masks are compressed run lengths.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from objdisc.export.objects import NamedObjects
from objdisc.imaging.masks import encode_crop
from objdisc.inference.stitching import footprint
from objdisc.io.files import atomic_write
from objdisc.types import Patch

INSTANCES, RESULTS = "instances.json", "results.json"


def write_coco(folder: Path, named: NamedObjects, info: Mapping[str, Any]) -> Path:
    """Write ``instances.json`` and ``results.json``; memory does not grow with the number of objects.

    Images are numbered from 1 in the order of ``named.frames``, ``file_name`` is the path below the data set's
    folder. ``score`` is the source's score of the region times the probability of its category. Beyond the format,
    each annotation has ``patch``, the row of the patch store, and ``source_id``, its id in the annotation file that it
    comes from, if there is one; each category has its ``color`` and ``clusters``.

    Args:
        folder: Where they go.
        named: The objects.
        info: Content of the file's ``info``.

    Raises:
        ObjdiscError: A file cannot be written.
    """
    categories = [
        {
            "id": category.id,
            "name": category.name,
            "supercategory": "object",
            "color": category.color,
            "clusters": category.clusters,
        }
        for category in named.names.categories
    ]
    images = (
        {"id": number, "file_name": frame.file_name, "width": frame.width, "height": frame.height}
        for number, frame in enumerate(named.frames, start=1)
    )
    with atomic_write(folder / INSTANCES) as file:
        file.write(f'{{"info": {_json(info)}, "licenses": [], "categories": {_json(categories)},\n"images": ')
        _write_list(file, images)
        file.write(',\n"annotations": ')
        _write_list(file, annotations(named))
        file.write("}\n")
    with atomic_write(folder / RESULTS) as file:
        _write_list(file, results(named))
        file.write("\n")
    return folder


def annotations(named: NamedObjects) -> Iterator[dict[str, Any]]:
    """Yield one COCO annotation an object."""
    number = 0
    for image, (_, objects) in enumerate(named.objects(), start=1):
        for row, patch in objects:
            number += 1
            yield {
                "id": number,
                "image_id": image,
                "category_id": int(named.categories[row]),
                "iscrowd": 0,
                "score": round(named.score(row, patch), 6),
                "patch": row,
                **({} if patch.region.source_id is None else {"source_id": patch.region.source_id}),
                **_place(patch),
            }


def results(named: NamedObjects) -> Iterator[dict[str, Any]]:
    """Yield one COCO result an object, without its box, from which ``loadRes`` would take the area."""
    for annotation in annotations(named):
        yield {key: annotation[key] for key in ("image_id", "category_id", "segmentation", "score")}


def _place(patch: Patch) -> dict[str, Any]:
    """Return mask, box and area of a patch's region; without a mask it is its box, cut off at the frame's border."""
    region = patch.region
    if region.mask is not None:
        return {"segmentation": region.mask, "bbox": list(region.box), "area": region.area}
    rows, columns, inside = footprint(region, patch.frame)
    box = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
    mask = encode_crop(inside, (box[0], box[1]), patch.frame)
    return {"segmentation": mask, "bbox": box, "area": box[2] * box[3]}


def _write_list(file: IO[str], items: Iterator[dict[str, Any]]) -> None:
    """Write a JSON list item by item, one a line."""
    separator = "["
    for item in items:
        file.write(f"{separator}\n{_json(item)}")
        separator = ","
    file.write("[]" if separator == "[" else "]")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
