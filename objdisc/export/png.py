"""Indexed PNG maps with a palette: viewers show them as pictures, and programs read category ids."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objdisc.errors import UsageError
from objdisc.export.objects import NamedObjects
from objdisc.io.files import atomic_write, write_json
from objdisc.naming.categories import Category

_MOST = 255  # an index has 8 bits, and 0 is nothing


def write_png_maps(folder: Path, named: NamedObjects) -> Path:
    """Write one map an image, and the legend as ``categories.json`` and ``categories.csv``.

    A map is in palette mode, 8 bits a pixel: 0 where nothing was found, otherwise the category id. Images that are one
    object as a whole get no map.

    Args:
        folder: Where they go: ``<folder>/maps/<sample>.png``, the legend beside ``maps``.
        named: The objects.

    Raises:
        UsageError: More categories than 8 bits can number.
        ObjdiscError: A file cannot be written.
    """
    categories = named.names.categories
    for frame, objects in named.outlined():
        write_indexed(folder / "maps" / f"{frame.sample}.png", named.category_map(frame, objects), categories)
    write_legend(folder, categories, "categories")
    return folder


def write_indexed(path: Path, ids: NDArray[np.int64], categories: Sequence[Category]) -> None:
    """Write a map of category ids in palette mode, 8 bits a pixel.

    Args:
        path: The file.
        ids: ``(H, W)`` category ids, 0 for nothing.
        categories: All categories, by ascending id from 1.

    Raises:
        UsageError: More categories than 8 bits can number.
        ObjdiscError: The file cannot be written.
    """
    if len(categories) > _MOST:
        raise UsageError(
            f"--format png: {len(categories)} categories, but an indexed PNG holds {_MOST}; "
            "merge some in names.json, or take another format."
        )
    palette = [0, 0, 0] + [channel for category in categories for channel in category.color]
    # Filled up to 256 colours: Pillow would pack fewer into fewer bits, which not every reader unpacks
    palette += [0] * (3 * (_MOST + 1) - len(palette))
    image = Image.fromarray(ids.astype(np.uint8))
    image.putpalette(palette)  # turns mode L into P, indices as they are
    data = io.BytesIO()
    image.save(data, "png")
    with atomic_write(path, "wb") as file:
        file.write(data.getvalue())


def write_legend(folder: Path, categories: Sequence[Category], name: str) -> None:
    """Write the meaning of the values in indexed maps, as ``NAME.json`` and ``NAME.csv``."""
    legend = [
        {"id": category.id, "name": category.name, "color": category.color, "clusters": category.clusters}
        for category in categories
    ]
    write_json(folder / f"{name}.json", {"nothing": 0, "categories": legend})
    with atomic_write(folder / f"{name}.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "name", "red", "green", "blue"])
        for category in categories:
            writer.writerow([category.id, category.name, *category.color])
