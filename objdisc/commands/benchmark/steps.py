"""The training step against a bare loop of the same method: views ready, the same loss, the same optimiser."""

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from objdisc.config.parser import load, override
from objdisc.datasets import ImageDataset
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore
from objdisc.pipeline.data import open_splits
from objdisc.pipeline.options import DiscoverOptions, build_method, build_store, choose_objectness
from objdisc.pipeline.stages import Stage, plan
from objdisc.training.engine import make_accelerator
from objdisc.training.logging import TrainingLog
from objdisc.training.trainer import Training
from objdisc.types import Batch

log = logging.getLogger("objdisc")

_TURNS = 3  # odd: the one with the median ratio counts
_READY = 8  # batches whose views the bare loop has at hand, over and over


class Seconds(NamedTuple):
    """The time of one loop.

    Attributes:
        clock: Seconds by the clock.
        processor: CPU seconds of this process, without those of its workers.
    """

    clock: float
    processor: float


def steps(
    data: Path, configs: Sequence[Path], settings: Mapping[str, Any], images: int, most: int, workers: int
) -> dict[str, float]:
    """Time the training steps of configs of discover, each stage separately and from its own start.

    Both loops take turns in one process. Neither includes the beginning of an epoch (clusterings, neighbours).

    Args:
        data: Data set.
        configs: Configs of discover.
        settings: Settings that win over the configs', as keys and values in YAML.
        images: Most images to read.
        most: Most steps that are timed in a turn.
        workers: Processes that load data; with 0, all CPU time is counted.

    Returns:
        For each stage of each config: seconds of a step and of a step of the bare loop, by the clock, and the ratios of
            the bare loop to the step, by the clock and in CPU time.
    """
    numbers: dict[str, float] = {}
    for config in configs:
        options = override(load(DiscoverOptions, config), settings, "--settings")
        options = replace(options, path=data, training=replace(options.training, workers=workers))
        dataset, _ = open_splits(data, options)
        dataset.samples = _spread(dataset, images)
        with tempfile.TemporaryDirectory() as folder:
            for stage in plan(options, Run.create(Path(folder))):
                name = "_".join(filter(None, (config.stem, stage.name)))
                log.info("timing %s", name)
                found = _time_stage(stage, dataset, most)
                numbers |= {f"{name}_{what}": value for what, value in found.items()}
    return numbers


def _spread(dataset: ImageDataset, images: int) -> Any:
    """Return at most ``most`` samples, spread evenly, since folders of classes come one after the other."""
    step = max(len(dataset.samples) // max(images, 1), 1)
    return dataset.samples[::step][:images]


def _time_stage(stage: Stage, dataset: ImageDataset, most: int) -> dict[str, float]:
    options = replace(stage.options, init_from=None)
    source = choose_objectness(options.objectness, dataset, options.encoder, options.weights, quiet=True)
    run = Run.create(stage.run.path)
    store = build_store(run, dataset, source, options)
    training = _begun(options, store, most)
    ready = _ready(training)
    with TrainingLog(None, 1, shown=False) as silent:
        real = _timed(lambda: training.train_batches(silent))  # starts the workers
        count = len(training.batches)
        turns = []
        for _ in range(_TURNS):
            bare = _timed(lambda: _bare_loop(training, ready, count))
            real = _timed(lambda: training.train_batches(silent))
            turns.append((bare, real))
    del training.loader
    bare, real = sorted(turns, key=lambda turn: turn[0].clock / turn[1].clock)[_TURNS // 2]
    return {
        "step_seconds": real.clock / count,
        "bare_seconds": bare.clock / count,
        "bare_to_step": bare.clock / real.clock,
        "bare_to_step_processor": statistics.median(bare.processor / real.processor for bare, real in turns),
    }


def _begun(options: DiscoverOptions, store: PatchStore, most: int) -> Training:
    """Begin the first epoch of a training, limited to a number of steps."""
    accelerator = make_accelerator(options.training.device, options.training.precision)
    method = build_method(options)
    method.setup(len(store))
    training = Training(method, store, None, options.training, accelerator, resume=False, init_from=None)
    training.begin_epoch()
    batches, objects = training.batches, np.flatnonzero(store.foreground)
    order = np.random.default_rng(0).permutation(objects) if batches.order is None else batches.order
    batches.order = order[: len(order) * most // len(batches)] if len(batches) > most else order
    return training


def _ready(training: Training) -> list[Batch]:
    """Make some batches in advance."""
    found = []
    for batch, _ in training.timed_batches():
        found.append(batch)
        if len(found) == _READY:
            break
    return found


def _bare_loop(training: Training, ready: Sequence[Batch], count: int) -> None:
    """Take steps in the simplest possible loop over views that are ready."""
    method, options = training.method.train(), training.options
    optimizer: torch.optim.Optimizer = training.optimizer.optimizer
    parameters = [parameter for parameter in method.parameters() if parameter.requires_grad]
    for number in range(count):
        with training.accelerator.autocast():
            loss = method.training_step(ready[number % len(ready)], training.ranks)["loss"]
        torch.autograd.backward(loss)
        if options.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, options.clip_norm)
        optimizer.step()
        optimizer.zero_grad()


def _timed(job: Callable[[], object]) -> Seconds:
    started, processor = time.perf_counter(), time.process_time()
    job()
    return Seconds(time.perf_counter() - started, time.process_time() - processor)
