"""Names under which files are written, where they come from a file that somebody else may have written."""

import os
import re
from pathlib import Path, PurePath

from objdisc.errors import UsageError


def checked_name(name: object, source: Path | str) -> str:
    """Return a relative path that stays inside the folder below which it will be written.

    Runs are passed on, so what a run's files name must not decide where another person's files are overwritten.

    Args:
        name: As it stands in the file; ``/`` separates folders.
        source: The file that it was read from, for the message.

    Raises:
        UsageError: It is no text that UTF-8 can hold, empty, absolute, holds a NUL character, or leads upwards.
    """
    if isinstance(name, str) and name and "\0" not in name and is_text(name):
        path = PurePath(name)
        inside = not (path.is_absolute() or path.drive or path.root) and ".." not in re.split(r"[/\\]", name)
        if inside and path.parts:
            return name
    raise UsageError(
        f"{source}: the name {name!a} leads out of the folder that it would be written to; nothing was written. "
        "Do not use this file unless you trust where it comes from."
    )


def is_text(name: str) -> bool:
    """Whether a name can be written into a file: a file's name may be bytes that are no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path lies below a folder when all links are followed, but for one that the path itself may be."""
    real = os.path.realpath(folder)
    return os.path.commonpath([real, os.path.realpath(path.parent)]) == real


def check_links(folder: Path) -> None:
    """Refuse a folder with links that lead out of it: what is written below them would land elsewhere.

    Args:
        folder: May itself be, or lie below, a link; missing folders are fine.

    Raises:
        UsageError: A file or folder in it, at any depth, is a link to a place outside.
    """
    real = os.path.realpath(folder)
    for parent, folders, files in os.walk(real):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            if os.path.islink(path):
                target = os.path.realpath(path)
                if os.path.commonpath([real, target]) != real:
                    raise UsageError(
                        f"{path}: a link that leads out of {folder}, to {target}; nothing is written through it. "
                        "Put a folder in its place, or give another --output-dir."
                    )
