"""Checks of paths to write to, whose names may come from files that somebody else wrote."""

import os
import re
from pathlib import Path, PurePath

from objdisc.errors import UsageError


def checked_name(name: object, source: Path | str) -> str:
    """Return a relative path that stays inside the folder below which it will be written.

    Runs are shared, so a name in a run's files must not be able to overwrite files elsewhere.

    Args:
        name: The path as it stands in the file; ``/`` separates folders.
        source: The file that it was read from, for the message.

    Raises:
        UsageError: It cannot be encoded as UTF-8, is empty or absolute, holds a NUL character, or leads upwards.
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
    """Whether a name can be written into a file: a file's name may be bytes that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path lies below a folder when all links are followed, except the path itself if it is a link."""
    real = os.path.realpath(folder)
    return os.path.commonpath([real, os.path.realpath(path.parent)]) == real


def check_links(folder: Path) -> None:
    """Refuse a folder with links that lead out of it: files written below them would land elsewhere.

    Args:
        folder: The folder; it may be a link, lie below one, or be missing.

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
