"""Building a patch store: what a kill, a power failure or a full disk leaves, and how it goes on from there."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from objdisc.datasets.cityscapes import Cityscapes
from objdisc.errors import ObjdiscError, UsageError
from objdisc.objectness.instances import Instances
from objdisc.patches import shards
from objdisc.patches.shard_files import PixelFile, Shard, append_pixels, images_header
from objdisc.patches.store import PatchStore

from .conftest import OPTIONS, build, content

KILLED = """
import sys, time
from pathlib import Path
from objdisc.patches import shards
from objdisc.patches import store
from objdisc.datasets.cityscapes import Cityscapes
from objdisc.objectness.instances import Instances
from objdisc.patches.windows import PatchOptions

class Slow(Instances):
    def regions(self, dataset, sample, image):
        time.sleep(0.02)
        return super().regions(dataset, sample, image)

if __name__ == "__main__":
    city, folder, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    options = PatchOptions(size=24, min_area=50)
    store.PatchStore.build(Cityscapes(city), Slow(), options, folder, workers=workers, progress=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "sent"), [(0, signal.SIGKILL), (2, signal.SIGKILL), (2, signal.SIGINT)])
def test_a_killed_build_goes_on_and_ends_as_one_that_was_never_stopped(
    city: Path, tmp_path: Path, workers: int, sent: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, folder = tmp_path / "killed.py", tmp_path / "store"
    script.write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(city), str(folder), str(workers)],
        stderr=subprocess.DEVNULL,
        # what runs in the background of a shell inherits that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 300
    while not list(folder.glob("shards/*.shard")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(sent)
    assert process.wait(300) != 0
    with pytest.raises(UsageError, match="no finished patch store"):
        PatchStore.open(folder)
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("shards/*.shard")}
    assert 1 <= len(kept) <= 3
    written: list[str] = []

    def noted(job: shards.CutJob, plan: shards.ShardPlan, where: Path, pixels: PixelFile) -> Path:
        written.append(plan.file_name)
        return shards.write_shard(job, plan, where, pixels)

    monkeypatch.setattr("objdisc.patches.building.write_shard", noted)
    build(city, folder)
    if sent == signal.SIGINT or workers == 0:
        assert not set(written) & set(kept), "finished shards are not cut again"
        assert len(written) + len(kept) == 3
    build(city, tmp_path / "whole")
    assert content(folder) == content(tmp_path / "whole")


def test_pixels_are_all_written_when_the_system_takes_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = [np.random.default_rng(seed).integers(0, 256, (5, 5, 4), np.uint8) for seed in range(600)]
    writev = os.writev

    def in_part(file: int, buffers: list[memoryview]) -> int:
        return writev(file, [buffers[0][:70]] if len(buffers[0]) > 70 else buffers[:3])

    monkeypatch.setattr(os, "writev", in_part)
    pixels = PixelFile(tmp_path / "pixels", (5, 5, 4))
    with pixels.file as file:
        start = file.tell()
        pixels.append([patch.data for patch in patches])
        assert file.tell() == start + 600 * 100
    assert pixels.path.read_bytes()[start:] == b"".join(patch.tobytes() for patch in patches)


def test_a_file_of_patches_leaves_room_for_the_header_of_any_count() -> None:
    lengths = {len(images_header(count, (96, 96, 4))) for count in (0, 1, 2140, 10**9)}
    assert len(lengths) == 1


def test_a_shard_cut_short_by_a_power_failure_is_not_trusted(city: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    job = shards.CutJob(Cityscapes(city), Instances(), OPTIONS, 0)
    (folder / "shards").mkdir(parents=True)
    for plan, of_tables, of_pixels in zip(job.shards(), (0.5, 0.0, 1.0), (1.0, 1.0, 0.9), strict=True):
        pixels = PixelFile.create(folder / "shards", job.patch_shape)
        with pixels.file:
            path = shards.write_shard(job, plan, folder / "shards", pixels)
        os.truncate(path, int(path.stat().st_size * of_tables))
        os.truncate(pixels.path, int(pixels.path.stat().st_size * of_pixels))
    build(city, folder)
    build(city, tmp_path / "whole")
    assert content(folder) == content(tmp_path / "whole")


@pytest.mark.parametrize("kept", [[0], [1], [0, 1], [0, 2], [0, 1, 2]])
@pytest.mark.parametrize("apart", [False, True])
def test_a_build_in_one_process_goes_on_whatever_shards_are_there(
    city: Path, tmp_path: Path, kept: list[int], apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "store"
    job = shards.CutJob(Cityscapes(city), Instances(), OPTIONS, 0)
    (folder / "shards").mkdir(parents=True)
    plans = job.shards()
    files = [PixelFile.create(folder / "shards", job.patch_shape) for _ in range(len(kept) if apart else 1)]
    for place, number in enumerate(kept):
        shards.write_shard(job, plans[number], folder / "shards", files[place if apart else 0])
    files[-1].append([np.full(1000, 7, np.uint8).data])  # of a shard that was being cut when the build was killed
    for file in files:
        file.file.close()
    copied: list[Shard] = []

    def noted(shard: Shard, file: IO[bytes]) -> None:
        copied.append(shard)
        append_pixels(shard, file)

    monkeypatch.setattr("objdisc.patches.building.append_pixels", noted)
    build(city, folder)
    in_order = kept == list(range(len(kept))) and (len(kept) == 1 or not apart)
    assert len(copied) == (0 if in_order else 3), "patches that one process wrote in order are not copied"
    build(city, tmp_path / "whole")
    assert content(folder) == content(tmp_path / "whole")
    assert {path.name for path in folder.iterdir()} == {"images.npy", "rows.npy", "masks.npy", "manifest.json", ".lock"}


def test_a_full_disk_is_one_line_that_names_the_file(
    city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("objdisc.patches.shard_files.PixelFile.append", full)
        with pytest.raises(ObjdiscError, match=r"No space left.*\.shard"):
            build(city, tmp_path / "store")
    with monkeypatch.context() as patched:
        # as where several processes wrote them; how many of two do is chance
        patched.setattr("objdisc.patches.building.end_in_one_file", lambda *_: None)
        patched.setattr("objdisc.patches.building.append_pixels", full)
        with pytest.raises(ObjdiscError, match=r"No space left.*images\.npy"):
            build(city, tmp_path / "store", workers=2)
    assert not list(tmp_path.rglob("*.tmp"))
    build(city, tmp_path / "whole")
    build(city, tmp_path / "store")
    assert content(tmp_path / "store") == content(tmp_path / "whole")
