"""Videos as a source of images: frames are written to files once, and read like any other images."""

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.grouping import DataOptions
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.datasets.listing import samples_of
from objdisc.errors import UsageError
from objdisc.imaging.decode import list_images
from objdisc.io.files import atomic_write, read_json, write_json
from objdisc.io.hashing import digest
from objdisc.io.stamps import edges

CACHE = Path("runs/cache/frames")
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})

_MANIFEST = "frames.json"
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
_MANY = 2000  # frames from which on it is said how to take fewer

log = logging.getLogger("objdisc")


class Video(ImageFolder):
    """The frames of a video, or of every video in a folder, as images.

    Frames are decoded in order by OpenCV, which turns them upright as the file's metadata says, and every n-th one is
    taken, regardless of the time between them. They are written once, as JPEG of quality 95 without chroma subsampling,
    below ``runs/cache/frames``, in a folder for each video and n; an interrupted call is continued. A video that ends
    earlier than its header says, even in the middle of a frame, gives the frames before, with a warning.

    Args:
        root: The video, or a folder of videos without images.
        every: Step between the frames that are used as images, from the first one on.

    Raises:
        UsageError: A video cannot be opened or holds no frame.
    """

    def __init__(self, root: Path, every: int = 1) -> None:
        videos = _videos(root)
        if not videos:
            raise UsageError(f"{root}: no video there; looked for {' '.join(sorted(VIDEO_SUFFIXES))}")
        self.videos = tuple(videos)
        stems = [video.stem for video in videos]
        names = [video.stem if stems.count(video.stem) == 1 else video.name for video in videos]
        prefixes = [""] if len(videos) == 1 else [f"{name}/" for name in names]
        folders = [frames_of(video, every) for video in videos]
        images = {
            f"{prefix}{path.stem}": path
            for prefix, folder in zip(prefixes, folders, strict=True)
            for path in folder.glob("*.jpg")
        }
        self.problems = tuple(filter(None, map(_cut_short, videos, folders)))
        for problem in self.problems:
            log.warning("%s; those are taken", problem)
        self.root = folders[0] if len(folders) == 1 else CACHE
        self.split, self.samples = "", samples_of(images, "")
        self.foreground, self._class_ids, self.class_names, self.class_colors = None, {}, {}, {}
        self.ignore_ids = frozenset()

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it is a video, or a folder of videos without images."""
        return bool(_videos(path)) and (path.is_file() or next(list_images(path), None) is None)

    @classmethod
    def splits_of(cls, path: Path) -> tuple[str, ...]:
        """Return no splits: videos are read as a whole."""
        del path
        return ()

    @classmethod
    def open(cls, path: Path, split: str, foreground: Sequence[str] | None, options: DataOptions) -> Self:
        """Open every frame; see ``ImageDataset``."""
        del split, foreground, options
        return cls(path)


def frames_of(video: Path, every: int) -> Path:
    """Write the frames of a video, unless they exist.

    Args:
        video: The file.
        every: Step between the frames that are written, from the first one on.

    Returns:
        The folder of frames, named after the video and its content.

    Raises:
        UsageError: The video cannot be opened, or holds no frame.
        ObjdiscError: A frame cannot be written.
    """
    key = digest([edges(video), str(every)])[:16]
    folder = CACHE / f"{video.stem}-{key}"
    manifest = folder / _MANIFEST
    if manifest.is_file() and len(list(folder.glob("*.jpg"))) == read_json(manifest).get("written"):
        return folder
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)  # which reads files without an index, too
    try:
        if not capture.isOpened():
            raise UsageError(
                f"{video}: no video that can be opened; its end may be missing. Make it again, or leave it out."
            )
        expected = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if expected / every >= _MANY:
            log.info("%s: about %d frames to write; --every takes fewer", video, math.ceil(expected / every))
        read, written = _write(capture, folder, every)
    finally:
        capture.release()
    if not read:
        raise UsageError(f"{video}: no frame can be decoded; make the video again, or leave it out.")
    about = {"every": every, "read": read, "written": written, "expected": int(expected)}
    write_json(manifest, {"video": str(video.absolute()), **about})
    return folder


def _cut_short(video: Path, folder: Path) -> str:
    """Return a message if a video ended earlier than its header says; otherwise an empty text."""
    about = read_json(folder / _MANIFEST)
    read, expected = about["read"], about.get("expected", 0)
    return f"{video}: ends after {read} of {expected} frames" if read < expected else ""


def _write(capture: cv2.VideoCapture, folder: Path, every: int) -> tuple[int, int]:
    """Write every n-th frame that is missing; return how many were decoded and how many exist."""
    read = 0
    while capture.grab():
        if read % every == 0:
            done, frame = capture.retrieve()
            if not done:
                break
            path = folder / f"{read:08d}.jpg"
            if not path.is_file():
                _write_frame(path, np.asarray(frame, np.uint8))
        read += 1
    return read, -(-read // every)


def _write_frame(path: Path, frame: NDArray[np.uint8]) -> None:
    _, data = cv2.imencode(".jpg", frame, _QUALITY)
    with atomic_write(path, "wb") as file:
        file.write(data.tobytes())


def _videos(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in VIDEO_SUFFIXES else []
    if not path.is_dir():
        return []
    with os.scandir(path) as entries:
        found = [Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    return sorted(video for video in found if video.suffix.lower() in VIDEO_SUFFIXES)
