"""Indexed maps, opened with Pillow: indices are category ids, the palette holds the categories' colours."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objdisc.errors import UsageError
from objdisc.export.objects import NamedObjects
from objdisc.export.png import write_png_maps
from objdisc.imaging.decode import read_index_map
from objdisc.naming.categories import Names

MakeObjects = Callable[..., NamedObjects]
NAMES = Names.of([("car, red", (255, 0, 0)), None, ("Straße", (0, 128, 255)), ("car, red", (9, 9, 9))])


def test_a_map_is_a_picture_and_category_ids_at_once(make_objects: MakeObjects, tmp_path: Path) -> None:
    named = make_objects(names=NAMES)
    folder = write_png_maps(tmp_path / "out put", named)
    colors = np.array([(0, 0, 0), (255, 0, 0), (0, 128, 255)])
    seen = set()
    for frame, objects in named.objects():
        path = folder / "maps" / f"{frame.sample}.png"
        expected = named.category_map(frame, objects)
        with Image.open(path) as image:
            assert image.mode == "P"
            assert image.info.get("transparency") is None
            np.testing.assert_array_equal(np.array(image), expected)
            np.testing.assert_array_equal(np.array(image.convert("RGB")), colors[expected])
        assert path.read_bytes()[24:26] == b"\x08\x03", "8 bits a pixel, colour type palette"
        np.testing.assert_array_equal(read_index_map(path), expected)
        seen |= set(np.unique(expected).tolist())
    assert seen == {0, 1, 2}


def test_the_legend_tells_what_the_ids_are(make_objects: MakeObjects, tmp_path: Path) -> None:
    folder = write_png_maps(tmp_path, make_objects(names=NAMES))
    legend = json.loads((folder / "categories.json").read_text(encoding="utf-8"))
    assert legend == {
        "nothing": 0,
        "categories": [
            {"id": 1, "name": "car, red", "color": [255, 0, 0], "clusters": [0, 3]},
            {"id": 2, "name": "Straße", "color": [0, 128, 255], "clusters": [2]},
        ],
    }
    with (folder / "categories.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["id", "name", "red", "green", "blue"],
            ["1", "car, red", "255", "0", "0"],
            ["2", "Straße", "0", "128", "255"],
        ]


def test_255_categories_fit_and_256_do_not(make_objects: MakeObjects, tmp_path: Path) -> None:
    named = make_objects()
    most = make_objects(np.eye(255, dtype=np.float32)[np.arange(len(named.store)) + 255 - len(named.store)])
    folder = write_png_maps(tmp_path / "most", most)
    assert max(read_index_map(path).max() for path in folder.rglob("*.png")) > 200
    many = make_objects(np.full((len(named.store), 256), 1 / 256, np.float32))
    with pytest.raises(UsageError, match="256 categories, but an indexed PNG holds 255; merge some"):
        write_png_maps(tmp_path / "many", many)
