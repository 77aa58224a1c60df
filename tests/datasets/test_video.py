"""Videos as a source of images: cut short, turned, with frames of uneven times, gone on with after an interruption."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.datasets import FileOptions, Video, open_dataset
from objdisc.datasets.video import frames_of
from objdisc.errors import UsageError
from objdisc.objectness.whole import Whole


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_video(path: Path, frames: int = 7, code: str = "mp4v") -> Path:
    """Write frames of 64 x 48 pixels that grow brighter, 20 a frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 20 * number + 10, np.uint8))
    writer.release()
    return path


def test_every_so_many_frames_are_images(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in/a drive.mp4")
    dataset = open_dataset(video, "train", files=FileOptions(every=3))
    assert isinstance(dataset, Video)
    assert [sample.name for sample in dataset.samples] == ["00000000", "00000003", "00000006"]
    for sample, level in zip(dataset.samples, (10, 70, 130), strict=True):
        pixels = dataset.read_image(sample)
        assert pixels.shape == (48, 64, 3)
        assert abs(float(pixels.mean()) - level) < 4
    assert open_dataset(tmp_path / "in", "").samples[0].name == "00000000", "a folder of videos"
    write_video(tmp_path / "in/b.avi", 2, "MJPG")
    names = [sample.name for sample in open_dataset(tmp_path / "in", "").samples]
    assert len(names) == 9
    assert {"a drive/00000000", "b/00000001"} < set(names)


def test_frames_are_written_once_and_gone_on_with(tmp_path: Path) -> None:
    folder = frames_of(write_video(tmp_path / "a.mp4"), 1)
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*.jpg")}
    assert len(times) == 7
    assert frames_of(tmp_path / "a.mp4", 1) == folder
    lost = folder / "00000002.jpg"
    lost.unlink()
    (folder / "frames.json").unlink()
    frames_of(tmp_path / "a.mp4", 1)
    assert lost.is_file()
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.jpg") if path != lost} == {
        path: time for path, time in times.items() if path != lost
    }
    assert frames_of(tmp_path / "a.mp4", 2) != folder


def test_a_video_that_ends_in_the_middle_of_a_frame_gives_the_frames_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for seed in range(8):
        writer.write(np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8))
    writer.release()
    data = video.read_bytes()
    video.write_bytes(data[: int(len(data) * 0.6)])
    dataset = open_dataset(video, "")
    assert 3 <= len(dataset.samples) < 8
    said = f"cut.avi: ends after {len(dataset.samples)} of 8 frames"
    assert f"{said}; those are taken" in caplog.text
    caplog.clear()
    again = open_dataset(video, "")
    assert said in caplog.text, "frames that are there already"
    with pytest.raises(UsageError, match=f"{said}; repair it, or leave out --strict"):
        Whole().refuse_problems(again)


CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}


def with_uneven_times(data: bytes, times: Sequence[int]) -> bytes:
    """Rewrite the boxes of an MP4 file so that each frame lasts as long as it is told to (ISO/IEC 14496-12, 8.6.1)."""
    found, place = b"", 0
    while place < len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        inside = data[place + 8 : place + size]
        if kind in CONTAINERS:
            inside = with_uneven_times(inside, times)
        elif kind == b"stts":
            inside = np.array([0, len(times), *(value for time in times for value in (1, time))], ">u4").tobytes()
        found += (len(inside) + 8).to_bytes(4, "big") + kind + inside
        place += size
    return found


def test_frames_of_uneven_times_are_each_taken_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = write_video(tmp_path / "uneven.mp4")
    data = video.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov"), "the places of the frames would change"
    video.write_bytes(with_uneven_times(data, [512, 2048, 128, 512, 3000, 64, 904]))
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    starts = []
    while capture.grab():
        starts.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    assert len(set(np.diff(starts).round().tolist())) > 3, "the times are even"
    dataset = open_dataset(video, "")
    levels = [float(dataset.read_image(sample).mean()) for sample in dataset.samples]
    np.testing.assert_allclose(levels, 20 * np.arange(7) + 10, atol=4)
    assert "ends after" not in caplog.text
    assert dataset.problems == ()


def test_a_video_turned_by_its_metadata_is_upright(tmp_path: Path) -> None:
    video = write_video(tmp_path / "turned.mp4")
    data = bytearray(video.read_bytes())
    # The track's header: 36 bytes of a matrix of 16.16 and 2.30 fixed-point numbers that ends 8 bytes before its end
    start = data.index(b"tkhd") - 4
    matrix = start + int.from_bytes(data[start : start + 4], "big") - 44
    quarter = np.array([0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30], ">i4")
    data[matrix : matrix + 36] = quarter.tobytes()
    video.write_bytes(bytes(data))
    dataset = open_dataset(video, "")
    assert dataset.image_size(dataset.samples[0]) == (64, 48)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing of a video" * 100)
    with pytest.raises(UsageError, match=r"a\.mp4: no video that can be opened"):
        open_dataset(tmp_path / "a.mp4", "")
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((4, 4, 3), np.uint8))
    dataset = open_dataset(tmp_path, "")
    assert not isinstance(dataset, Video), "a folder of photos with a video among them"
    assert "1 .mp4: no images" in str(dataset.left_out)
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
