"""Files appear whole or not at all; errors name the file and the fix."""

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.errors import ObjdiscError, UsageError
from objdisc.io.files import atomic_write, read_json, write_image, write_json


@pytest.mark.parametrize(("mode", "content"), [("w", "naïve\nline\r\n"), ("wb", b"\x00\xff")])
def test_atomic_write_shows_the_file_only_when_it_is_whole(tmp_path: Path, mode: str, content: str | bytes) -> None:
    path = tmp_path / "new" / "file"
    with atomic_write(path, mode) as file:
        file.write(content)
        assert not path.exists()
        assert next(path.parent.iterdir()).parent == path.parent  # os.replace is atomic on one file system only
    expected = content.encode() if isinstance(content, str) else content
    assert path.read_bytes() == expected
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), OSError(errno.EIO, "reading")])
def test_atomic_write_keeps_the_old_file_when_the_block_fails(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "metrics.json"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write("half")
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_full_disk_names_the_file_and_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    message = r"No space left on the disk while writing .*report\.html.*--output-dir"
    with pytest.raises(ObjdiscError, match=message), atomic_write(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_found_when_the_buffer_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode, **options: real_open(Path("/dev/full"), "w", **options))
    with pytest.raises(ObjdiscError, match="No space left"), atomic_write(tmp_path / "file") as file:
        file.write("fits the buffer, not the disk")


def test_atomic_write_says_what_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ObjdiscError, match="cannot be written"), atomic_write(tmp_path / "file" / "metrics.json"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(ObjdiscError, match="folder: cannot be written"), atomic_write(tmp_path / "folder") as file:
        file.write("x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_atomic_write_does_not_append(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mode"), atomic_write(tmp_path / "file", "a"):
        pass


def test_json_round_trip_takes_numpy_and_paths(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    value = {"counts": {"Fahrräder": np.arange(3)}, "nmi": np.float32(0.5), 3: (True, None), "path": Path("a/b")}
    write_json(path, value)
    assert read_json(path) == {"counts": {"Fahrräder": [0, 1, 2]}, "nmi": 0.5, "3": [True, None], "path": "a/b"}


def test_json_holds_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"nmi": float("nan"), "loss": [np.inf, 1.0], "array": np.array([np.nan])})
    strict = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert strict == {"nmi": None, "loss": [None, 1.0], "array": [None]}


def test_read_json_names_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_json(tmp_path / "metrics.json")
    (tmp_path / "metrics.json").write_text('{"nmi": ')
    with pytest.raises(UsageError, match=r"metrics\.json: not valid JSON"):
        read_json(tmp_path / "metrics.json")
    (tmp_path / "metrics.json").write_text("[1]")
    with pytest.raises(UsageError, match="expected an object"):
        read_json(tmp_path / "metrics.json")


def test_write_image_is_rgb_and_takes_any_name(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    path = tmp_path / 'Übersicht 1 "ü".png'
    write_image(path, image)
    decoded = np.asarray(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR))
    assert np.array_equal(decoded[..., ::-1], image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_write_image_keeps_one_channel(tmp_path: Path, dtype: type[np.generic]) -> None:
    labels = np.arange(12, dtype=dtype).reshape(3, 4)
    write_image(tmp_path / "labelIds.png", labels)
    decoded = np.asarray(cv2.imdecode(np.fromfile(tmp_path / "labelIds.png", np.uint8), cv2.IMREAD_UNCHANGED))
    assert decoded.dtype == dtype
    assert np.array_equal(decoded, labels)


def test_jpeg_is_close_to_the_picture(tmp_path: Path) -> None:
    image = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    write_image(tmp_path / "a.JPG", image)
    data = (tmp_path / "a.JPG").read_bytes()
    assert data[:3] == b"\xff\xd8\xff"
    decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]
    assert np.abs(decoded.astype(int) - image).max() <= 4


def test_write_image_refuses_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"use \.png or \.jpg"):
        write_image(tmp_path / "a.xyz", np.zeros((2, 2, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
