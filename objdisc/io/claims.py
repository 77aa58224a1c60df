"""Who may write to a folder: no foreign files are cleared or overwritten, and one process writes at a time."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from objdisc.errors import UsageError
from objdisc.io import marks
from objdisc.io.files import is_leftover, remove_leftovers
from objdisc.io.marks import Mark
from objdisc.io.paths import check_links
from objdisc.io.staging import settle

log = logging.getLogger("objdisc")

LOCK = ".objdisc.lock"

_NOBODYS = {".DS_Store", "Thumbs.db", "desktop.ini", "lost+found", LOCK}  # make no folder somebody's


def is_vacant(folder: Path) -> bool:
    """Whether there is no such folder, or it holds nobody's files."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(path.name in _NOBODYS or is_leftover(path) for path in folder.iterdir())


def check_folder(folder: Path) -> None:
    """Check that a folder can be written to, or made if it is missing; nothing is changed.

    Raises:
        UsageError: It is a file, lies below one, holds links that lead out of it, or may not be written.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if folder.is_symlink() and not folder.exists():
        raise UsageError(f"{folder}: a broken link; give another --output-dir.")
    if not there.is_dir():
        raise UsageError(f"{there}: not a folder; give another --output-dir.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{there}: may not be written to; give another --output-dir.")
    check_links(folder)


@contextmanager
def claimed(folder: Path, mark: Mark, *, other_weights: bool = False, unmarked: bool = False) -> Iterator[Path]:
    """Hold a folder for a command's results: a new one is made and marked, one with its own mark is continued.

    Its own mark is one of the same command on the same run and images. Everything is checked before anything changes. A
    command that fails leaves a new folder only if a second call can continue from what is in it.

    Args:
        folder: Where the results go.
        mark: Mark of the command.
        other_weights: Whether results of another run are replaced too, as inside a run that has been replaced since.
        unmarked: Whether the folder is the command's own though it bears no mark, like those of version 0.1.

    Yields:
        The folder.

    Raises:
        UsageError: The folder holds anything else, cannot be written, or another process writes to it.
    """

    def is_vacant_or_own() -> bool:
        check_folder(folder)
        if is_vacant(folder):
            return True
        found = Mark.read(folder)
        own = unmarked if found is None else _same_job(found, mark, other_weights)
        if not own:
            raise UsageError(f"{folder}: {describe(found)}; nothing was written. Give another --output-dir.")
        return False

    is_vacant_or_own()
    with held(folder):
        vacant = is_vacant_or_own()  # it may have changed before it was held
        settle(folder)
        remove_leftovers(folder)
        if vacant:
            mark.write(folder)
        try:
            yield folder
        except BaseException:
            if vacant and all(path.name == marks.FILE or path.name in _NOBODYS for path in folder.iterdir()):
                (folder / marks.FILE).unlink()
            raise
        mark.write(folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder if it is missing, and hold it against other processes; one that stays empty is removed.

    Raises:
        UsageError: Another process holds it.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made ({error.strerror}); give another --output-dir.") from error
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"{folder}: another process of objdisc writes to it; wait for its end, or give another --output-dir."
        ) from error
    except (OSError, NotImplementedError) as error:  # some network file systems know no locks: nobody can take one
        log.debug("%s is not locked: %s", folder, error)
    try:
        yield
    finally:
        lock.release()
        if all(path.name in _NOBODYS for path in folder.iterdir()):
            (folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # somebody has put something there
                for path in made:
                    path.rmdir()


def describe(found: Mark | None) -> str:
    """Say whose a folder is that is not vacant."""
    if found is None:
        return f"not empty, and without the mark of objdisc ({marks.FILE}; version 0.1 left none)"
    what = f" ({found.subject})" if found.subject else ""
    of = "" if found.run is None else f" of the run {found.run}"
    on = "" if found.data is None else f" on {found.data}"
    return f"holds results of objdisc {found.command}{what}{of}{on}"


def _same_job(found: Mark, mark: Mark, other_weights: bool) -> bool:
    """Whether results with one mark replace those with another, even if run and images have moved since."""
    same = (found.command, found.subject) == (mark.command, mark.subject)
    moved = found.images != "" and found.images == mark.images
    return same and (other_weights or found.weights == mark.weights) and (found.data == mark.data or moved)
