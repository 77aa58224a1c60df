"""Whole scenes besides objects: a run within the run, which is fitted to a sample of the images and maps them all."""

import copy
import csv
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from objdisc.config.components import Component
from objdisc.config.parser import compose, dump, load
from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.export.cityscapes import write_cluster_ids
from objdisc.imaging.colors import cluster_colors
from objdisc.imaging.decode import read_index_map
from objdisc.imaging.spread import spread_evenly
from objdisc.io.files import atomic_write, write_json
from objdisc.io.run import Run
from objdisc.io.staging import final_place
from objdisc.methods.base import Method
from objdisc.naming.names_file import read_scene_names
from objdisc.naming.scenes import SceneNames
from objdisc.objectness.automatic import AUTOMATIC
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.support.things import thing_clusters, write_things
from objdisc.pipeline.images import fingerprint
from objdisc.pipeline.loading import load_run
from objdisc.pipeline.options import SCENE, DiscoverOptions, build_method, build_store, choose_objectness
from objdisc.pipeline.segmenters import segmenter_for
from objdisc.pipeline.segmenters.base import Split
from objdisc.pipeline.segmenters.per_pixel import PixelSegmenter
from objdisc.pipeline.summary import RunSummary
from objdisc.render.overlay import SceneLayer
from objdisc.training.engine import is_main_process
from objdisc.training.trainer import fit

log = logging.getLogger("objdisc")

_MOST_IMAGES = 200  # that a scene is fitted to, spread evenly over the split


def scene_options(
    options: DiscoverOptions, dataset: ImageDataset, source: ObjectnessSource, folder: Path
) -> DiscoverOptions | None:
    """Plan the run of the scene besides that of the objects; None if none is wanted.

    Args:
        options: Options of the whole run.
        dataset: The split of the training. If it has masks of objects, a scene is made only on request.
        source: The source of regions; if it needs a scene, one is made without a request.
        folder: The run of the scene.

    Raises:
        UsageError: The named method does not predict every pixel.
    """
    named = options.scene
    if named is None:
        wanted = has_no_masks(options, dataset) or source.wants_scene
        named = SCENE if wanted and not is_per_pixel(options.method) else Component("none")
    if named.is_none:
        return None
    if not is_per_pixel(named):
        raise UsageError(f"--scene {named.name}: predicts no single pixels; give scene, or none.")
    shared = {name: getattr(options, name) for name in ("encoder", "weights", "channels", "pooling", "strict")}
    values = shared | {
        "num_clusters": options.k_of_scenes,
        "method": {"class_path": named.class_path, "init_args": dict(named.init_args)},
    }
    if options.scene_size is not None:
        values["patches"] = {"size": options.scene_size}
    made = compose(DiscoverOptions, None, values, allow_import=options.allow_import)
    own = made.training
    training = replace(options.training, background=own.background, equalization=own.equalization, epochs=own.epochs)
    kept = {name: getattr(options, name) for name in ("train_split", "split", "foreground", "data", "path")}
    return replace(made, **kept, training=training, output_dir=folder, overlays=0, scene=Component("none"))


def is_per_pixel(method: Component) -> bool:
    """Whether a method predicts single pixels."""
    return method.find(Method).per_pixel


def has_no_masks(options: DiscoverOptions, dataset: ImageDataset) -> bool:
    """Whether the images have no masks or annotations, so that objects must be looked for."""
    return options.objectness is None and not any(source.serves(dataset) for source in AUTOMATIC[:-1])


def map_scenes(options: DiscoverOptions, run: Run, splits: Sequence[ImageDataset]) -> RunSummary | None:
    """Fit the scene to a sample of the first split, map every image, and score the last split if it has labels.

    Which clusters behave like things is measured once, on the maps of the first split, and used for regions of all
    images. Results that an earlier call has finished stay as they are.

    Args:
        options: From ``scene_options``.
        run: The run of the scene.
        splits: The split of the training, and the evaluation split if it is another one.

    Returns:
        The facts about the run; None in processes other than the main one.
    """
    if (known := RunSummary.read(run)) is not None and run.things.is_file():
        return known
    started = time.monotonic()
    Run.create(run.path)
    with atomic_write(run.config) as file:
        file.write(dump(replace(options, output_dir=final_place(run.path))))
    method = build_method(options)
    sample = _sampled(splits[0])
    source: ObjectnessSource = choose_objectness(options.objectness, sample, options.encoder, options.weights)
    store = build_store(run, sample, source, options, keep=run.has_learned)
    seconds = fit(method, store, run, options.training, resume=True)
    if not is_main_process():
        return None
    segmenter = segmenter_for(method)(method, source, options)
    mapped: list[str] = []
    for dataset in splits:
        log.info("scenes of %s: %d images", dataset.split or "the folder", len(dataset.samples))
        segmented = segmenter.segment_split(run, Split(dataset), trained_on=None, baseline=None, overlays=0)
        mapped += [sample.name for sample in segmented.mapped]
    # tells which files are the run's own, and which images they are of
    about = {"images": mapped, "fingerprints": [fingerprint(dataset) for dataset in splits]}
    write_json(run.index / "index.json", about)
    _keep_things(run, splits[0])
    summary = RunSummary(
        split=splits[-1].split,
        train_split=splits[0].split,
        seed=options.training.seed,
        weights=method.encoder.origin,
        training_seconds=seconds,
        seconds=time.monotonic() - started,
        encoder=method.encoder.name,
        method=options.method.name,
        cluster_to_label=segmented.score.cluster_to_label,
        cluster_names=segmented.score.cluster_names,
        figures=segmented.score.numbers,
    )
    summary.write(run)
    return summary


