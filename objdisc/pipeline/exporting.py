"""Data of an export besides a run's objects: the scenes with their names, and the images with their ground truth."""

import logging
from dataclasses import replace
from pathlib import Path

from objdisc.datasets import FileOptions, ImageDataset, open_dataset
from objdisc.datasets.cityscapes import LABEL_NAMES
from objdisc.errors import UsageError
from objdisc.export.objects import NamedObjects
from objdisc.export.scene import NamedScene
from objdisc.pipeline.loading import LoadedRun
from objdisc.pipeline.scenes import scene_names
from objdisc.pipeline.summary import RunSummary
from objdisc.pipeline.taken_for import tell_of_run
from objdisc.retrieval import Index

log = logging.getLogger("objdisc")

_SHOWN = 3  # missing images that are named


def find_scene(loaded: LoadedRun, file: Path | None, *, allow_import: bool) -> NamedScene | None:
    """Find the scene maps of a run, with the names that a person gave to their clusters.

    Args:
        loaded: The run.
        file: A names.json of the run; None for none.
        allow_import: Whether the run's settings may name classes from outside the package, whose modules are then run.

    Returns:
        The scenes; None if the run divided none.

    Raises:
        UsageError: The file is another run's, or damaged.
    """
    run = loaded.run
    names = scene_names(run, loaded.options.k, file, allow_import=allow_import)
    if names is None:
        return None
    summary = RunSummary.read(run.scene)
    matched = {} if summary is None else summary.cluster_to_label or {}
    classes = {} if summary is None else summary.cluster_names or {}
    matched = {k: label for k, label in matched.items() if LABEL_NAMES.get(label) == classes.get(k)}
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
