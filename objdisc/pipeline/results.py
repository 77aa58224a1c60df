"""What a trained method says about a split: clusters, maps, pictures; only then how they agree with the classes."""

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.config.parser import dump
from objdisc.datasets import ImageDataset
from objdisc.evaluation.counts import format_table, write_counts
from objdisc.inference.agreement import kept_clusters
from objdisc.inference.predict import Predictions, Predictor, predict
from objdisc.inference.tiling import segment_image
from objdisc.io.files import read_json, write_image, write_json
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.naming.categories import former_identities, run_identity
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.store import PatchStore
from objdisc.pipeline.dense import dense_painter, tiling_of, write_dense, write_pictures
from objdisc.pipeline.dense_score import DenseScore, format_dense, score_dense
from objdisc.pipeline.epoch_scores import score_epochs
from objdisc.pipeline.loading import weights_name
from objdisc.pipeline.maps import frame_painter, write_cluster_list, write_maps, write_prototypes, write_sheets
from objdisc.pipeline.options import (
    DiscoverOptions,
    build_store,
)
from objdisc.pipeline.pixel_baselines import pixel_baselines
from objdisc.pipeline.scoring import Score, patch_numbers, score, score_maps
from objdisc.pipeline.stages import Stage, format_stages, plan, summarise
from objdisc.render.confusion_matrix import confusion_picture
from objdisc.report.gallery import ReportData
from objdisc.retrieval import ClusterPatches, Index
from objdisc.training.options import TrainerOptions
from objdisc.types import Sample, SegmentationMap