def _keep_things(run: Run, dataset: ImageDataset) -> None:
    """Record which clusters of a split's scenes behave like things."""
    paths = [_map_of(run, sample.name) for sample in dataset.samples]
    things = thing_clusters([path for path in paths if path.is_file()])
    write_things(run.things, things)
    named = ", ".join(map(str, things)) or "none"
    log.info("scenes: clusters that behave like things, whose parts may be objects: %s", named)


def publish_scenes(scene: Run, run: Run, dataset: ImageDataset) -> None:
    """Copy the scene maps of a split into the run that they belong to, beside those of its objects."""
    for sample in dataset.samples:
        found = _map_of(scene, sample.name)
        if found.is_file():
            with atomic_write(_map_of(run, sample.name), "wb") as file:
                file.write(found.read_bytes())


def scene_layers(scene: Run, num_object_clusters: int, *, allow_import: bool) -> Callable[[str], SceneLayer | None]:
    """Make a function that returns the scene of an image, by its name, in colours that no cluster of objects has.

    Args:
        scene: The run of the scene.
        num_object_clusters: K of the objects.
        allow_import: Whether its settings may name classes from outside the package, whose modules are then run.
    """
    summary, options = (
        RunSummary.read(scene),
        load(DiscoverOptions, scene.config, allow_import=allow_import, quiet=True),
    )
    names = {} if summary is None else summary.cluster_names or {}
    labels = {cluster: f"scene {cluster}: {name}" for cluster, name in names.items()}
    labels = {cluster: f"scene {cluster}" for cluster in range(options.k)} | labels
    colors = cluster_colors(num_object_clusters + options.k)[num_object_clusters:]

    def layer(name: str) -> SceneLayer | None:
        path = _map_of(scene, name)
        return SceneLayer(read_index_map(path).astype(np.int16), colors, labels) if path.is_file() else None

    return layer


def segment_scenes(
    scene: Run,
    dataset: ImageDataset,
    folder: Run,
    *,
    names: SceneNames | None,
    device: str,
    strict: bool,
    allow_import: bool,
) -> None:
    """Map the scenes of other images with the scene of a finished run, into ``sceneIds`` of a folder.

    ``scene_legend.csv`` beside it gives the meaning of the values.

    Args:
        scene: The run of the scene.
        dataset: The images.
        folder: Where the maps go.
        names: Names that a person gave the clusters; None for the classes that they match, if any.
        device: Where the network runs: auto, cpu, cuda or mps.
        strict: Whether an unreadable image is an error; otherwise such images are logged and skipped.
        allow_import: Whether its settings may name classes from outside the package, whose modules are then run.

    Raises:
        UsageError: The run's weights are missing or do not fit.
        UnreadableImageError: An image is unreadable, and ``strict`` is set.
    """
    loaded = load_run(scene.path, allow_import=allow_import, device=device).on(device)
    loaded = replace(loaded, options=replace(loaded.options, strict=strict))
    segmenter = PixelSegmenter.of_run(loaded, dataset, None)
    for sample in dataset.samples:
        if (found := segmenter.segment_or_skip(dataset, sample)) is not None:
            write_cluster_ids(folder.maps(segmenter.kind), found, loaded.options.k, segmenter.kind)
    matched = {} if loaded.summary is None else loaded.summary.cluster_names or {}
    with atomic_write(folder.path / "scene_legend.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["value", "name"])
        for cluster in range(loaded.options.k):
            named = names is not None and names.given[cluster]
            writer.writerow([cluster, names.names[cluster] if names and named else matched.get(cluster, "")])


def scene_names(run: Run, num_object_clusters: int, path: Path | None, *, allow_import: bool) -> SceneNames | None:
    """Return the names of the clusters of a run's scene; None if it has no scene.

    Args:
        run: The run that the scene is part of.
        num_object_clusters: K of the objects, whose colours the scene does not use.
        path: A ``names.json`` that is known to belong to the run; None for none.
        allow_import: Whether its settings may name classes from outside the package, whose modules are then run.

    Raises:
        UsageError: The file names clusters that do not exist.
    """
    if RunSummary.read(run.scene) is None:
        return None
    options = load(DiscoverOptions, run.scene.config, allow_import=allow_import, quiet=True)
    default = SceneNames.default(cluster_colors(num_object_clusters + options.k)[num_object_clusters:])
    return default if path is None else read_scene_names(path, default)


def _map_of(run: Run, name: str) -> Path:
    return run.maps("sceneIds") / f"{name}_sceneIds.png"


def _sampled(dataset: ImageDataset) -> ImageDataset:
    """Return a split with some of the images, spread evenly."""
    if len(dataset.samples) <= _MOST_IMAGES:
        return dataset
    some = copy.copy(dataset)
    some.samples = tuple(dataset.samples[place] for place in spread_evenly(len(dataset.samples), _MOST_IMAGES).tolist())
    return some
