"""A linear probe of each block of a network, compared with the same network with random weights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from objdisc.commands.supervised.labelled import (
    LabelledPatches,
    SupervisedEvaluation,
    SupervisedOptions,
    class_numbers,
    open_labelled,
    training_options,
    write_points,
)
from objdisc.config.components import flag_only, flat, positional
from objdisc.errors import UsageError
from objdisc.evaluation.linear import fit_linear
from objdisc.io.staging import staged
from objdisc.methods.base import Method
from objdisc.pipeline.folders import beside, result_folder
from objdisc.pipeline.loading import LoadedRun, load_run
from objdisc.pipeline.options import build_method
from objdisc.training.blocks import BlockFeatures
from objdisc.training.encoding import StoreEncoder
from objdisc.training.engine import make_accelerator


@dataclass(frozen=True)
class ProbeOptions:
    """Train a linear classifier on the frozen features of each block of a run's network, and score it.

    Labels of the training split train these classifiers, and nothing else. The network stays as the run left it.

    Attributes:
        run: Folder of a finished run.
        share: Share of the training split's labels to use, above 0 to 1; use a part if the features of all images do
            not fit into memory.
        features: Most features of a block: maps are averaged over the finest grid that this allows.
        decay: Weight decay of the classifiers.
        random: Also probe the same network with random weights.
        allow_import: Allow the run's settings to name classes from outside the package, whose modules are then run.
        evaluation: Seed, splits, files and hardware.
    """

    run: Path = positional()
    share: float = 1.0
    features: int = 1024
    decay: float = 1e-3
    random: bool = True
    allow_import: bool = flag_only()
    evaluation: SupervisedOptions = flat(SupervisedOptions)


@dataclass(frozen=True)
class ProbedBlock:
    """The result of a linear classifier on one block.

    Attributes:
        block: Its number, from 1.
        channels: Channels of its map.
        grid: Cells along a side of the grid that the map was averaged over.
        labelled: Number of patches that the classifier was trained on.
        accuracy: Accuracy on the other patches, in [0, 1].
        accuracy_random: Accuracy with random weights of the network; None if it was not asked for.
    """

    block: int
    channels: int
    grid: int
    labelled: int
    accuracy: float
    accuracy_random: float | None = None


def probe(options: ProbeOptions) -> SupervisedEvaluation[ProbedBlock]:
    """Write accuracy over blocks, as a table and a picture.

    Raises:
        UsageError: The run is not finished, its data has no labels, its network has no blocks, or trained and scored
            splits are the same and none of it is held out.
    """
    if options.features < 1 or options.decay < 0:
        raise UsageError(f"--features {options.features} --decay {options.decay}: at least 1, and not below 0")
    loaded = load_run(options.run, allow_import=options.allow_import, device=options.evaluation.device)
    usual = beside(loaded.run, "probe")
    with result_folder("probe", loaded, options.evaluation.output_dir, usual) as folder, staged(folder) as new:
        found = _probe(loaded, options, folder, new)
    return SupervisedEvaluation(found, list(_lines(found)), folder)


def _probe(loaded: LoadedRun, options: ProbeOptions, folder: Path, new: Path) -> list[ProbedBlock]:
    """Probe with the patches in one folder, and write to another."""
    fitted, scored = open_labelled(loaded, options.evaluation, folder)
    fitted = fitted.share(options.share, options.evaluation.seed)
    found = _probed(loaded, loaded.method, fitted, scored, options)
    if options.random:
        random = _probed(loaded, build_method(loaded.options, weights="none"), fitted, scored, options)
        found = [
            ProbedBlock(one.block, one.channels, one.grid, one.labelled, one.accuracy, other.accuracy)
            for one, other in zip(found, random, strict=True)
        ]
    series = {"this run": [(float(one.block), one.accuracy) for one in found]}
    if options.random:
        series["random weights"] = [(float(one.block), one.accuracy_random or 0.0) for one in found]
    write_points(new, "probe", found, series, "block", logarithmic=False)
    return found


def _probed(
    loaded: LoadedRun, method: Method, fitted: LabelledPatches, scored: LabelledPatches, options: ProbeOptions
) -> list[ProbedBlock]:
    labels, truth, num_classes = class_numbers(fitted.labels, scored.labels)
    module = BlockFeatures(method, options.features)
    given, asked = (_features(loaded, module, method, patches, options) for patches in (fitted, scored))
    side, channels = fitted.store.size, fitted.store.images.shape[3] - 1
    found = []
    for number, block in enumerate(module.blocks(channels, side), start=1):
        columns = slice(block.start, block.stop)
        classifier = fit_linear(
            given[:, columns], torch.from_numpy(labels).to(given.device), num_classes, decay=options.decay
        )
        right = classifier.predict(asked[:, columns]).cpu().numpy() == truth
        found.append(ProbedBlock(number, block.channels, block.grid, len(labels), float(np.mean(right))))
    return found


def _features(
    loaded: LoadedRun, module: BlockFeatures, method: Method, patches: LabelledPatches, options: ProbeOptions
) -> Tensor:
    """Encode patches as the run's method sees them, ``(n, D)`` float32 on the device."""
    training = training_options(loaded, options.evaluation)
    accelerator = make_accelerator(training.device, training.precision)
    method.to(accelerator.device)
    encode = StoreEncoder(patches.store, method, accelerator, training)
    return encode(module, torch.from_numpy(patches.rows))


def _lines(found: Sequence[ProbedBlock]) -> Iterator[str]:
    for one in found:
        beside = "" if one.accuracy_random is None else f"  random weights {one.accuracy_random:.4f}"
        features = f"{one.channels} channels on {one.grid}x{one.grid}"
        yield f"block {one.block}  {features:24} {one.accuracy:.4f}{beside}"
