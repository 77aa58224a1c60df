"""The folder of a patch store during the build: it is made, held by one process, and cleaned up afterwards."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objdisc.errors import UnreadableImageError, UsageError
from objdisc.io.staging import STAGING
from objdisc.patches.building import LOCK, SHARDS, locked


@contextmanager
def build_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and hold it against other processes while a store is built in it.

    Files that only an unfinished build needs are removed at the end. After an interruption they stay, so that the next
    build can continue. After an error that a second call would meet again nothing stays, not even a new folder.

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
    """Remove files that a build no longer needs, and those left by one that was killed at its very end."""
    for leftover in (folder / SHARDS, folder / STAGING):
        shutil.rmtree(leftover, ignore_errors=True)
