"""Supervised evaluation: the splits, labels and tables of ``overclustering``, ``probe`` and ``finetune``.

These three commands are the only places where class labels train anything. They start from a finished run, which never
saw a label, and write beside it: their results enter no run, no map and no other command.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.evaluation.annotated import labelled
from objdisc.evaluation.counts import patch_labels
from objdisc.evaluation.matching import labelled_share
from objdisc.io.files import atomic_write
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore
from objdisc.pipeline.data import find_data, open_splits
from objdisc.pipeline.loading import LoadedRun, choose_source
from objdisc.pipeline.options import build_store, cut_job, store_folder
from objdisc.pipeline.scoring import require_ground_truth
from objdisc.pipeline.taken_for import tell_of_run
from objdisc.render.charts import as_svg, line_chart
from objdisc.training.options import TrainerOptions

Point = TypeVar("Point")


@dataclass(frozen=True)
class SupervisedOptions:
    """Options of all supervised evaluations.

    Attributes:
        seed: Random seed of every choice among labelled images, and of what is trained on them.
        held_out: For a run that was trained and scored on one split, the share of its labelled images that are scored
            and not trained on. With 0, such a run is refused.
        output_dir: Folder for table and picture; by default RUN_COMMAND, beside the run.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        workers: Processes that cut and load patches.
        batch_size: Patches that go through the network at once.
    """

    seed: int = 0
    held_out: float = 0.0
    output_dir: Path | None = None
    device: str = "auto"
    workers: int = 2
    batch_size: int = 128

    def __post_init__(self) -> None:
        """Check the options that can be checked without data.

        Raises:
            UsageError: A value is out of range.
        """
        if not 0 <= self.held_out < 1 or self.seed < 0:
            raise UsageError(f"--held-out {self.held_out}: must be at least 0 and below 1; --seed at least 0")


@dataclass(frozen=True)
class LabelledPatches:
    """The patches of one split whose class is known.

    Attributes:
        store: The split's N patches.
        rows: ``(n,)`` int64 rows of the store, ascending.
        labels: ``(n,)`` int64 label ids of these rows.
        class_names: Label id to name.
    """

    store: PatchStore
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    class_names: Mapping[int, str]

    def some(self, chosen: NDArray[np.bool_]) -> "LabelledPatches":
        """Return the patches chosen by ``(n,)`` bool."""
        return replace(self, rows=self.rows[chosen], labels=self.labels[chosen])

    def share(self, share: float, seed: int) -> "LabelledPatches":
        """Return a share in (0, 1] of the patches; with one seed a smaller share is part of a larger one."""
        return self.some(labelled_share(len(self.rows), share, seed))


@dataclass(frozen=True)
class SupervisedEvaluation(Generic[Point]):
    """The result of a supervised evaluation.

    Attributes:
        points: Its scores, one for each line of the table.
        lines: The scores as text.
        folder: Where table and picture are.
    """

    points: Sequence[Point]
    lines: Sequence[str]
    folder: Path

    def summary(self) -> str:
        """Return the scores, and where table and picture are."""
        return "\n".join([*self.lines, "", f"table and picture: {self.folder}"])


def open_labelled(
    loaded: LoadedRun, options: SupervisedOptions, folder: Path
) -> tuple[LabelledPatches, LabelledPatches]:
    """Open the labelled patches to train on, of the run's training split, and those to score on.

    Args:
        loaded: The run; nothing in it is changed.
        options: Options of the evaluation.
        folder: Folder for patches that the run does not hold.

    Raises:
        UsageError: A split has no labels, or there is only one split and none of it is held out.
    """
    trained, scored = open_splits(find_data(loaded.options.path), loaded.options)
    tell_of_run(loaded, [trained, scored])
    for dataset in (trained, scored):
        require_ground_truth(dataset)  # before patches of either are cut
    if trained is not scored:
        return _labelled(loaded, trained, options, folder), _labelled(loaded, scored, options, folder)
    if not options.held_out:
        raise UsageError(
            f"{loaded.run.path}: trained and scored on one split; the evaluation needs labels of another, or "
            "--held-out 0.2 to score on a fifth of the images, whose labels then train nothing."
        )
    patches = _labelled(loaded, trained, options, folder)
    held = labelled_share(len(patches.rows), options.held_out, options.seed)
    return patches.some(~held), patches.some(held)


def _labelled(loaded: LoadedRun, dataset: ImageDataset, options: SupervisedOptions, folder: Path) -> LabelledPatches:
    """Take a split's patches from the run, or cut them in the same way, and read their labels."""
    source = choose_source(loaded.options.objectness, dataset, loaded.on(options.device))
    training = training_options(loaded, options)
    store = PatchStore.find(cut_job(dataset, source, loaded.options), store_folder(loaded.run, dataset))
    if store is None:
        store = build_store(Run(folder), dataset, source, replace(loaded.options, training=training))
    truth = labelled(dataset)
    try:
        labels = patch_labels(truth, store.patches)
    except UnreadableImageError as error:
        raise UsageError(f"{error}; the evaluation needs every label of the split.") from error
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        raise UsageError(f"{dataset.root}: no patch of split {dataset.split!r} has a class label.")
    return LabelledPatches(store, rows, labels[rows], truth.class_names)


def training_options(loaded: LoadedRun, options: SupervisedOptions) -> TrainerOptions:
    """Return the run's training options with the evaluation's hardware.

    The seed stays that of the run, because it decides which background windows are cut.
    """
    return replace(
        loaded.options.training,
        device=options.device,
        workers=options.workers,
        batch_size=options.batch_size,
        max_objects=0,  # the labelled rows are chosen here
    )


def class_numbers(
    fitted: NDArray[np.int64], scored: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Number the classes that can be learned from 0.

    Args:
        fitted: ``(n,)`` label ids to learn from.
        scored: ``(m,)`` label ids to score on.

    Returns:
        Both as numbers, -1 for a scored class that is not among the fitted ones, and the number of fitted classes.
    """
    known, numbers = np.unique(fitted, return_inverse=True)
    at = np.searchsorted(known, scored).clip(max=len(known) - 1)
    return numbers.astype(np.int64), np.where(known[at] == scored, at, -1).astype(np.int64), len(known)


def write_points(
    folder: Path,
    name: str,
    found: Sequence[Any],
    series: Mapping[str, Sequence[tuple[float, float]]],
    x_title: str,
    *,
    logarithmic: bool = True,
) -> None:
    """Write ``NAME.csv`` with a line per point, and ``NAME.svg`` with a curve of accuracy.

    Args:
        folder: Where they go.
        name: Name of both files.
        found: One or more points, all of one dataclass.
        series: Name to points ``(x, accuracy)``.
        x_title: Title of the picture's horizontal axis.
        logarithmic: Whether the x axis is logarithmic.
    """
    with atomic_write(folder / f"{name}.csv") as file:
        writer = csv.DictWriter(file, [item.name for item in fields(found[0])], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, found))
    with atomic_write(folder / f"{name}.svg") as file:
        file.write(as_svg(line_chart(series, x_title, "accuracy", logarithmic=logarithmic)))
