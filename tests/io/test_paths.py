"""Names from files that somebody else may have written, and links that lead out of a folder."""

from pathlib import Path

import pytest

from objdisc.errors import UsageError
from objdisc.io.paths import check_links, checked_name


@pytest.mark.parametrize("name", ["a", "a/b c/ü.png", "..a/b..", "a/.../b", "a:b"])
def test_names_inside_are_returned_as_they_are(name: str) -> None:
    assert checked_name(name, "index.json") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/../../b", "a/..", "/abs/a", "a\0b", "..\\a", "a\\..\\..\\b", None, 3, ["a"]]
)
def test_names_that_lead_out_are_refused_with_the_file_they_stand_in(name: object) -> None:
    with pytest.raises(UsageError, match=r"^index\.json: the name .* leads out of the folder"):
        checked_name(name, Path("index.json"))


def test_links_inside_a_folder_are_fine_and_those_out_of_it_are_not(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    check_links(folder)
    (folder / "deep").mkdir(parents=True)
    elsewhere.mkdir()
    (folder / "inside").symlink_to(folder / "deep")
    (tmp_path / "link").symlink_to(folder)
    check_links(folder)
    check_links(tmp_path / "link")
    (folder / "deep" / "export").symlink_to(elsewhere)
    for path in (folder, tmp_path / "link"):
        with pytest.raises(UsageError, match=r"export: a link that leads out of .*--output-dir"):
            check_links(path)


@pytest.mark.parametrize("target", ["file", "nothing"])
def test_links_of_files_count_too_even_where_nothing_is_there_yet(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").symlink_to(tmp_path / target)
    with pytest.raises(UsageError, match=r"metrics\.jsonl: a link"):
        check_links(tmp_path / "run")
