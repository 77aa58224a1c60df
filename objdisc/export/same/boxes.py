"""A table of boxes with an additional column: the category of each box."""

import csv
from pathlib import Path

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.boxes import rows
from objdisc.export.same.assigned import Assigned
from objdisc.io.files import atomic_write

COLUMN, OTHER_COLUMN = "category", "found_category"
"""Name of the new column, and an alternative if the table already has such a column."""


def write_same(folder: Path, annotations: Annotations, assigned: Assigned) -> None:
    """Rewrite each table, line by line; the new field of a box without a category is empty.

    Args:
        folder: Where the files go, under their names.
        annotations: The tables.
        assigned: The categories.
    """
    for path, samples in annotations.entries():
        with atomic_write(folder / path.relative_to(annotations.files.folder)) as file:
            writer = None
            for number, (columns, row) in enumerate(rows(path)):
                if writer is None:
                    writer = csv.writer(file, delimiter=columns.delimiter, lineterminator="\n")
                    writer.writerow([*columns.header, OTHER_COLUMN if COLUMN in columns.header else COLUMN])
                missing = [""] * (len(columns.header) - len(row))
                name = ""
                if columns.shape(row) is not None:
                    name = assigned.name_of(samples.get(columns.field(row, "image")), str(number)) or ""
                writer.writerow([*row, *missing, name])
