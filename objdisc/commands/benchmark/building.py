"""The speed of building patches, relative to decoding alone, and its peak memory."""

import copy
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from objdisc.datasets import ImageDataset
from objdisc.io.processes import main_module_left_out
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions

_TURNS = 5  # odd: the one with the median ratio counts


def first_images(dataset: ImageDataset, count: int) -> ImageDataset:
    """Return the data set with its first images only."""
    part = copy.copy(dataset)
    part.samples = dataset.samples[:count]
    return part


def building(dataset: ImageDataset, source: ObjectnessSource, patches: PatchOptions) -> dict[str, float]:
    """Compare the rate of building patches with that of decoding the same images and masks, in one process each.

    Decoding means reading every image and its instance mask, numbered and checked against the image's size, exactly as
    a build reads them. Building is all of ``PatchStore.build`` up to the opened store; removing the store again is not
    counted. The two take turns, after one decoding that only brings the files into the system's cache. The turn with
    the median ratio counts: other load on the machine affects both of its halves alike.
    """

    def decode() -> None:
        for sample in dataset.samples:
            dataset.read_image(sample)
            dataset.read_instances(sample)

    def turn() -> tuple[float, float]:
        decoding = _seconds(decode)
        with tempfile.TemporaryDirectory() as folder:
            where = Path(folder)
            return decoding, _seconds(
                lambda: PatchStore.build(dataset, source, patches, where, workers=0, progress=False)
            )

    decode()
    turns = sorted((turn() for _ in range(_TURNS)), key=lambda seconds: seconds[0] / seconds[1])
    decoded, built = (len(dataset.samples) / seconds for seconds in turns[_TURNS // 2])
    return {
        "decoded_images_per_second": decoded,
        "built_images_per_second": built,
        "building_to_decoding": built / decoded,
    }


def memory(dataset: ImageDataset, source: ObjectnessSource, patches: PatchOptions) -> dict[str, float]:
    """Compare the peak memory of building patches from half the images and from all of them."""
    half = first_images(dataset, len(dataset.samples) // 2)
    small, large = in_fresh_process(_peaks_of_builds, (half, dataset), source, patches)
    return {"peak_mebibytes": large, "peak_when_images_double": large / small}


def _seconds(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def _peaks_of_builds(datasets: Sequence[ImageDataset], source: ObjectnessSource, patches: PatchOptions) -> list[float]:
    """Build one after the other, and record the peak in mebibytes after each; give the smallest first."""
    peaks = []
    for dataset in datasets:
        with tempfile.TemporaryDirectory() as folder:
            PatchStore.build(dataset, source, patches, Path(folder), workers=0, progress=False)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peaks.append(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))  # macOS counts bytes, Linux kibibytes
    return peaks


def in_fresh_process(job: Callable[..., list[float]], *arguments: Any) -> list[float]:
    """Run a job in a fresh process, in which nothing else has raised the peak yet."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with main_module_left_out():
            found = pool.submit(job, *arguments)
        return found.result()
