"""The one hash of contents: 128 bits of BLAKE2b, as 32 hexadecimal digits."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


def digest(parts: Iterable[bytes | str]) -> str:
    """Hash the concatenation of parts, texts as UTF-8."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(part.encode() if isinstance(part, str) else part)
    return state.hexdigest()


def digest_json(values: object, *, sort_keys: bool = False) -> str:
    """Hash JSON values as ``json.dumps`` writes them."""
    return digest([json.dumps(values, sort_keys=sort_keys)])


def digest_file(path: Path) -> str:
    """Hash a file without holding it in memory.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
