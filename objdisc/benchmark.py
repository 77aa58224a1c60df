"""Speed and memory of this machine's runs, as ratios within one run: absolute rates differ from machine to machine."""

import copy
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from objdisc.benchmark_iid import dense_loss
from objdisc.datasets import ImageDataset
from objdisc.discover import train
from objdisc.errors import UsageError
from objdisc.inputs import DiscoverOptions, choose_objectness, find_data, open_splits
from objdisc.objectness.base import ObjectnessSource
from objdisc.options import Component, component, positional
from objdisc.patches import PatchOptions
from objdisc.run import read_metrics_log, write_json
from objdisc.store import PatchStore
from objdisc.training.trainer import TrainerOptions

_TURNS = 5  # odd: the one with the median ratio counts


@dataclass(frozen=True)
class BenchmarkOptions:
    """Measure patch building, data waiting in training, and peak memory; prints ratios.

    Attributes:
        path: Data set to measure on; $CITYSCAPES_DATASET, else the generated toy city, if none is given. The word iid
            measures the dense loss of invariant information clustering instead, which needs no data.
        images: At most so many images are read.
        epochs: Epochs that are trained to measure data waiting.
        batch_size: Patches in a step.
        workers: Processes that load data while training.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        encoder: As in discover.
        weights: As in discover.
        objectness: As in discover.
        output: JSON file for the numbers; they are printed in any case.
        patches: How patches are cut.
    """

    path: Path | None = positional(default=None)
    images: int = 200
    epochs: int = 2
    batch_size: int = 64
    workers: int = 2
    device: str = "auto"
    encoder: str = "tf_efficientnet_lite0"
    weights: str = "imagenet"
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness")
    output: Path | None = None
    patches: PatchOptions = field(default_factory=PatchOptions)


def benchmark(options: BenchmarkOptions) -> dict[str, float]:
    """Measure, print and return the numbers.

    Raises:
        UsageError: The data is missing or too small to measure on.
    """
    numbers = dense_loss() if options.path == Path("iid") else whole_run(options)
    for name, value in numbers.items():
        print(f"{name:28} {value:10.3f}")
    if options.output is not None:
        write_json(options.output, numbers)
    return numbers


def whole_run(options: BenchmarkOptions) -> dict[str, float]:
    """Measure building, memory and data waiting on a data set."""
    path = find_data(options.path)
    dataset, _ = open_splits(path, DiscoverOptions())
    source = choose_objectness(options.objectness, dataset)
    some = first_images(dataset, options.images)
    if len(some.samples) < 2:
        raise UsageError(f"{path}: one image is too few to measure on; give a folder of more.")
    return {
        **building(some, source, options.patches),
        **memory(some, source, options.patches),
        **waiting(path, options),
    }


def first_images(dataset: ImageDataset, count: int) -> ImageDataset:
    """Return the data set with its first images only."""
    part = copy.copy(dataset)
    part.samples = dataset.samples[:count]
    return part


def building(dataset: ImageDataset, source: ObjectnessSource, patches: PatchOptions) -> dict[str, float]:
    """Compare the rate of building patches with that of decoding the same images and masks, in one process each.

    Decoding is reading every image and its instance mask, numbered and held to the image's size, exactly as a build
    reads them. Building is all of ``PatchStore.build`` up to the opened store; removing that again is not counted.
    The two take turns, after one decoding that only brings the files into the system's cache. The turn whose ratio is
    the median counts: what else the machine does falls on both of its halves alike.
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
    small, large = (_in_fresh_process(_peak_of_build, part, source, patches) for part in (half, dataset))
    return {"peak_mebibytes": large, "peak_when_images_double": large / small}


def waiting(path: Path, options: BenchmarkOptions) -> dict[str, float]:
    """Train for a few epochs and read from the log which share of a step was spent waiting for data."""
    with tempfile.TemporaryDirectory() as folder:
        trained = train(
            replace(
                DiscoverOptions(),
                path=path,
                objectness=options.objectness,
                encoder=options.encoder,
                weights=options.weights,
                output_dir=Path(folder),
                patches=options.patches,
                training=TrainerOptions(
                    epochs=options.epochs,
                    batch_size=options.batch_size,
                    workers=options.workers,
                    device=options.device,
                ),
            )
        )
        shares = [record["data_wait"] for record in read_metrics_log(trained.run.metrics_log) if "data_wait" in record]
    # The first epoch starts the workers
    return {"data_waiting_share": shares[-1]} if shares else {}


def _seconds(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def _peak_of_build(dataset: ImageDataset, source: ObjectnessSource, patches: PatchOptions) -> float:
    with tempfile.TemporaryDirectory() as folder:
        PatchStore.build(dataset, source, patches, Path(folder), workers=0, progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)  # macOS counts bytes, Linux kibibytes


def _in_fresh_process(job: Callable[..., float], *arguments: Any) -> float:
    """Run a job where nothing else has raised the peak yet."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(job, *arguments).result()
