"""A trained method's results for a split: clusters, maps, pictures; and only then their agreement with classes."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.clustering.number import RecommendedNumber
from objdisc.config.parser import dump
from objdisc.datasets import ImageDataset
from objdisc.evaluation.counts import write_counts
from objdisc.imaging.spread import spread_evenly
from objdisc.inference.agreement import kept_clusters
from objdisc.inference.predict import Predictions, predict
from objdisc.io.files import write_image
from objdisc.io.run import Run
from objdisc.io.spent import Spent
from objdisc.methods.base import Method
from objdisc.methods.grown import Grown
from objdisc.naming.categories import former_identities, run_identity
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.sample import sampled_rows, training_patches
from objdisc.patches.store import PatchStore
from objdisc.pipeline.epoch_scores import score_epochs
from objdisc.pipeline.growth_facts import carry_names, growth_of, in_words
from objdisc.pipeline.loading import weights_name
from objdisc.pipeline.maps import write_cluster_list, write_prototypes, write_sheets
from objdisc.pipeline.options import DiscoverOptions, build_store
from objdisc.pipeline.provenance import Provenance
from objdisc.pipeline.recommending import doubt, read_number
from objdisc.pipeline.scene_examples import scene_clusters
from objdisc.pipeline.scenes import publish_scenes, scene_layers
from objdisc.pipeline.segmenters import SegmentedSplit, Split, segmenter_for
from objdisc.pipeline.stages import plan, summarise
from objdisc.pipeline.summary import GrowthFacts, ObjectnessFacts, RunSummary
from objdisc.render.charts import as_pixels, confusion_matrix
from objdisc.report.gallery import ReportData
from objdisc.report.scene import SceneCluster
from objdisc.report.warnings import objectness_warnings
from objdisc.retrieval import ClusterPatches, Index
from objdisc.training.options import TrainerOptions

_LOOKED_AT = 1000  # objects
_BACKGROUND = 0.1  # share of the patches from which a foreground head can be judged


@dataclass(frozen=True)
class Trained:
    """A trained method and its training data.

    Attributes:
        run: Its folder.
        method: The method, with the weights of the last epoch.
        baseline: The paper's baseline, trained on the same patches; None if it was not asked for.
        source: The source of its regions.
        dataset: The split of the training.
        store: That split's patches.
        scored: The evaluation split; the same object as ``dataset`` if there is no other.
        training: Options of the training; for a chain, those of its last stage.
        seconds: Seconds that the training took, including all stages and the time before interruptions.
        seconds_before: The part of ``seconds`` that earlier, interrupted processes took.
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
class EvaluatedSplit:
    """The predictions for the evaluation split, after they were written to the run.

    Attributes:
        split: The split, its N patches, and the method's predictions for them.
        segmented: Maps, and agreement with the classes if there are labels.
        shown: Patches on the retrieval sheets.
        summary: Content of ``metrics.json``.
    """

    split: Split
    segmented: SegmentedSplit
    shown: Sequence[ClusterPatches]
    summary: RunSummary


def scored_store(trained: Trained, options: DiscoverOptions) -> PatchStore:
    """Cut the patches of the evaluation split, or take those of the training split if it is the same."""
    if trained.scored is trained.dataset:
        return trained.store
    return build_store(trained.run, trained.scored, trained.source, options)


def write_results(trained: Trained, folder: Run, options: DiscoverOptions, started: Spent) -> EvaluatedSplit:
    """Cut the scored split's patches, cluster them, stitch, draw, and only then compare with the labels.

    Args:
        trained: The method and its data.
        folder: Where the results are written.
        options: Options of the run.
        started: ``Spent.now()`` at the start of the run.
    """
    scored, training = trained.scored, trained.training
    store = scored_store(trained, options)
    predictions = predict(trained.method, store, training)
    Index.write(
        folder,
        predictions.features,
        predictions.probabilities,
        store.foreground,
        split=scored.split,
        store_key=store.key,
        weights=weights_name(trained.run),
        root=scored.root,
        image_paths={sample.name: sample.image_path for sample in scored.samples if sample.name in store.frames},
    )
    segmenter = segmenter_for(trained.method)(trained.method, trained.source, replace(options, training=training))
    split = Split(scored, store, predictions)
    scene = trained.run.scene
    if RunSummary.read(scene) is not None:
        publish_scenes(scene, folder, scored)
        segmenter.scene = scene_layers(scene, options.k, allow_import=options.allow_import)
    segmented = segmenter.segment_split(
        folder,
        split,
        trained_on=Split(trained.dataset, trained.store),
        baseline=trained.baseline,
        overlays=options.overlays,
    )
    names, clusters = segmented.score.cluster_names, segmented.score.clusters
    write_cluster_list(folder, scored, store, predictions)
    if options.grow and options.names is not None:
        carry_names(options.names, folder, trained.run, store, options.k)
    shown = write_sheets(folder, store, predictions, names, training.seed)
    write_prototypes(folder, store, predictions, names)
    summary = _summary(trained, folder, options, split, segmented, started)
    if clusters is not None:
        write_counts(folder.cluster_counts_csv, folder.cluster_counts_json, clusters, segmented.score.baseline)
        write_image(folder.confusion, as_pixels(confusion_matrix(clusters.counts, clusters.matched)))
    summary.write(folder)
    return EvaluatedSplit(split, segmented, shown, summary)


