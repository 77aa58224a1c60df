"""Data of an export besides a run's objects: the scenes with their names, and the images with their ground truth."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from objdisc import __version__
from objdisc.datasets import FileOptions, ImageDataset, open_dataset
from objdisc.datasets.cityscapes import LABEL_NAMES
from objdisc.errors import UsageError
from objdisc.export.objects import NamedObjects
from objdisc.export.scene import NamedScene
from objdisc.naming.categories import Names
from objdisc.naming.scenes import SceneNames
from objdisc.pipeline.loading import LoadedRun
from objdisc.pipeline.scenes import scene_names
from objdisc.pipeline.segmenters import segmenter_for
from objdisc.pipeline.summary import RunSummary
from objdisc.pipeline.taken_for import tell_of_run
from objdisc.retrieval import Index

log = logging.getLogger("objdisc")

_SHOWN = 3  # missing images that are named


def matched_labels(summary: RunSummary | None) -> dict[int, int]:
    """Return the Cityscapes label id that an evaluation matched to each cluster; empty if there was none."""
    matched = {} if summary is None else summary.cluster_to_label or {}
    classes = {} if summary is None else summary.cluster_names or {}
    # Label ids of other data sets are other classes
    return {k: label for k, label in matched.items() if LABEL_NAMES.get(label) == classes.get(k)}


def onnx_facts(loaded: LoadedRun, names: Names, identity: str) -> dict[str, Any]:
    """Return the facts that a program needs to feed the network of a run, for the network's file.

    Args:
        loaded: The run.
        names: Names of its clusters.
        identity: ``run_identity`` of the run.
    """
    options = loaded.options
    return {
        "objdisc": __version__,
        "run": identity,
        "num_clusters": names.num_clusters,
        "categories": [asdict(category) for category in names.categories],
        "category_of_cluster": names.category_of_cluster().tolist(),
        "size": options.patches.size,
        "context": options.patches.context,
        "background": options.training.background,
        "equalization": options.training.equalization,
        "mean": loaded.method.encoder.mean,
        "std": loaded.method.encoder.std,
        "supervision": str(loaded.method.encoder.origin),
    }


def find_scene(loaded: LoadedRun, own: Names, file: Path | None, *, allow_import: bool) -> NamedScene | None:
    """Find the scene maps of a run, with the names that a person gave to their clusters.

    The maps of a run that predicts each pixel are a scene of its own clusters.

    Args:
        loaded: The run.
        own: Names of the run's own clusters.
        file: A names.json of the run; None for none.
        allow_import: Whether the run's settings may name classes from outside the package, whose modules are then run.

    Returns:
        The scenes; None if the run divided none.

    Raises:
        UsageError: The file is another run's, or damaged.
    """
    run = loaded.run
    if not segmenter_for(loaded.method).lists_objects:
        kind = loaded.method.map_kind
        maps, matched = run.maps(kind), matched_labels(loaded.summary)
        return NamedScene(SceneNames.of(own), lambda sample: maps / f"{sample}_{kind}.png", matched)
    names = scene_names(run, loaded.options.k, file, allow_import=allow_import)
    if names is None:
        return None
    matched = matched_labels(RunSummary.read(run.scene))
    return NamedScene(names, lambda sample: run.maps("sceneIds") / f"{sample}_sceneIds.png", matched)


def find_scored(
    loaded: LoadedRun, index: Index, named: NamedObjects, path: Path | None, annotations: Path | None
) -> ImageDataset | None:
    """Open the evaluation split, and log the images that no longer exist.

    Args:
        loaded: The run.
        index: The run's predictions for the split.
        named: The objects of the split.
        path: Where the data set is now; None for where it was.
        annotations: Where the annotations are now; None for where they were.

    Returns:
        The split; None if it is no longer in its place.

    Raises:
        UsageError: It is not at ``path``.
    """
    settings = loaded.options
    known = settings.files if path is None else replace(settings.files, annotations=None)
    files = FileOptions(annotations=annotations).over(known)
    dataset: ImageDataset | None = None
    try:
        dataset = open_dataset(path or index.root, index.split, settings.foreground, settings.data, files)
        tell_of_run(loaded, [dataset])
    except UsageError:
        if path is not None:
            raise
    root = index.root if dataset is None else dataset.root
    missing = [root / frame.file_name for frame in named.frames if not (root / frame.file_name).is_file()]
    if missing:
        first = ", ".join(map(str, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
        log.warning(
            "%d of %d images no longer exist: %s; no format needs them, but masks are scored only where the "
            "data set is found (objdisc export %s NEW_FOLDER)",
            *(len(missing), len(named.frames), first, loaded.run.path),
        )
    return dataset
