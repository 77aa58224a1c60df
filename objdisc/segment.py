"""A finished run on other images: segment any folder with it, or score it on a data set with ground truth."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from objdisc.datasets import ImageDataset, available_splits, open_dataset
from objdisc.errors import UsageError
from objdisc.evaluation.counts import format_table, write_counts
from objdisc.frozen import FrozenRun, foreground_scorer, open_frozen, weights_name
from objdisc.inputs import build_store, choose_objectness, find_data
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.windows import Windows
from objdisc.options import Component, component, positional
from objdisc.pictures import write_cluster_list, write_maps
from objdisc.run import Run, read_json, write_json
from objdisc.scoring import score, score_maps
from objdisc.store import PatchStore
from objdisc.training.trainer import Predictions, predict

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class SegmentOptions:
    """Segment a folder of images with a finished run: cluster maps, overlays, and labelIds where it has a matching.

    Attributes:
        run: Folder of a finished run.
        path: Folder of images, in Cityscapes layout or not; masks are not needed.
        split: Split of the folder, where it has splits; val where there is one.
        objectness: Where objects may be, by name; auto: instance masks where the folder has them, else windows kept by
            the run's foreground head.
        output_dir: Where the maps go; RUN/segment/FOLDER if none is given.
        overlays: Draw at most this many frames.
        strict: Stop at the first unreadable image instead of skipping it.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        workers: Processes that cut and load patches.
        batch_size: Patches that go through the network at once.
    """

    run: Path = positional()
    path: Path = positional()
    split: str | None = None
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness")
    output_dir: Path | None = None
    overlays: int = 50
    strict: bool = False
    device: str = "auto"
    workers: int = 2
    batch_size: int = 128


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


def segment(options: SegmentOptions) -> Run:
    """Segment a folder of images.

    Returns:
        The folder of the maps.

    Raises:
        UsageError: The run is not finished, or the folder has nothing to segment.
    """
    frozen = open_frozen(options.run)
    dataset = open_split(options.path, options.split, None)
    source = choose_source(options.objectness, dataset, frozen, options.device)
    answer = Run.create(options.output_dir or options.run / "segment" / options.path.resolve().name)
    store, predictions = apply(frozen, dataset, source, answer, options)
    mapping, names = matching_of(frozen.run)
    write_maps(answer, dataset, store, predictions, mapping, names, max_overlays=options.overlays)
    write_cluster_list(answer, dataset, store, predictions)
    print(f"{int(store.foreground.sum())} regions in {len(store.frames)} images")
    for what, path in (("maps", answer.cluster_ids), ("overlays", answer.overlays), ("list", answer.clusters_csv)):
        if path.exists():
            print(f"{what}: {path}")
    return answer


def evaluate(options: EvaluateOptions) -> Run:
    """Score a finished run.

    Returns:
        The folder of the numbers.

    Raises:
        UsageError: The run is not finished, or the data set has no ground truth.
    """
    frozen = open_frozen(options.run)
    path = find_data(options.path or frozen.options.path)
    foreground = frozen.options.foreground if options.path is None else None
    dataset = open_split(path, options.split or frozen.options.split, foreground)
    named = options.objectness or frozen.options.objectness
    source = choose_source(named, dataset, frozen, options.device)
    name = "_".join(filter(None, [path.resolve().name, dataset.split]))
    answer = Run.create(options.output_dir or options.run / "evaluate" / name)
    store, predictions = apply(frozen, dataset, source, answer, options)
    result = score(dataset, store, predictions)
    if result.clusters is None:
        raise UsageError(f"{path}: no class labels in split {dataset.split!r}; give a data set with ground truth.")
    numbers = {"run": str(options.run), "split": dataset.split, "seed": frozen.options.training.seed, **result.numbers}
    mapped = write_maps(answer, dataset, store, predictions, result.cluster_to_label, result.cluster_names)
    print(f"Split {dataset.split or 'all'}\n\n{format_table(result.clusters)}\n")
    numbers |= score_maps(answer, dataset, mapped)
    write_json(answer.metrics, numbers)
    write_counts(answer.cluster_counts_csv, answer.cluster_counts_json, result.clusters)
    print(f"numbers: {answer.metrics}")
    return answer


def open_split(path: Path, split: str | None, foreground: tuple[str, ...] | None) -> ImageDataset:
    """Open the split that was named, else val, else the first there is."""
    splits = available_splits(path)
    default = "val" if "val" in splits else next(iter(splits), "")
    return open_dataset(path, split or default, foreground)


def choose_source(named: Component | None, dataset: ImageDataset, frozen: FrozenRun, device: str) -> ObjectnessSource:
    """Build the source of regions; windows are kept by the run's foreground head, if it learned one."""
    source = choose_objectness(named, dataset)
    if isinstance(source, Windows):
        source.scorer = foreground_scorer(frozen, device)
        source.scorer_name = weights_name(frozen.run)
        source.scorer_size = frozen.options.patches.size
    return source


def apply(
    frozen: FrozenRun,
    dataset: ImageDataset,
    source: ObjectnessSource,
    answer: Run,
    hardware: SegmentOptions | EvaluateOptions,
) -> tuple[PatchStore, Predictions]:
    """Cut a data set's patches as the run's were cut, and ask the run's method about them."""
    training = replace(
        frozen.options.training, device=hardware.device, workers=hardware.workers, batch_size=hardware.batch_size
    )
    options = replace(frozen.options, training=training, strict=hardware.strict)
    store = build_store(answer, dataset, source, options)
    return store, predict(frozen.method, store, training)


def matching_of(run: Run) -> tuple[dict[int, int] | None, dict[int, str] | None]:
    """Read which label id and class name each cluster stands for; None where the run was never scored."""
    numbers = read_json(run.metrics) if run.metrics.is_file() else {}
    if "cluster_to_label" not in numbers:
        return None, None
    mapping = {int(cluster): int(label) for cluster, label in numbers["cluster_to_label"].items()}
    names = {cluster: name for cluster, name in enumerate(numbers["majority"]) if name is not None}
    return mapping, names
