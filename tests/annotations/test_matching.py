"""Which image an annotation file means, as people's files name them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from objdisc.annotations.matching import Matches, NamedImage, match
from objdisc.types import Sample

ROOT = Path("/data/set")


def matched(paths: Sequence[str], names: Sequence[str], *, split: str = "", file: str = "notes.json") -> Matches:
    top = ROOT / split
    samples = [Sample(path.rpartition(".")[0], top / path, split) for path in paths]
    images = [NamedImage(number, name, file, str(ROOT / "annotations")) for number, name in enumerate(names)]
    return match(samples, ROOT, images)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("a/b.jpg", "./a/b.jpg"),
        ("a/b.jpg", "a\\b.jpg"),
        ("a/b.jpg", "b.jpg"),
        ("a/b.jpg", "/home/else/a/b.jpg"),
        ("a/b.jpg", "C:\\photos\\b.jpg"),
        ("a/b.jpg", "B.JPG"),
        ("a/b.jpg", "b.png"),
        ("a/b.jpg", "b"),
        ("000000397133.jpg", "397133"),
        ("with.dots.jpg", "with.dots"),
    ],
)
def test_one_image_is_found_by_path_end_of_path_name_stem_or_number(path: str, name: str) -> None:
    assert matched([path, "other.jpg"], [name]).number_of == {path.rpartition(".")[0]: 0}


def test_equal_names_are_told_apart_by_their_folders() -> None:
    paths = ["x/1.jpg", "y/1.jpg", "1.jpg"]
    found = matched(paths, ["data/y/1.jpg", "x/1.jpg", "1.jpg"])
    assert found.number_of == {"y/1": 0, "x/1": 1, "1": 2}
    assert matched(paths[:2], ["1.jpg"]).ambiguous == ["1.jpg"]


def test_names_that_differ_by_case_or_suffix_alone_are_told_apart() -> None:
    assert matched(["A.jpg", "a.jpg"], ["a.jpg", "A.jpg"]).number_of == {"a": 0, "A": 1}
    assert matched(["A.jpg", "a.jpg"], ["data/A.jpg"]).number_of == {"A": 0}
    samples = [Sample(name, ROOT / name) for name in ("a.jpg", "a.png")]
    found = match(samples, ROOT, [NamedImage(0, "a", "notes.json", "/data")])
    assert (found.number_of, found.ambiguous) == ({}, ["a"])


def test_two_entries_of_one_image_are_named_and_the_first_is_taken() -> None:
    found = matched(["a.jpg"], ["x/a.jpg", "y/a.jpg"])
    assert found.number_of == {"a": 0}
    assert found.claimed == ["y/a.jpg (notes.json and notes.json)"]
    found = matched(["a.jpg"], ["x/a.jpg", "a.jpg"])
    assert (found.number_of, found.absent) == ({"a": 1}, ["x/a.jpg"]), "the one of the very path is the image"


def test_images_that_are_not_there_are_named() -> None:
    assert matched(["a.jpg"], ["a.jpg", "b.jpg"]).absent == ["b.jpg"]


@pytest.mark.parametrize(
    ("name", "file"),
    [("images/val/1.jpg", "notes.json"), ("1.jpg", "instances_val2017.json"), ("1.jpg", "valid/n.json")],
)
def test_entries_of_another_split_are_passed_by(name: str, file: str) -> None:
    found = matched(["1.jpg"], [name], split="train", file=file)
    assert (found.number_of, found.other_split, found.absent) == ({}, 1, [])
    assert matched(["1.jpg"], [name], split="val", file=file).number_of == {"1": 0}
