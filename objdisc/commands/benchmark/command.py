"""Speed and memory on this machine, as ratios within one run: absolute rates differ from machine to machine."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from objdisc.commands.benchmark.agglomerative import agglomerative
from objdisc.commands.benchmark.building import building, first_images, memory
from objdisc.commands.benchmark.iid import dense_loss
from objdisc.commands.benchmark.retrieval import search_times
from objdisc.commands.benchmark.spectral import spectral
from objdisc.commands.benchmark.steps import steps
from objdisc.config.components import Component, component, flag_only, positional
from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.io.files import write_json
from objdisc.io.run import Run, read_metrics_log
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.windows import PatchOptions
from objdisc.pipeline.data import find_data, open_splits
from objdisc.pipeline.options import DiscoverOptions, build_method, build_store, choose_objectness
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit


@dataclass(frozen=True)
class BenchmarkOptions:
    """Measure patch building, data waiting in training, and peak memory, or the training steps of configs, as ratios.

    Attributes:
        path: Data set to measure on; by default $CITYSCAPES_DATASET or the generated toy city. The word iid measures
            the dense loss of invariant information clustering instead, retrieval a search among 300,000 embeddings,
            agglomerative graph degree linkage of 70,000 points, and spectral 16 normalised cuts of 3,600 tokens; these
            need no data.
        configs: Configs of discover, separated by commas, whose training steps are timed instead, each stage against a
            bare loop of the same method with its views ready; with ``--workers 0`` all CPU time is counted.
        settings: Settings that win over those of the configs, as YAML: {patches: {size: 16}}.
        steps: Most steps of a config that are timed in a turn.
        images: Most images to read.
        epochs: Epochs of training to measure the time spent waiting for data.
        batch_size: Patches in a step.
        workers: Processes that load data while training.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        encoder: As in discover.
        weights: As in discover.
        objectness: As in discover.
        output: JSON file for the numbers, which must not exist yet; they are also printed.
        allow_import: Allow flags to name a class from outside the package, whose module is then run.
        patches: How patches are cut.
    """

    path: Path | None = positional(default=None)
    configs: tuple[Path, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    steps: int = 40
    images: int = 200
    epochs: int = 2
    batch_size: int = 64
    workers: int = 2
    device: str = "auto"
    encoder: str = "tf_efficientnet_lite0"
    weights: str = "imagenet"
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness", given=("encoder", "weights"))
    output: Path | None = None
    allow_import: bool = flag_only()
    patches: PatchOptions = field(default_factory=PatchOptions)


@dataclass(frozen=True)
class Measurements:
    """The measurements.

    Attributes:
        numbers: Values by name: seconds, bytes or ratios, as the name says.
    """

    numbers: Mapping[str, float]

    def summary(self) -> str:
        """Return one line a number."""
        return "\n".join(f"{name:48} {value:10.3f}" for name, value in self.numbers.items())


def benchmark(options: BenchmarkOptions) -> Measurements:
    """Measure speed and memory.

    Raises:
        UsageError: The data is missing or too small to measure on.
    """
    _check_output(options.output)
    if options.configs:
        data = find_data(options.path)
        numbers = steps(data, options.configs, options.settings, options.images, options.steps, options.workers)
    elif options.path == Path("iid"):
        numbers = dense_loss()
    elif options.path == Path("agglomerative"):
        numbers = agglomerative()
    elif options.path == Path("spectral"):
        numbers = spectral()
    elif options.path == Path("retrieval"):
        numbers = search_times(device="cpu" if options.device == "auto" else options.device)
    else:
        numbers = whole_run(options)
    if options.output is not None:
        write_json(options.output, numbers)
    return Measurements(numbers)


def _check_output(path: Path | None) -> None:
    """Refuse a file that already exists, before hours are spent on its numbers."""
    if path is not None and path.exists():
        raise UsageError(f"--output {path}: already exists; give another file, or move it away.")


def whole_run(options: BenchmarkOptions) -> dict[str, float]:
    """Measure building, memory and waiting for data on a data set."""
    path = find_data(options.path)
    dataset, _ = open_splits(path, DiscoverOptions())
    source = choose_objectness(options.objectness, dataset, options.encoder, options.weights)
    some = first_images(dataset, options.images)
    if len(some.samples) < 2:
        raise UsageError(f"{path}: one image is too few to measure on; give a folder of more, or more --images.")
    return {
        **building(some, source, options.patches),
        **memory(some, source, options.patches),
        **waiting(some, source, options),
    }


def waiting(dataset: ImageDataset, source: ObjectnessSource, options: BenchmarkOptions) -> dict[str, float]:
    """Train for a few epochs, and read from the log the share of a step that was spent waiting for data.

    Raises:
        UsageError: The images hold too few objects to train on.
    """
    training = TrainerOptions(
        epochs=options.epochs, batch_size=options.batch_size, workers=options.workers, device=options.device
    )
    # Two clusters: how many there are changes the step by nothing that counts, and few images will do
    job = DiscoverOptions(
        encoder=options.encoder,
        weights=options.weights,
        num_clusters=2,
        patches=options.patches,
        training=training,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder))
        store = build_store(run, dataset, source, job)
        if np.count_nonzero(store.foreground) < job.num_clusters:
            raise UsageError(f"{dataset.root}: {len(dataset.samples)} images hold too few objects; give more --images.")
        fit(build_method(job), store, run, training)
        shares = [record["data_wait"] for record in read_metrics_log(run.metrics_log) if "data_wait" in record]
    # The first epoch starts the workers
    return {"data_waiting_share": shares[-1]} if shares else {}
