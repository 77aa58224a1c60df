"""Whose a folder is decides who may write to it."""

import subprocess
import sys
from pathlib import Path

import pytest

from objdisc.errors import UsageError
from objdisc.io.claims import LOCK, claimed, held, is_vacant
from objdisc.io.marks import FILE, Mark

MINE = Mark("segment", data="/photos/a", weights="w")


def test_a_new_folder_is_marked_and_its_parents_are_made(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "straße"
    with claimed(folder, MINE) as claim:
        assert claim == folder
        assert Mark.read(folder) == MINE, "before anything else is written"
        (folder / "maps.png").write_text("new")
    assert Mark.read(folder) == MINE
    assert not is_vacant(folder)


def test_its_own_folder_is_gone_on_with(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed(tmp_path, MINE):
            (tmp_path / "maps.png").write_text("new")
    assert (tmp_path / "maps.png").is_file()
    assert Mark.read(tmp_path) == MINE


@pytest.mark.parametrize(
    "other",
    [
        Mark("evaluate", data="/photos/a", weights="w"),
        Mark("segment", data="/photos/a", weights="of another run"),
        Mark("segment", data="/photos/b", weights="w"),
        Mark("segment", data="/photos/a", weights="w", subject="val"),
        Mark("segment", weights="w"),
    ],
)
def test_results_of_another_job_are_refused_and_named(tmp_path: Path, other: Mark) -> None:
    other.write(tmp_path)
    with (
        pytest.raises(UsageError, match=rf"holds results of objdisc {other.command}.*--output-dir"),
        claimed(tmp_path, MINE),
    ):
        pytest.fail("claimed")
    assert Mark.read(tmp_path) == other


def test_images_that_moved_are_the_same_and_others_of_that_name_are_not(tmp_path: Path) -> None:
    Mark("segment", data="/before/photos", images="f", weights="w").write(tmp_path)
    with claimed(tmp_path, Mark("segment", data="/now/photos", images="f", weights="w")):
        pass
    with claimed(tmp_path, Mark("segment", data="/now/photos", images="with more of them", weights="w")):
        pass
    for images in ("others", ""):
        with (
            pytest.raises(UsageError, match="holds results"),
            claimed(tmp_path, Mark("segment", data="/before/photos", images=images, weights="w")),
        ):
            pass


def test_a_folder_of_a_replaced_run_is_renewed_where_that_is_allowed(tmp_path: Path) -> None:
    Mark("export", weights="old").write(tmp_path)
    with claimed(tmp_path, Mark("export", weights="new"), other_weights=True):
        pass
    found = Mark.read(tmp_path)
    assert found is not None
    assert found.weights == "new"


def test_a_folder_without_a_mark_is_nobodys_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(UsageError, match="not empty, and without the mark of objdisc"), claimed(tmp_path, MINE):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    with claimed(tmp_path, MINE, unmarked=True):
        pass
    assert Mark.read(tmp_path) == MINE


@pytest.mark.parametrize("litter", [".DS_Store", "Thumbs.db", LOCK, ".objdisc-0123456789ab.tmp"])
def test_litter_makes_no_folder_somebodys(tmp_path: Path, litter: str) -> None:
    (tmp_path / litter).write_text("")
    with claimed(tmp_path, MINE):
        pass
    assert Mark.read(tmp_path) == MINE


def fail_in(folder: Path, writes: str = "") -> None:
    with claimed(folder, MINE):
        if writes:
            (folder / writes).write_text("half a day's work")
        raise UsageError("no")


def test_a_failure_leaves_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        fail_in(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError):
        fail_in(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_a_second_call_goes_on_from(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        fail_in(tmp_path / "a", "part.json")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [LOCK, "part.json", FILE]


def test_a_failure_in_its_own_folder_changes_nothing(tmp_path: Path) -> None:
    with claimed(tmp_path, MINE):
        (tmp_path / "maps.png").write_text("old")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError):
        fail_in(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_link_to_nothing_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(UsageError, match="link: a broken link"), claimed(tmp_path / "link", MINE):
        pass


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(UsageError, match="file: not a folder; give another --output-dir"),
        claimed(tmp_path / name, MINE),
    ):
        pass
    assert (tmp_path / "file").read_text() == "mine"


HOLDER = """
import sys
from pathlib import Path
from objdisc.io.claims import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match="another process of objdisc writes to it"), held(tmp_path / "run"):
            pass
        process.kill()
        process.wait()
    with held(tmp_path / "run"):
        pass
