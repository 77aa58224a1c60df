"""A folder is segmented part by part: what is finished is not done again, and memory does not grow with the folder."""

import csv
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets import open_dataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.inference.predict import Predictions
from objdisc.io.run import Run
from objdisc.naming.categories import Names
from objdisc.objectness.windows import Windows
from objdisc.patches.windows import PatchOptions
from objdisc.pipeline.folder_maps import FolderJob
from objdisc.pipeline.maps import FrameStyle
from objdisc.retrieval import Centers
from objdisc.types import UNKNOWN

CENTERS = Centers(
    np.array([[0.0], [1.0]], np.float32), np.linspace(0, 0.4, 100, dtype=np.float32), np.zeros(100, np.int32), "hash"
)

Maker = Callable[..., FolderJob]


class Method:
    """Two clusters, dark and bright; the embedding is the mean brightness. Counts what it is asked."""

    def __init__(self, patience: int = 10**9) -> None:
        self.asked = 0
        self.patience = patience

    def __call__(self, patches: torch.Tensor) -> Predictions:
        if self.asked >= self.patience:
            raise KeyboardInterrupt
        self.asked += len(patches)
        bright = patches[..., :3].float().mean(dim=(1, 2, 3))[:, None] / 255
        return Predictions(torch.cat([1 - bright, bright], dim=1).numpy(), bright.numpy(), None)


