"""The folder of a patch store while it is built: made, held by one process, and cleared of what a build leaves."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objdisc.errors import UnreadableImageError, UsageError
from objdisc.io.staging import STAGING
from objdisc.patches.building import LOCK, SHARDS, locked


@contextmanager
def build_folder(folder: Path) -> Iterator[None]:
    """Make a folder and hold it alone while a store is built there.

    What only an unfinished build needs is removed at the end. It stays where the build was interrupted, for the next
    one to go on from; of an error that a second call would meet again, nothing stays, nor does a new folder.

    Args:
        folder: Where the store goes.

    Raises:
        UsageError: The folder cannot be made.
        ObjdiscError: The folder cannot be written.
    """
    fresh = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made ({error.strerror}); choose another --output-dir.") from error
    try:
        with locked(folder):
            try:
                yield
                _drop_leftovers(folder)
            except (UsageError, UnreadableImageError):  # there is nothing that a second call could go on from
                _drop_leftovers(folder)
                raise
    except (UsageError, UnreadableImageError):
        if fresh and [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()
        raise


def _drop_leftovers(folder: Path) -> None:
    """Remove what a build needs no more, and what one that was killed at its very end has left."""
    for leftover in (folder / SHARDS, folder / STAGING):
        shutil.rmtree(leftover, ignore_errors=True)
