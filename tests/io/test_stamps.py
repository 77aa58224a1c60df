"""Files are known by name, size and time, and by their edges where only place or time have changed."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from objdisc.io.stamps import MISSING, Stamps, edges, relative_name, stamp

LONG = bytes(range(256)) * 1024  # 256 kB


@pytest.mark.parametrize("content", [b"", b"short", LONG])
def test_edges_see_either_end_and_the_size(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(content)
    before = edges(path)
    assert before == edges(path)
    for changed in (b"x" + content[1:], content[:-1] + b"x", content + b"x"):
        path.write_bytes(changed)
        assert edges(path) != before, len(content)


def test_edges_are_sixty_four_kilobytes(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    found = set()
    for place in ((1 << 16) - 1, 1 << 16, len(LONG) - (1 << 16) - 1, len(LONG) - (1 << 16)):
        path.write_bytes(LONG[:place] + b"?" + LONG[place + 1 :])
        found.add(edges(path))
    path.write_bytes(LONG)
    assert len(found - {edges(path)}) == 2, "the middle is not looked at"


def test_what_is_missing(tmp_path: Path) -> None:
    assert stamp(tmp_path / "missing") == MISSING
    assert edges(tmp_path / "missing") == ""
    (tmp_path / "file").write_bytes(b"123")
    assert stamp(tmp_path / "file")[0] == 3


def test_names_are_seen_from_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert relative_name(Path("city/val/a.png"), Path("city")) == "val/a.png"
    assert relative_name(tmp_path / "masks/a.png", Path("city")) == "../masks/a.png"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_bytes(LONG)
    return paths


def taken(files: list[Path], root: str = "/data") -> Stamps:
    return Stamps(root, "content", [stamp(path)[1] for path in files])


def test_a_time_or_a_place_alone_make_no_other_file(files: list[Path]) -> None:
    then = replace(taken(files), edges=[edges(path) for path in files])
    assert then.is_met_by(taken(files), files)
    assert then.is_met_by(taken(files, "/elsewhere"), files)
    os.utime(files[0], ns=(1, 1))
    assert then.is_met_by(taken(files), files)
    files[0].write_bytes(LONG[:-1] + b"?")
    assert not then.is_met_by(taken(files), files)
    assert Stamps.from_json(then.to_json()) == then


def test_files_are_not_opened_where_nothing_speaks_for_a_change(files: list[Path]) -> None:
    then = replace(taken(files), edges=["never asked for", "never asked for"])
    assert then.is_met_by(taken(files), files)


def test_other_settings_names_sizes_or_numbers_of_files_are_another_content(files: list[Path]) -> None:
    then = replace(taken(files), edges=[edges(path) for path in files])
    assert not then.is_met_by(replace(taken(files), content="other"), files)
    assert not then.is_met_by(taken(files), files[:1])
    assert not taken(files).is_met_by(taken(files), files), "edges were never taken"
