"""A finished run scored on a data set with ground truth; the run itself stays as it is."""

from dataclasses import dataclass, replace
from pathlib import Path

from objdisc.config.components import Component, component, flag_only, positional
from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.evaluation.counts import format_table, write_counts
from objdisc.inference.predict import Predictions, Predictor, predict
from objdisc.inference.tiling import segment_image
from objdisc.io.files import write_json
from objdisc.io.run import Run
from objdisc.io.staging import staged
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.store import PatchStore
from objdisc.pipeline.dense import check_dense, tiling_of, write_dense, write_pictures
from objdisc.pipeline.dense_score import format_dense, score_dense
from objdisc.pipeline.folders import result_folder
from objdisc.pipeline.loading import FrozenRun, choose_source, open_frozen
from objdisc.pipeline.maps import write_maps
from objdisc.pipeline.options import build_store, choose_objectness, find_data, open_split
from objdisc.pipeline.scoring import score, score_maps
from objdisc.types import Sample, SegmentationMap


@dataclass(frozen=True)
class EvaluateOptions:
    """Score a finished run on a data set with ground truth; the run itself stays as it is.

    Attributes:
        run: Folder of a finished run.
        path: Folder in Cityscapes layout, or of class subfolders; that of the run if none is given.
        split: Split to score; the one that the run would score if none is given.
        objectness: Where objects may be, by name; that of the run if none is given.
        output_dir: Where the numbers go; RUN/evaluate/FOLDER_SPLIT if none is given.
        strict: Stop at the first unreadable image instead of skipping it.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        workers: Processes that cut and load patches.
        batch_size: Patches that go through the network at once.
        allow_import: Import classes that lie outside of the package, where the run's settings name some; that runs
            their modules.
    """

    run: Path = positional()
    path: Path | None = positional(default=None)
    split: str | None = None
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness")
    output_dir: Path | None = None
    strict: bool = False
    device: str = "auto"
    workers: int = 2
    batch_size: int = 128
    allow_import: bool = flag_only()


def evaluate(options: EvaluateOptions) -> Run:
    """Score a finished run.

    Returns:
        The folder of the numbers.

    Raises:
        UsageError: The run is not finished, or the data set has no ground truth.
    """
    frozen = open_frozen(options.run, allow_import=options.allow_import, device=options.device)
    path = find_data(options.path or frozen.options.path)
    foreground = frozen.options.foreground if options.path is None else None
    dataset = open_split(path, options.split or frozen.options.split, foreground, frozen.options.reading)
    named = options.objectness or frozen.options.objectness
    source = choose_source(named, dataset, frozen, options.device)
    name = "_".join(filter(None, [path.resolve().name, dataset.split]))
    usual = frozen.run.path / "evaluate" / name
    with result_folder("evaluate", frozen, options.output_dir, usual, dataset=dataset, subject=dataset.split) as folder:
        with staged(folder, Run(folder).answers()) as new:
            if frozen.method.per_pixel:
                _evaluate_pixels(frozen, dataset, Run(new), options)
            else:
                _evaluate_patches(frozen, dataset, source, Run(folder), Run(new), options)
        answer = Run(folder)
        print(f"numbers: {answer.metrics}")
    return answer


def _evaluate_patches(
    frozen: FrozenRun, dataset: ImageDataset, source: ObjectnessSource, kept: Run, answer: Run, options: EvaluateOptions
) -> None:
    """Score a run whose method answers for patches, which are kept: clusters are matched anew on this split's labels.

    Raises:
        UsageError: The data set has no ground truth.
    """
    store, predictions = apply(frozen, dataset, source, kept, options)
    result = score(dataset, store, predictions)
    if result.clusters is None:
        raise UsageError(f"{dataset.root}: no class labels in split {dataset.split!r}; give data with ground truth.")
    numbers = {"run": str(options.run), "split": dataset.split, "seed": frozen.options.training.seed, **result.numbers}
    mapped = write_maps(answer, dataset, store, predictions, result.cluster_to_label, result.cluster_names)
    numbers |= score_maps(answer, dataset, mapped)
    write_json(answer.metrics, numbers)
    write_counts(answer.cluster_counts_csv, answer.cluster_counts_json, result.clusters)
    print(f"Split {dataset.split or 'all'}\n\n{format_table(result.clusters)}\n")


def _evaluate_pixels(frozen: FrozenRun, dataset: ImageDataset, answer: Run, options: EvaluateOptions) -> None:
    """Score a run whose method answers for every pixel: clusters are matched anew on the labels of this split.

    Raises:
        UsageError: The data set has no ground truth, or images of other channels than the run's network takes.
    """
    source = choose_objectness(frozen.options.objectness, dataset)
    check_dense(frozen.method, source, dataset)
    tiling, num_clusters = tiling_of(source, frozen.options.patches.size), frozen.options.num_clusters
    ask = Predictor(frozen.method, replace(frozen.options.training, device=options.device))

    def say(dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        return segment_image(ask, dataset, sample, tiling)

    names = {sample.name for sample in dataset.samples}
    counts, seams = write_dense(answer, dataset, names, say, num_clusters, tiling)
    if counts is None:
        raise UsageError(f"{dataset.root}: no class labels in split {dataset.split!r}; give data with ground truth.")
    found = score_dense(counts, dataset, dataset, say)
    write_pictures(answer, dataset, names, num_clusters, found)
    numbers = {"run": str(options.run), "split": dataset.split, "seed": frozen.options.training.seed, "seams": seams}
    write_json(answer.metrics, numbers | found.to_json())
    print(format_dense(found, dataset.split, dataset.split), end="\n\n")


def apply(
    frozen: FrozenRun,
    dataset: ImageDataset,
    source: ObjectnessSource,
    kept: Run,
    hardware: EvaluateOptions,
) -> tuple[PatchStore, Predictions]:
    """Cut a data set's patches as the run's were cut, and ask the run's method about them."""
    training = replace(
        frozen.options.training, device=hardware.device, workers=hardware.workers, batch_size=hardware.batch_size
    )
    options = replace(frozen.options, training=training, strict=hardware.strict)
    store = build_store(kept, dataset, source, options)
    return store, predict(frozen.method, store, training)
