"""A table for spreadsheets and scripts, with one line per object."""

import csv
from pathlib import Path

from objdisc.export.objects import NamedObjects
from objdisc.io.files import atomic_write

COLUMNS = (
    *("patch", "image", "x", "y", "width", "height", "area"),
    *("cluster", "category_id", "category", "confidence", "objectness"),
)


def write_table(path: Path, named: NamedObjects) -> Path:
    """Write one line for every object that has a category.

    ``patch`` is the row of the patch store, as in ``names.json``; ``image`` the file below the data set's folder; the
    box and the area are in pixels of the full image; ``cluster`` is the patch's cluster after single moves. If regions
    come from annotation files, a last column ``source_id`` has the object's id there.

    Args:
        path: The CSV file, in UTF-8, with fields quoted where necessary.
        named: The objects.

    Raises:
        ObjdiscError: The file cannot be written.
    """
    names = {category.id: category.name for category in named.names.categories}
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        with_sources = named.store.has_sources
        writer.writerow([*COLUMNS, *(["source_id"] if with_sources else [])])
        for frame, objects in named.objects():
            for row, patch in objects:
                category = int(named.categories[row])
                region, confidence = patch.region, f"{named.confidence[row]:.4f}"
                place = [row, frame.file_name, *region.box, region.area]
                what = [int(named.clusters[row]), category, names[category]]
                source = [region.source_id or ""] if with_sources else []
                writer.writerow([*place, *what, confidence, f"{region.score:.4f}", *source])
    return path