def _summary(
    trained: Trained, folder: Run, options: DiscoverOptions, split: Split, segmented: SegmentedSplit, started: Spent
) -> RunSummary:
    """Gather the facts about the run when everything else is done."""
    assert split.store is not None  # just cut
    assert split.predictions is not None
    score, training = segmented.score, trained.training
    sampled = sampled_rows(trained.store.foreground, training.max_objects, training.seed)
    epochs = score_epochs(trained.run, folder, trained.dataset, trained.store, sampled)
    assigned = _assignments(split.store, split.predictions)
    method = trained.method
    # of crops of scenes, which hold several clusters each, it would tell nothing
    kept = {} if method.per_pixel and not method.trains else kept_clusters(method, split.store, training, assigned)
    stages, scene = plan(options, trained.run), RunSummary.read(trained.run.scene)
    own, before = Spent.now().since(started), Spent.read(trained.run.spent)
    return RunSummary(
        split=split.dataset.split,
        train_split=trained.dataset.split,
        seed=training.seed,
        weights=trained.method.encoder.origin,
        training_seconds=trained.seconds,
        # a process that was killed has noted nothing, but its checkpoint knows how long the training took
        seconds=max(trained.seconds_before, before.seconds) + own.seconds,
        cpu_seconds=before.cpu_seconds + own.cpu_seconds,
        provenance=Provenance.now(training.device, training.precision),
        encoder=trained.method.encoder.name,
        method=stages[-1].options.method.name,
        cluster_to_label=score.cluster_to_label,
        cluster_names=score.cluster_names,
        objectness=ObjectnessFacts(trained.source.name, trained.source.supervision),
        number=read_number(trained.run),
        trained_objects=_trained_objects(trained),
        growth=_growth(trained, options),
        stages=summarise(stages, score.numbers, trained.seconds) if len(stages) > 1 else {},
        figures={
            **score.numbers,
            **({"epochs": epochs} if epochs else {}),
            "view_agreement": kept,
            **({} if scene is None else {"scene": scene.to_json()}),
        },
    )


def _growth(trained: Trained, options: DiscoverOptions) -> GrowthFacts | None:
    """Describe known, new and vanished categories, if the run was grown from another."""
    if not isinstance(trained.method, Grown) or options.init_from is None:
        return None
    return growth_of(trained.method, trained.run, Run(options.init_from))


def report_data(options: DiscoverOptions, trained: Trained, evaluated: EvaluatedSplit) -> ReportData:
    """Collect the contents of a run's report page."""
    store, predictions = evaluated.split.store, evaluated.split.predictions
    assert store is not None  # the split was predicted
    assert predictions is not None
    numbers, number = evaluated.summary.to_json(), evaluated.summary.number
    return ReportData(
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        config=dump(options),
        seed=options.training.seed,
        seconds=numbers["seconds"],
        provenance=str(evaluated.summary.provenance),
        data_path=trained.dataset.root,
        trained_on=_in_words(trained.dataset, trained.store) + _sample_in_words(trained),
        scored_on=_in_words(trained.scored, store),
        supervision=str(trained.method.encoder.origin),
        objectness=trained.source.name,
        objectness_supervision=trained.source.supervision,
        metrics=numbers,
        identity=run_identity(trained.run, store),
        former_identities=former_identities(trained.run, store),
        clusters=evaluated.shown,
        images=store.images,
        patches=store.patches,
        assignments=_assignments(store, predictions),
        confidence=predictions.probabilities.max(axis=1),
        features=predictions.features,
        paths={sample.name: sample.image_path for sample in trained.scored.samples if sample.name in store.frames},
        read_frame=evaluated.segmented.read_frame,
        cluster_names=evaluated.segmented.score.cluster_names,
        kept=numbers["view_agreement"],
        skipped=store.skipped,
        number=number,
        growth="" if evaluated.summary.growth is None else in_words(evaluated.summary.growth),
        scene=_scene_of(trained, options),
        warnings=_warnings(trained.method, store, predictions, number),
        of_crops=trained.method.per_pixel,
    )


def _scene_of(trained: Trained, options: DiscoverOptions) -> list[SceneCluster]:
    scene = trained.run.scene
    if RunSummary.read(scene) is None:
        return []
    return scene_clusters(scene, trained.scored, options.k, allow_import=options.allow_import)


def _warnings(
    method: Method, store: PatchStore, predictions: Predictions, number: RecommendedNumber | None
) -> list[str]:
    """Return warnings in addition to those that the page finds by itself."""
    found = [] if number is None or number.is_found_again else [doubt(number)]
    if not method.per_pixel:
        found += objectness_warnings(_squares(store), _said_yes(store, predictions))
    return found


def _squares(store: PatchStore) -> float:
    """Return the share of objects that are only squares, among at most a thousand objects."""
    rows = np.flatnonzero(store.foreground)
    some = [store.patch(int(row)) for row in rows[spread_evenly(len(rows), min(len(rows), _LOOKED_AT))]]
    return float(np.mean([patch.region.is_mere_square(patch.frame) for patch in some])) if some else 0.0


def _said_yes(store: PatchStore, predictions: Predictions) -> float | None:
    """Return the share of patches that the foreground head takes for objects; None if there is no background."""
    if predictions.foreground is None or np.mean(~store.foreground) < _BACKGROUND:
        return None
    return float(np.mean(predictions.foreground >= 0.5))


def _assignments(store: PatchStore, predictions: Predictions) -> NDArray[np.int64]:
    """Return the cluster of each patch, -1 for background."""
    return np.where(store.foreground, predictions.probabilities.argmax(axis=1), -1)


def _in_words(dataset: ImageDataset, store: PatchStore) -> str:
    return f"{dataset.split or 'all'}, {len(store.frames)} images, {int(store.foreground.sum())} object patches"


def _trained_objects(trained: Trained) -> int:
    training = trained.training
    return int(training_patches(trained.store, training.max_objects, training.seed).foreground.sum())


def _sample_in_words(trained: Trained) -> str:
    seen = _trained_objects(trained)
    return f", {seen} of them trained on" if seen < int(trained.store.foreground.sum()) else ""
