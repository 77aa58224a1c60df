"""New results appear whole, replace what is outdated, leave what is somebody's, and survive a kill at any moment."""

import json
import os
from pathlib import Path

import pytest

from objdisc.errors import ObjdiscError, UsageError
from objdisc.io import staging
from objdisc.io.staging import REPLACEMENT, STAGING, final_place, publish, settle, staged

OLDER = ("metrics.json", "maps/a/1.png", "maps/b/2.png", "maps/d/never.png")


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


OLD = {"metrics.json": "old", "maps/a/1.png": "old", "maps/b/2.png": "old", "maps/notes.txt": "mine", "names.json": "x"}
NEW = {"metrics.json": "new", "maps/a/1.png": "new", "maps/c/3.png": "new", "report.html": "new"}
BOTH = {**NEW, "maps/notes.txt": "mine", "names.json": "x"}


def test_old_results_stay_until_the_new_ones_are_whole(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    with staged(tmp_path, OLDER) as folder:
        write(folder, NEW)
        assert {name: text for name, text in tree(tmp_path).items() if STAGING not in name} == OLD
    assert tree(tmp_path) == BOTH
    assert not (tmp_path / "maps" / "b").exists(), "a folder that is empty now"


@pytest.mark.parametrize("error", [ObjdiscError("full"), KeyboardInterrupt(), OSError("full")])
def test_a_failure_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    write(tmp_path, OLD)

    def fail() -> None:
        with staged(tmp_path, OLDER) as folder:
            write(folder, NEW)
            raise error

    with pytest.raises(type(error)):
        fail()
    assert tree(tmp_path) == OLD
    assert not (tmp_path / STAGING).exists()


def test_what_a_killed_process_wrote_by_half_is_not_mixed_with_the_next(tmp_path: Path) -> None:
    write(tmp_path / STAGING, {"half.png": "half"})
    with staged(tmp_path) as folder:
        assert tree(folder) == {}
        write(folder, NEW)
    assert tree(tmp_path) == NEW


class Killed(BaseException):
    pass


@pytest.mark.parametrize("steps", range(6))
def test_a_swap_that_is_killed_between_any_two_moves_is_finished_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    write(tmp_path, OLD)
    left = steps
    replace = os.replace

    def killing(source: Path, target: Path) -> None:
        nonlocal left
        if not str(source).endswith(".tmp"):
            if left == 0:
                raise Killed
            left -= 1
        replace(source, target)

    folder = tmp_path / STAGING
    write(folder, NEW)
    monkeypatch.setattr(os, "replace", killing)
    try:
        publish(folder, OLDER)
    except Killed:
        assert steps < len(NEW)
    monkeypatch.undo()
    settle(tmp_path)
    assert tree(tmp_path) == BOTH
    settle(tmp_path)
    assert tree(tmp_path) == BOTH


@pytest.mark.parametrize(
    ("there", "wanted"), [("report.html/mine.txt", "report.html"), ("maps", "maps/1.png"), ("a/b", "a/b/c.png")]
)
def test_what_is_in_the_way_is_named_before_anything_moves(tmp_path: Path, there: str, wanted: str) -> None:
    write(tmp_path, {there: "mine", "metrics.json": "old"})
    with pytest.raises(ObjdiscError, match="in the way of"), staged(tmp_path) as folder:
        write(folder, {wanted: "new", "metrics.json": "new"})
    assert {name: text for name, text in tree(tmp_path).items() if STAGING not in name} == {
        there: "mine",
        "metrics.json": "old",
    }


@pytest.mark.parametrize("key", ["new", "outdated"])
@pytest.mark.parametrize("name", ["../mine.txt", "link/mine.txt", "maps"])
@pytest.mark.parametrize("link", [STAGING, "."])
def test_a_list_from_somebody_else_moves_and_removes_nothing_outside(
    tmp_path: Path, key: str, name: str, link: str
) -> None:
    run, theirs = tmp_path / "run", tmp_path / "theirs"
    write(tmp_path, {"mine.txt": "mine", "theirs/mine.txt": "mine", "run/maps/1.png": "old"})
    lists = '{"new": [], "outdated": []}'.replace(f'"{key}": []', f'"{key}": ["{name}"]')
    write(run / STAGING, {staging._WHOLE: lists, "../mine.txt": "evil"})
    (run / link / "link").symlink_to(theirs)
    before = tree(tmp_path)
    if (name, key, link) == ("link/mine.txt", "outdated", STAGING):
        settle(run)  # names a file that is not there
        before.pop(f"run/{STAGING}/{staging._WHOLE}")
        before.pop(f"run/{STAGING}/link/mine.txt", None)
        assert {path: text for path, text in tree(tmp_path).items() if STAGING not in path} == before
        return
    with pytest.raises(UsageError, match=r"leads out of the folder|is a folder or behind a link"):
        settle(run)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", [STAGING, REPLACEMENT])
def test_no_link_is_moved_to_lead_later_moves_out(tmp_path: Path, name: str) -> None:
    run, theirs = tmp_path / "run", tmp_path / "theirs"
    write(tmp_path, {"theirs/keep.txt": "mine", f"run/{name}/p/keep.txt": "evil", "run/a/x": "old"})
    (run / name / "link").symlink_to(theirs)
    (run / name / "r").mkdir()
    (run / name / "r" / "p").symlink_to(theirs)
    (run / "r").symlink_to(".")
    before = tree(theirs)
    for new, outdated in ((["link"], ["link/keep.txt"]), (["r/p", "p/keep.txt"], []), ([], ["r/a/x"])):
        lists = json.dumps({"new": new, "outdated": outdated})
        (run / name / staging._WHOLE).write_text(lists)
        with pytest.raises(UsageError, match="is a folder or behind a link"):
            settle(run)
        assert tree(theirs) == before
        assert (run / "a/x").read_text() == "old"


def test_what_was_staged_by_half_inside_a_replacement_is_not_part_of_it(tmp_path: Path) -> None:
    write(tmp_path / REPLACEMENT, {"metrics.json": "new", f"{STAGING}/maps/half.png": "half"})
    publish(tmp_path / REPLACEMENT)
    assert tree(tmp_path) == {"metrics.json": "new"}


@pytest.mark.parametrize(
    "text", ["{}", '{"new": 5, "outdated": []}', "half", "[1]", '{"new": ["\\ud800"], "outdated": []}']
)
def test_a_damaged_list_is_one_line(tmp_path: Path, text: str) -> None:
    write(tmp_path / STAGING, {staging._WHOLE: text})
    with pytest.raises(UsageError, match=staging._WHOLE):
        settle(tmp_path)


def test_a_replacement_and_results_do_not_meet(tmp_path: Path) -> None:
    write(tmp_path / REPLACEMENT, {"weights": "of hours"})
    with staged(tmp_path, ["names.json"]) as folder:
        write(folder, NEW)
    assert tree(tmp_path / REPLACEMENT) == {"weights": "of hours"}


def test_the_final_place_of_a_path() -> None:
    assert final_place(Path("runs/a") / REPLACEMENT / STAGING / "report.html") == Path("runs/a/report.html")
    assert final_place(Path("runs/a/report.html")) == Path("runs/a/report.html")
