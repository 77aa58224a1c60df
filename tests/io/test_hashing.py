"""One hash for all names of contents, against hashlib's own."""

import hashlib
from pathlib import Path

from objdisc.io.hashing import digest, digest_file, digest_json


def test_parts_are_hashed_one_behind_the_other(tmp_path: Path) -> None:
    expected = hashlib.blake2b("größe".encode() + b"\x00rest", digest_size=16).hexdigest()
    assert digest(["größe", b"\x00rest"]) == digest(["grö", "ße\x00", b"rest"]) == expected
    (tmp_path / "file").write_bytes("größe".encode() + b"\x00rest")
    assert digest_file(tmp_path / "file") == expected


def test_json_values_are_hashed_as_they_are_written() -> None:
    assert digest_json({"b": 1, "a": [None]}, sort_keys=True) == digest(['{"a": [null], "b": 1}'])
    assert digest_json({"b": 1, "a": 2}) != digest_json({"b": 1, "a": 2}, sort_keys=True)
