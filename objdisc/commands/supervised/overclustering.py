"""How well many clusters can be mapped to classes with few labels: image IIC's overclustering curve (figure 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.commands.supervised.labelled import (
    LabelledPatches,
    SupervisedEvaluation,
    SupervisedOptions,
    open_labelled,
    training_options,
    write_points,
)
from objdisc.config.components import flag_only, flat, positional
from objdisc.evaluation.overclustering import ReadAccuracy, read_accuracies
from objdisc.inference.predict import predict
from objdisc.io.staging import staged
from objdisc.pipeline.folders import beside, result_folder
from objdisc.pipeline.loading import LoadedRun, load_run, weights_name


@dataclass(frozen=True)
class OverclusteringOptions:
    """Map the clusters of finished runs to classes with labels of the training split, and score another split.

    Labels are used here for fitting: each cluster is mapped to the most frequent class among its labelled training
    images. The runs themselves never saw a label.

    Attributes:
        run: Folder of a finished run.
        also: Further runs on the same data with other numbers of clusters, separated by commas.
        shares: Shares of the training split's labels to fit the mapping on, separated by commas.
        allow_import: Allow the run's settings to name classes from outside the package, whose modules are then run.
        evaluation: Seed, splits, files and hardware.
    """

    run: Path = positional()
    also: tuple[str, ...] = ()
    shares: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1, 0.05, 0.01)
    allow_import: bool = flag_only()
    evaluation: SupervisedOptions = flat(SupervisedOptions)


def overclustering(options: OverclusteringOptions) -> SupervisedEvaluation[ReadAccuracy]:
    """Write the curve of accuracy over numbers of clusters and shares of labels, as a table and a picture.

    Raises:
        UsageError: A run is not finished, its data has no labels, or trained and scored splits are the same.
    """
    paths, device = (options.run, *map(Path, options.also)), options.evaluation.device
    runs = [load_run(path, allow_import=options.allow_import, device=device) for path in paths]
    usual = beside(runs[0].run, "overclustering")
    with (
        result_folder("overclustering", runs[0], options.evaluation.output_dir, usual) as folder,
        staged(folder) as new,
    ):
        found = _overclustering(runs, options, folder, new)
    lines = [
        f"{point.num_clusters:5} clusters  {point.labelled:7} labels ({point.share:g})  {point.accuracy:.4f}"
        for point in found
    ]
    return SupervisedEvaluation(found, lines, folder)


def _overclustering(
    runs: Sequence[LoadedRun], options: OverclusteringOptions, folder: Path, new: Path
) -> list[ReadAccuracy]:
    """Evaluate runs with the patches in one folder, and write to another."""
    found: list[ReadAccuracy] = []
    for loaded in runs:
        found += _of_run(loaded, options, folder / weights_name(loaded.run)[:8])
    by_clusters = {f"{100 * share:g} % of labels": _line(found, share) for share in options.shares}
    write_points(new, "overclustering", found, by_clusters, "clusters (logarithmic)")
    return found


def _line(found: list[ReadAccuracy], share: float) -> list[tuple[float, float]]:
    return [(point.num_clusters, point.accuracy) for point in found if point.share == share]


def _of_run(loaded: LoadedRun, options: OverclusteringOptions, folder: Path) -> list[ReadAccuracy]:
    labelled = open_labelled(loaded, options.evaluation, folder)
    fitted, scored = (_clusters_of(loaded, patches, options) for patches in labelled)
    return read_accuracies(fitted, scored, loaded.method.num_clusters, options.shares, options.evaluation.seed)


def _clusters_of(
    loaded: LoadedRun, patches: LabelledPatches, options: OverclusteringOptions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels and the clusters of labelled patches."""
    predictions = predict(
        loaded.method, patches.store, training_options(loaded, options.evaluation), patches.rows.tolist()
    )
    return patches.labels, predictions.probabilities.argmax(axis=1).astype(np.int64)
