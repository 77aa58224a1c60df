"""New results are written in a folder of their own, and replace the old ones when all of them are complete."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from objdisc.errors import ObjdiscError, UsageError
from objdisc.io.files import read_json, write_failed, write_json
from objdisc.io.paths import checked_name

STAGING = ".objdisc-new"
"""Folder, inside the one that results are for, in which they are written: on the same disk, whatever is mounted."""

REPLACEMENT = ".objdisc-replacement"
"""Folder in which a run is written that will replace another; an interrupted one is resumed."""

_HIDDEN = {STAGING, REPLACEMENT}
_WHOLE = ".objdisc-whole.json"  # lists what is to be moved and removed; it appears when the results are whole


@contextmanager
def staged(home: Path, replaces: Iterable[str] = ()) -> Iterator[Path]:
    """Give an empty folder to write results into; they appear in ``home`` when the block succeeds.

    Args:
        home: The final folder of the results, to which no other process writes.
        replaces: Names below ``home`` of files that the old results may have left; they are removed unless the new
            results have them.

    Raises:
        ObjdiscError: Something else is in the way of a file of the results, or nothing can be written.
    """
    settle(home)
    folder = home / STAGING
    if folder.exists():
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise write_failed(folder, error) from error
    try:
        yield folder
        publish(folder, replaces)
    except BaseException:
        if not (folder / _WHOLE).is_file():  # else it is whole, and the next call finishes the swap
            shutil.rmtree(folder, ignore_errors=True)
        raise


def publish(folder: Path, replaces: Iterable[str] = ()) -> None:
    """Move the contents of a staging folder into the folder above it; see ``staged``.

    If the process is killed in between, ``settle`` does the rest.

    Raises:
        ObjdiscError: Something else is in the way of a file of the results; nothing was moved.
    """
    home = folder.parent
    new = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    new = [name for name in new if Path(name).name != _WHOLE and not _HIDDEN & set(Path(name).parts)]
    for name in new:
        if blocking := _in_the_way(home, name):
            raise ObjdiscError(f"{blocking}: in the way of {home / name}; move it away, and run the command again.")
    outdated = sorted(name for name in {*replaces} - {*new} if (home / name).is_file())
    write_json(folder / _WHOLE, {"new": new, "outdated": outdated})
    settle(home)


def settle(home: Path) -> None:
    """Finish a swap that a killed process has begun; do nothing if there is none.

    Each step may be done twice, so two processes that do it at once do no harm.

    Raises:
        UsageError: The list of what is to be moved is damaged, or names places outside the folder.
    """
    for name in sorted(_HIDDEN):
        if (home / name / _WHOLE).is_file():
            _settle(home, home / name)


def _settle(home: Path, folder: Path) -> None:
    new, outdated = _read_list(home, folder)
    for name in new:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # it was moved before
            os.replace(folder / name, home / name)
    for name in outdated:
        (home / name).unlink(missing_ok=True)
        with suppress(OSError):  # other files are in it
            for parent in Path(name).parents[:-1]:
                (home / parent).rmdir()
    shutil.rmtree(folder, ignore_errors=True)


def _read_list(home: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Read what is to be moved and removed; somebody else may have written it, and placed links."""
    path = folder / _WHOLE
    try:
        whole = read_json(path)
    except UsageError as error:
        raise UsageError(f"{path}: damaged; move the folder {folder} away.") from error
    lists = []
    for key in ("new", "outdated"):
        names = whole.get(key)
        if not isinstance(names, list):
            raise UsageError(f"{path}: damaged; move the folder {folder} away.")
        lists.append([checked_name(name, path) for name in names])
    new, outdated = lists
    here = Path(folder.name)
    for name in (here / _WHOLE, *(here / name for name in new), *map(Path, (*new, *outdated))):
        # without a link above any file, and with none among those that move, no move can lead out of the folder
        above = any((home / parent).is_symlink() for parent in name.parents[:-1])
        own = name.parts[0] == folder.name and (home / name).is_symlink()
        if above or own or ((home / name).is_dir() and not (home / name).is_symlink()):
            raise UsageError(
                f"{path}: {home / name} is a folder or behind a link; nothing was moved. Move the folder {folder} away."
            )
    return new, outdated


def sweep(home: Path) -> None:
    """Remove what a killed process has half staged; only the process that holds the folder may call it."""
    settle(home)
    shutil.rmtree(home / STAGING, ignore_errors=True)


def final_place(path: Path) -> Path:
    """Return where a path in a staging folder will be after the swap."""
    return Path(*(part for part in path.parts if part not in _HIDDEN)) if _HIDDEN & set(path.parts) else path


def _in_the_way(home: Path, name: str) -> Path | None:
    if (home / name).is_dir():
        return home / name
    return next((home / parent for parent in Path(name).parents[:-1] if (home / parent).is_file()), None)