@dataclass(frozen=True)
class Trained:
    """A method that has been trained, and what it was trained on.

    Attributes:
        run: Its folder.
        method: The method, with the weights of the last epoch.
        baseline: The paper's baseline, trained on the same patches; None if it was not asked for.
        source: Where its regions came from.
        dataset: The split of the training.
        store: That split's patches.
        scored: The split to answer for; the same object as ``dataset`` where there is no other.
        training: How the method was trained; of a chain, its last stage.
        seconds: What the training took, all stages and what was done before an interruption included.
        seconds_before: Of these, the ones of processes before this one, which were interrupted.
    """

    run: Run
    method: Method
    baseline: Method | None
    source: ObjectnessSource
    dataset: ImageDataset
    store: PatchStore
    scored: ImageDataset
    training: TrainerOptions
    seconds: float
    seconds_before: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What a trained method says about the scored split, after it was written to the run.

    Attributes:
        store: The split's N patches.
        predictions: Cluster probabilities and features of each.
        score: Agreement with the classes, where labels lie beside the images.
        dense: The same of a method that answers for each pixel; None for others.
        mapped: Images that have maps.
        shown: Patches on the retrieval sheets.
        numbers: Content of ``metrics.json``.
    """

    store: PatchStore
    predictions: Predictions
    score: Score
    dense: DenseScore | None
    mapped: Sequence[Sample]
    shown: Sequence[ClusterPatches]
    numbers: Mapping[str, Any]


def scored_store(trained: Trained, options: DiscoverOptions) -> PatchStore:
    """Cut the patches of the split to answer for; those of the training where it is the same."""
    if trained.scored is trained.dataset:
        return trained.store
    return build_store(trained.run, trained.scored, trained.source, options)


def answer_for(trained: Trained, answers: Run, options: DiscoverOptions, started: float) -> Answer:
    """Cut the scored split's patches, cluster them, stitch, draw, and only then compare with the labels.

    Args:
        trained: The method and its data.
        answers: Folder to write to.
        options: Of the run.
        started: ``time.monotonic()`` at the start of the run.
    """
    run, scored, training = trained.run, trained.scored, trained.training
    store = scored_store(trained, options)
    predictions = predict(trained.method, store, training)
    Index.write(
        answers,
        predictions.features,
        predictions.probabilities,
        store.foreground,
        split=scored.split,
        store_key=store.key,
        weights=weights_name(run),
        root=scored.root,
        image_paths={sample.name: sample.image_path for sample in scored.samples if sample.name in store.frames},
    )
    dense = None
    if trained.method.per_pixel:
        result, dense, mapped = _answer_densely(trained, answers, options, store, predictions)
    else:
        result, mapped = _answer_for_patches(trained, answers, options, store, predictions)
    names = result.cluster_names
    write_cluster_list(answers, scored, store, predictions)
    shown = write_sheets(answers, store, predictions, names, training.seed)
    write_prototypes(answers, store, predictions, names)
    assigned = _assignments(store, predictions)
    epochs = score_epochs(run, answers, trained.dataset, trained.store)
    numbers = {
        "split": scored.split,
        "train_split": trained.dataset.split,
        "seed": training.seed,
        "encoder": trained.method.encoder.name,
        **trained.method.encoder.origin.to_metrics(),
        **result.numbers,
        **({"epochs": epochs} if epochs else {}),
        "view_agreement": kept_clusters(trained.method, store, training, assigned),
        "training_seconds": round(trained.seconds, 1),
        "seconds": round(trained.seconds_before + time.monotonic() - started, 1),
    }
    stages = plan(options, run)
    if len(stages) > 1:
        own = {"training_seconds": round(trained.seconds - _seconds_before(stages), 1)}
        numbers["stages"] = summarise(stages, numbers | own)
    if result.clusters is not None:
        write_counts(answers.cluster_counts_csv, answers.cluster_counts_json, result.clusters, result.baseline)
        write_image(answers.confusion, confusion_picture(result.clusters.counts, result.clusters.matched))
    write_json(answers.metrics, numbers)
    return Answer(store, predictions, result, dense, mapped, shown, numbers)


def _seconds_before(stages: Sequence[Stage]) -> float:
    return sum(float(read_json(stage.run.metrics)["training_seconds"]) for stage in stages[:-1])


def _answer_for_patches(
    trained: Trained, answers: Run, options: DiscoverOptions, store: PatchStore, predictions: Predictions
) -> tuple[Score, Sequence[Sample]]:
    """Stitch the clusters of patches, and score patches and maps."""
    scored = trained.scored
    rivals = None if trained.baseline is None else predict(trained.baseline, store, trained.training)
    result = score(scored, store, predictions, rivals)
    names, mapping = result.cluster_names, result.cluster_to_label
    mapped = write_maps(answers, scored, store, predictions, mapping, names, max_overlays=options.overlays)
    numbers = score_maps(answers, scored, mapped) if result.clusters else {}
    return replace(result, numbers={**result.numbers, **numbers}), mapped


def _answer_densely(
    trained: Trained, answers: Run, options: DiscoverOptions, store: PatchStore, predictions: Predictions
) -> tuple[Score, DenseScore, Sequence[Sample]]:
    """Answer for every pixel, tile by tile, and score the pixels beside those of the baselines."""
    scored, num_clusters = trained.scored, options.num_clusters
    tiling = tiling_of(trained.source, options.patches.size)
    ask = Predictor(trained.method, trained.training)

    def answer(dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        return segment_image(ask, dataset, sample, tiling)

    counts, seams = write_dense(answers, scored, store.frames, answer, num_clusters, tiling)
    dense = DenseScore()
    if counts is not None:
        rivals = pixel_baselines(options, trained.dataset, trained.store, tiling) if options.baseline else ()
        dense = score_dense(counts, scored, trained.dataset, answer, rivals)
    mapped = write_pictures(answers, scored, store.frames, num_clusters, dense, max_overlays=options.overlays)
    numbers = patch_numbers(store, predictions) | dense.to_json() | {"seams": seams}
    return Score(numbers, cluster_to_label=dense.cluster_to_label, cluster_names=dense.cluster_names), dense, mapped


def announce(run: Run, answer: Answer) -> None:
    """Print the table and where to look; nothing else goes to stdout."""
    numbers, clusters = answer.numbers, answer.score.clusters
    if answer.dense is not None and answer.dense.metrics is not None:
        print(format_dense(answer.dense, numbers["split"], numbers["train_split"]), end="\n\n")
    if clusters is not None:
        same = " (the split it was trained on)" if numbers["split"] == numbers["train_split"] else ""
        print(f"Split {numbers['split'] or 'all'}{same}. Encoder weights carry: {numbers['supervision']}.\n")
        print(format_table(clusters, answer.score.baseline), end="\n\n")
    if "stages" in numbers:
        print(format_stages(numbers["stages"]), end="\n\n")
    if "foreground_accuracy" in numbers:
        right, floor = numbers["foreground_accuracy"], numbers["foreground_accuracy_floor"]
        print(f"Foreground or background: {right:.3f} right (floor {floor:.3f})\n")
    for what, path in (("report", run.report), ("overlays", run.overlays), ("numbers", run.metrics)):
        if path.exists():
            print(f"{what}: {path}")


def report_data(options: DiscoverOptions, trained: Trained, answers: Run, answer: Answer) -> ReportData:
    """Collect what the report page shows of a run, whose answers lie in a folder that may not be its own yet."""
    store = answer.store
    return ReportData(
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        config=dump(options),
        seed=options.training.seed,
        seconds=answer.numbers["seconds"],
        data_path=trained.dataset.root,
        trained_on=_in_words(trained.dataset, trained.store),
        scored_on=_in_words(trained.scored, store),
        supervision=str(trained.method.encoder.origin),
        objectness=type(trained.source).__name__.lower(),
        metrics=answer.numbers,
        identity=run_identity(trained.run, store),
        former_identities=former_identities(trained.run, store),
        clusters=answer.shown,
        images=store.images,
        patches=store.patches,
        assignments=_assignments(store, answer.predictions),
        confidence=answer.predictions.probabilities.max(axis=1),
        features=answer.predictions.features,
        paths={sample.name: sample.image_path for sample in trained.scored.samples if sample.name in store.frames},
        read_frame=(
            frame_painter(trained.scored, store, answer.predictions)
            if answer.dense is None
            else dense_painter(answers, trained.scored, options.num_clusters)
        ),
        cluster_names=answer.score.cluster_names,
        kept=answer.numbers["view_agreement"],
        skipped=store.skipped,
    )


def _assignments(store: PatchStore, predictions: Predictions) -> NDArray[np.int64]:
    """Return the cluster of each patch, -1 for background."""
    return np.where(store.foreground, predictions.probabilities.argmax(axis=1), -1)


def _in_words(dataset: ImageDataset, store: PatchStore) -> str:
    return f"{dataset.split or 'all'}, {len(store.frames)} images, {int(store.foreground.sum())} object patches"
