"""How well many clusters can be read as classes with few labels: the overclustering curve of image IIC (figure 6)."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.evaluate import EvaluateOptions, apply
from objdisc.evaluation.counts import patch_labels
from objdisc.evaluation.overclustering import ReadAccuracy, read_accuracies
from objdisc.frozen import FrozenRun, open_frozen
from objdisc.inputs import find_data, open_splits
from objdisc.options import positional
from objdisc.report.linechart import line_chart
from objdisc.run import atomic_write
from objdisc.segment import choose_source


@dataclass(frozen=True)
class OverclusteringOptions:
    """Read the clusters of finished runs as classes, with labels of the training split, and score another split.

    Labels are used here to fit: each cluster is read as the most frequent class among its labelled training images.
    The runs themselves never saw one.

    Attributes:
        run: Folder of a finished run.
        also: Further runs on the same data with other numbers of clusters, with commas between.
        shares: Shares of the training split's labels that the reading is fitted on, with commas between.
        seed: Of the choice of labelled images.
        output_dir: Where overclustering.csv and .svg go; RUN/overclustering if none is given.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        workers: Processes that cut and load patches.
        batch_size: Patches that go through the network at once.
    """

    run: Path = positional()
    also: tuple[str, ...] = ()
    shares: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1, 0.05, 0.01)
    seed: int = 0
    output_dir: Path | None = None
    device: str = "auto"
    workers: int = 2
    batch_size: int = 128


def overclustering(options: OverclusteringOptions) -> list[ReadAccuracy]:
    """Write the curve of accuracy over numbers of clusters and shares of labels, as a table and a picture.

    Raises:
        UsageError: A run is not finished, its data has no labels, or trained and scored splits are the same.
    """
    found: list[ReadAccuracy] = []
    for path in (options.run, *map(Path, options.also)):
        found += _of_run(open_frozen(path), options)
    folder = options.output_dir or options.run / "overclustering"
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "overclustering.csv") as file:
        writer = csv.DictWriter(file, [item.name for item in fields(ReadAccuracy)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, found))
    by_clusters = {f"{100 * share:g} % of labels": _line(found, share) for share in options.shares}
    with atomic_write(folder / "overclustering.svg") as file:
        file.write(line_chart(by_clusters, "clusters (logarithmic)", "accuracy"))
    for point in found:
        print(f"{point.num_clusters:5} clusters  {point.labelled:7} labels ({point.share:g})  {point.accuracy:.4f}")
    print(f"\ntable and picture: {folder}")
    return found


def _line(found: list[ReadAccuracy], share: float) -> list[tuple[float, float]]:
    return [(point.num_clusters, point.accuracy) for point in found if point.share == share]


def _of_run(frozen: FrozenRun, options: OverclusteringOptions) -> list[ReadAccuracy]:
    trained, scored = open_splits(find_data(frozen.options.path), frozen.options)
    if trained is scored:
        raise UsageError(f"{frozen.run.path}: trained and scored on one split; the reading needs labels of another.")
    splits = [_clusters_of(frozen, split, options) for split in (trained, scored)]
    return read_accuracies(splits[0], splits[1], frozen.method.num_clusters, options.shares, options.seed)


def _clusters_of(
    frozen: FrozenRun, dataset: ImageDataset, options: OverclusteringOptions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels and the clusters of a split's patches, out of the run's own store where it has one."""
    if not dataset.has_ground_truth:
        raise UsageError(f"{dataset.root}: no class labels in split {dataset.split!r} to read clusters with.")
    source = choose_source(frozen.options.objectness, dataset, frozen, options.device)
    hardware = EvaluateOptions(
        run=frozen.run.path, device=options.device, workers=options.workers, batch_size=options.batch_size
    )
    store, predictions = apply(frozen, dataset, source, frozen.run, hardware)
    return patch_labels(dataset, store.patches), predictions.probabilities.argmax(axis=1).astype(np.int64)
