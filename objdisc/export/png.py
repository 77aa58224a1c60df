"""Indexed PNG maps with a palette: a picture to the eye, category ids to a program."""

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

from objdisc.errors import UsageError
from objdisc.export.objects import NamedObjects
from objdisc.io.files import atomic_write, write_json

_MOST = 255  # an index has 8 bits, and 0 is nothing


def write_png_maps(folder: Path, named: NamedObjects) -> Path:
    """Write one map an image, and the legend as ``categories.json`` and ``categories.csv``.

    A map is in palette mode, 8 bits a pixel: 0 where nothing was found, else the category id. Images that are one
    object as a whole get none.

    Args:
        folder: Where they go: ``<folder>/maps/<sample>.png``, the legend beside ``maps``.
        named: The objects.

    Raises:
        UsageError: More categories than 8 bits can number.
        ObjdiscError: A file cannot be written.
    """
    categories = named.names.categories
    if len(categories) > _MOST:
        raise UsageError(
            f"--format png: {len(categories)} categories, but an indexed PNG holds {_MOST}; "
            "merge some in names.json, or take another format."
        )
    palette = [0, 0, 0] + [channel for category in categories for channel in category.color]
    # Filled up to 256 colours: Pillow would pack fewer into fewer bits, which not every reader unpacks
    palette += [0] * (3 * (_MOST + 1) - len(palette))
    for frame, objects in named.outlined():
        image = Image.fromarray(named.category_map(frame, objects).astype(np.uint8))
        image.putpalette(palette)  # turns mode L into P, indices as they are
        data = io.BytesIO()
        image.save(data, "png")
        with atomic_write(folder / "maps" / f"{frame.sample}.png", "wb") as file:
            file.write(data.getvalue())
    _write_legend(folder, named)
    return folder


def _write_legend(folder: Path, named: NamedObjects) -> None:
    legend = [
        {"id": category.id, "name": category.name, "color": category.color, "clusters": category.clusters}
        for category in named.names.categories
    ]
    write_json(folder / "categories.json", {"nothing": 0, "categories": legend})
    with atomic_write(folder / "categories.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "name", "red", "green", "blue"])
        for category in named.names.categories:
            writer.writerow([category.id, category.name, *category.color])
