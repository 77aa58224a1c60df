"""names.json: what the report page saves comes back as categories; whatever is wrong with it is one clear line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objdisc.errors import UsageError
from objdisc.naming.categories import Names
from objdisc.naming.names_file import read_names

IDENTITY = "0123456789abcdef"
COLORS = np.array([(10 * k, 0, 0) for k in range(4)], np.uint8)
FOREGROUND = [True, True, False, True]


def cluster(number: int, name: str, color: str = "#000000", **more: Any) -> dict[str, Any]:
    return {"cluster": number, "name": name, "color": color, "merged_into": None, "rejected": False} | more


def document(*clusters: object, moved: object = (), **more: Any) -> dict[str, Any]:
    moves = list(moved) if isinstance(moved, tuple) else moved
    head = {"format": "objdisc-names", "version": 1, "run": IDENTITY, "num_clusters": 4}
    return head | {"clusters": list(clusters), "moved": moves} | more


def read(values: object, folder: Path) -> Names:
    path = folder / "names.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return read_names(path, [IDENTITY], FOREGROUND, Names.default(COLORS))


def table(names: Names) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(category.name, category.color, category.clusters) for category in names.categories]


def test_names_colors_merges_rejections_and_moves(tmp_path: Path) -> None:
    names = read(
        document(
            cluster(0, "car", "#3366cc"),
            cluster(1, "Fußgänger 人", "#FF0000"),
            cluster(2, "ignored", "#00ff00", merged_into=0),
            cluster(3, "junk", rejected=True),
            moved=({"patch": 1, "cluster": 1}, {"patch": 3, "cluster": -1}),
        ),
        tmp_path,
    )
    assert table(names) == [("car", (0x33, 0x66, 0xCC), (0, 2)), ("Fußgänger 人", (255, 0, 0), (1,))]
    assert names.categories_of(np.array([2, 0, 0, 0])).tolist() == [1, 2, 1, -1]


def test_chains_of_merges_end_in_the_last_one(tmp_path: Path) -> None:
    names = read(
        document(cluster(0, "a", merged_into=1), cluster(1, "b", merged_into=3), cluster(3, "d", "#0000ff")), tmp_path
    )
    assert table(names) == [("d", (0, 0, 255), (0, 1, 3)), ("cluster_2", (20, 0, 0), (2,))]


def test_what_is_merged_into_a_rejected_cluster_is_rejected(tmp_path: Path) -> None:
    names = read(
        document(cluster(0, "a", merged_into=1), cluster(1, "b", rejected=True), cluster(2, "c", merged_into=0)),
        tmp_path,
    )
    assert names.rejected == (0, 1, 2)


def test_a_rejected_cluster_stays_rejected_though_it_was_merged(tmp_path: Path) -> None:
    names = read(document(cluster(0, "a", merged_into=1, rejected=True), cluster(1, "b")), tmp_path)
    assert names.rejected == (0,)


def test_names_that_differ_in_spaces_or_composition_alone_are_the_same(tmp_path: Path) -> None:
    names = read(document(cluster(0, " Stra\u00dfe  A\u0308 "), cluster(1, "Stra\u00dfe \u00c4")), tmp_path)
    assert names.categories[0].clusters == (0, 1)
    assert names.categories[0].name == "Straße \u00c4"


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    minimal = {"format": "objdisc-names", "version": 1, "run": IDENTITY, "num_clusters": 4}
    assert read(minimal, tmp_path) == Names.default(COLORS)
    assert table(read(document({"cluster": 1, "name": ""}, {"cluster": 2, "name": "x"}), tmp_path))[1:3] == [
        ("cluster_1", (10, 0, 0), (1,)),
        ("x", (20, 0, 0), (2,)),
    ]


def test_markup_is_text_like_any_other(tmp_path: Path) -> None:
    names = read(document(cluster(0, "<script>alert('x')</script>")), tmp_path)
    assert names.categories[0].name == "<script>alert('x')</script>"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "holds a JSON list, expected an object"),
        ({"version": 1}, "not a names file, its format is None"),
        (document(version=3), "version 3; this objdisc reads versions 1 and 2"),
        (document(run="ffff"), "belongs to another run"),
        (document(run=None), "belongs to another run"),
        (document(num_clusters=7), "names 7 clusters, but the run has 4"),
        (document(num_clusters="4"), "names '4' clusters, but the run has 4"),
        (document(clusters={}), "clusters is a JSON object; expected a list"),
        (document(7), r"clusters\[0\] is a number; expected an object with cluster, color"),
        (document(cluster(4, "x")), r"clusters\[0\].cluster: there is no cluster 4; they run from 0 to 3"),
        (document(cluster(-1, "x")), "there is no cluster -1"),
        (document({"name": "x"}), r"clusters\[0\].cluster is None; expected a whole number"),
        (document(cluster(0, "x") | {"cluster": True}), "cluster is True; expected a whole number"),
        (document(cluster(0, "x") | {"cluster": 1.0}), r"cluster is 1\.0; expected a whole number"),
        (document(cluster(0, "x"), cluster(0, "y")), r"clusters\[1\]: cluster 0 stands there twice"),
        (document(cluster(0, "x") | {"name": 5}), r"clusters\[0\].name is 5; expected text"),
        (document(cluster(0, "x", "red")), r"color is 'red'; expected #rrggbb"),
        (document(cluster(0, "x", "#12345")), "color is '#12345'"),
        (document(cluster(0, "x", "#1234567")), "color is '#1234567'"),
        (document(cluster(0, "x") | {"color": [1, 2, 3]}), r"color is \[1, 2, 3\]"),
        (document(cluster(0, "x", rejected="no")), "rejected is 'no'; expected true or false"),
        (document(cluster(0, "x", merged_into=9)), "there is no cluster 9"),
        (document(cluster(0, "x", merged_into="1")), "merged_into is '1'"),
        (document(cluster(0, "x", merged_into=0)), "merged in a circle, 0 → 0"),
        (
            document(cluster(0, "x", merged_into=1), cluster(1, "x", merged_into=3), cluster(3, "x", merged_into=1)),
            "merged in a circle, 1 → 3 → 1",
        ),
        (document(cluster(0, "x", colour="#000000")), "unknown key 'colour'; there are cluster, color"),
        (document(moved={"1": 2}), "moved is a JSON object; expected a list"),
        (document(moved=("1",)), r"moved\[0\] is a text"),
        (document(moved=({"patch": 4, "cluster": 0},)), "there is no patch 4; they run from 0 to 3"),
        (document(moved=({"patch": -1, "cluster": 0},)), "there is no patch -1"),
        (document(moved=({"patch": 2, "cluster": 0},)), "patch 2 is a background window"),
        (document(moved=({"patch": 0, "cluster": 4},)), r"moved\[0\].cluster: there is no cluster 4"),
        (document(moved=({"patch": 0, "cluster": -2},)), "there is no cluster -2"),
        (document(moved=({"patch": 0, "cluster": 1}, {"patch": 0, "cluster": 1})), "patch 0 is moved twice"),
        (document(moved=({"patch": 0},)), r"moved\[0\].cluster is None"),
    ],
)
def test_one_clear_line_for_every_mistake(values: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(values, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'names.json'}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json: no such file"):
        read_names(tmp_path / "nowhere.json", [IDENTITY], FOREGROUND, Names.default(COLORS))