def write_images(folder: Path, count: int, size: tuple[int, int] = (32, 48)) -> Path:
    """Write noise of all brightnesses, the first image dark and the last one bright."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        level = 255 * number / max(count - 1, 1)
        pixels = np.clip(level + rng.normal(0, 4, (*size, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:04d}.png"), pixels)
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    def maker(folder: Path, method: Method, **changes: object) -> FolderJob:
        dataset = open_dataset(folder, "")
        job = FolderJob(
            output=Run.create(tmp_path / "output"),
            dataset=dataset,
            source=Windows(scales=(0.5,), stride=1.0, keep=2),
            patches=PatchOptions(size=16),
            ask=method,
            weights="hash",
            centers=CENTERS,
            threshold=None,
            style=FrameStyle.plain(2, dataset),
            acceptance=None,
            names=["dark", "bright"],
            overlays=3,
            workers=0,
            batch_size=8,
            strict=False,
        )
        return replace(job, **changes)  # type: ignore[arg-type]

    return maker


def read_list(run: Run) -> list[dict[str, str]]:
    with run.clusters_csv.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image)


def pictures(run: Run) -> dict[str, int]:
    """Map every picture of a folder to the time it was written."""
    return {
        str(path.relative_to(run.path)): path.stat().st_mtime_ns
        for path in run.path.rglob("*")
        if path.suffix in {".png", ".jpg"}
    }


def test_every_image_gets_its_maps_and_its_lines(make: Maker, tmp_path: Path) -> None:
    method = Method()
    job = make(write_images(tmp_path / "images", 40), method)
    totals = job.run()
    assert (totals.images, totals.skipped, totals.objects, method.asked) == (40, 0, 80, 80)
    lines = read_list(job.output)
    assert [line["sample"] for line in lines] == [f"{number:04d}" for number in range(40) for _ in range(2)]
    assert [line["cluster"] for line in lines] == ["0"] * 40 + ["1"] * 40
    assert {(line["cluster"], line["name"]) for line in lines} == {("0", "dark"), ("1", "bright")}
    assert len(list(job.output.cluster_ids.rglob("*.png"))) == len(list(job.output.color.rglob("*.png"))) == 40
    assert sorted(path.stem for path in job.output.overlays.iterdir()) == ["0000", "0019", "0039"]
    ids = pixels_of(job.output.cluster_ids / "0039_clusterIds.png")
    assert set(np.unique(ids)) == {1, 255}


def test_a_second_call_does_nothing_again(make: Maker, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 40)
    job = make(folder, Method())
    first, before, lines = job.run(), pictures(job.output), read_list(job.output)
    method = Method()
    again = make(folder, method).run()
    assert method.asked == 0
    assert (again.images, again.reused, again.clusters) == (40, 40, first.clusters)
    assert pictures(job.output) == before
    assert read_list(job.output) == lines


def test_an_interrupt_keeps_what_is_finished(make: Maker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_images(tmp_path / "images", 100)
    with caplog.at_level("INFO", logger="objdisc"), pytest.raises(KeyboardInterrupt):
        make(folder, Method(patience=140)).run()
    assert "64 of 100 images are finished; continuing" in caplog.text
    kept = pictures(Run(tmp_path / "output"))
    assert sum(name.startswith("clusterIds") for name in kept) == 64
    method = Method()
    job = make(folder, method)
    job.run()
    assert method.asked == 2 * 36
    after = pictures(job.output)
    assert {name: after[name] for name in kept} == kept
    assert len(read_list(job.output)) == 200


def test_a_changed_image_is_looked_at_again_and_so_are_other_weights(make: Maker, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 40)
    make(folder, Method()).run()
    (folder / "0035.png").write_bytes((folder / "0000.png").read_bytes())
    method = Method()
    job = make(folder, method)
    job.run()
    assert method.asked == 2 * 8  # the part of images 32 to 39
    assert [line["cluster"] for line in read_list(job.output) if line["sample"] == "0035"] == ["0", "0"]
    method = Method()
    make(folder, method, weights="other").run()
    assert method.asked == 80


def test_a_map_that_is_gone_is_drawn_again_without_asking(make: Maker, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 4)
    job = make(folder, Method())
    job.run()
    (job.output.cluster_ids / "0002_clusterIds.png").unlink()
    method = Method()
    make(folder, method).run()
    assert method.asked == 0
    assert (job.output.cluster_ids / "0002_clusterIds.png").is_file()


def test_what_is_far_from_every_center_is_unknown(make: Maker, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 5)  # brightness 0, 1/4, 1/2, 3/4 and 1; centres at 0 and 1
    job = make(folder, Method(), threshold=CENTERS.threshold(1.0))
    totals = job.run()
    assert totals.clusters == {0: 4, 1: 4, UNKNOWN: 2}
    lines = {line["sample"]: line for line in read_list(job.output)}
    assert (lines["0002"]["cluster"], lines["0002"]["name"]) == ("-2", "unknown")
    assert lines["0002"]["best_cluster"] in {"0", "1"}
    assert float(lines["0002"]["distance"]) == pytest.approx(0.5, abs=0.02)
    assert lines["0001"]["cluster"] == "0"
    ids = pixels_of(job.output.cluster_ids / "0002_clusterIds.png")
    assert set(np.unique(ids)) == {254, 255}
    colour = pixels_of(job.output.color / "0002_color.png")
    assert {tuple(pixel) for pixel in colour.reshape(-1, 3).tolist()} == {(128, 128, 128), (0, 0, 0)}


def test_another_threshold_or_other_names_redraw_without_asking(make: Maker, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 5)
    job = make(folder, Method())
    job.run()
    ids = {path.name: path.read_bytes() for path in job.output.cluster_ids.iterdir()}
    before = {path.name: path.read_bytes() for path in job.output.overlays.iterdir()}
    method = Method()
    names = Names.of([("night", (1, 2, 3)), None])
    make(folder, method, style=FrameStyle.named(names), names=["night", ""]).run()
    assert method.asked == 0
    assert {path.name: path.read_bytes() for path in job.output.cluster_ids.iterdir()} == ids
    after = {path.name: path.read_bytes() for path in job.output.overlays.iterdir()}
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)
    dark, bright = (pixels_of(job.output.color / f"{name}_color.png") for name in ("0000", "0004"))
    assert dark.any()
    assert not bright.any()  # a rejected cluster is not drawn
    make(folder, method, threshold=0.1).run()
    assert method.asked == 0
    assert "-2" in {line["cluster"] for line in read_list(job.output)}


def test_unreadable_images_are_named_and_counted(make: Maker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_images(tmp_path / "images", 40)
    for number in range(12, 30):
        (folder / f"{number:04d}.png").write_bytes(b"no image")
    totals = make(folder, Method()).run()
    assert (totals.images, totals.skipped) == (22, 18)
    assert caplog.text.count("skipped ") == 10
    assert "0012.png" in caplog.text
    with pytest.raises(UnreadableImageError, match=r"0012\.png"):
        make(folder, Method(), strict=True).run()


def test_a_folder_without_any_readable_image_is_refused(make: Maker, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"none of 1 images can be used; the first: .*a\.png"):
        make(tmp_path / "images", Method()).run()


def test_memory_does_not_grow_with_the_folder(make: Maker, tmp_path: Path) -> None:
    """Four times the images may cost what their names cost, and no more."""
    peaks = []
    write_images(tmp_path / "warm", 2)
    make(tmp_path / "warm", Method()).run()
    for count in (64, 256):
        folder = write_images(tmp_path / f"{count}", count, size=(96, 96))
        job = make(folder, Method(), output=Run.create(tmp_path / f"output{count}"), source=Windows(keep=16))
        tracemalloc.start()
        job.run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    per_image = (peaks[1] - peaks[0]) / 192
    assert per_image < 2_000, peaks  # bytes; one patch alone has 1,024, an image of 16 patches 16,384
