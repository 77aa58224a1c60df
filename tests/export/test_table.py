"""The table of objects, read back with the csv module."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objdisc.export.objects import NamedObjects
from objdisc.export.table import COLUMNS, write_table
from objdisc.naming.categories import Names

MakeObjects = Callable[..., NamedObjects]


def instance_ids(root: Path, image: str) -> NDArray[np.int32]:
    path = image.replace("leftImg8bit", "gtFine", 1).replace("leftImg8bit", "gtFine_instanceIds")
    return np.array(Image.open(root / path), np.int32)


def test_one_line_an_object(make_objects: MakeObjects, toy_city: Path, tmp_path: Path) -> None:
    names = Names.of([('says "car", red', (0, 0, 0)), None, ("Straße", (0, 0, 0)), ("x", (0, 0, 0))])
    named = make_objects(names=names)
    with write_table(tmp_path / "a b.csv", named).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    assert [int(line["patch"]) for line in lines] == named.object_rows.tolist()
    called = {0: 'says "car", red', 2: "Straße", 3: "x"}
    for line in lines:
        row = int(line["patch"])
        assert line["category"] == called[int(line["cluster"])]
        assert int(line["category_id"]) == named.categories[row]
        assert float(line["confidence"]) == round(float(named.confidence[row]), 4)
        x, y, width, height = (int(line[key]) for key in ("x", "y", "width", "height"))
        ids = instance_ids(toy_city, line["image"])[y : y + height, x : x + width]
        assert int(line["area"]) in [(ids == value).sum() for value in np.unique(ids[ids >= 1000])]


def test_moved_patches_stand_in_their_new_cluster(make_objects: MakeObjects, tmp_path: Path) -> None:
    plain = make_objects()
    first, second = plain.object_rows[:2].tolist()
    to = (int(plain.clusters[first]) + 1) % 4
    names = Names(4, plain.names.categories, {first: to, second: -1})
    with write_table(tmp_path / "objects.csv", make_objects(names=names)).open(encoding="utf-8", newline="") as file:
        lines = {int(line["patch"]): line for line in csv.DictReader(file)}
    assert (lines[first]["cluster"], lines[first]["confidence"]) == (str(to), "1.0000")
    assert second not in lines
