"""A run's predictions in other programs' formats, with the names that a person gave the clusters."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from objdisc import __version__
from objdisc.config.components import flag_only, positional
from objdisc.datasets import ImageDataset
from objdisc.datasets.cityscapes import LABEL_NAMES
from objdisc.errors import UsageError
from objdisc.evaluation.instances import class_agnostic_score
from objdisc.export.coco import results, write_coco
from objdisc.export.instances import choose_labels, write_cityscapes
from objdisc.export.objects import NamedObjects
from objdisc.export.png import write_png_maps
from objdisc.export.same.assigned import UNASSIGNED
from objdisc.export.same.writing import write_same
from objdisc.export.scene import NamedScene, write_scene_labels, write_scene_maps
from objdisc.export.table import write_table
from objdisc.imaging.colors import cluster_colors
from objdisc.imaging.spread import spread_evenly
from objdisc.io.files import write_json
from objdisc.io.staging import final_place, staged
from objdisc.naming.categories import Names, former_identities, run_identity
from objdisc.naming.names_file import read_names
from objdisc.pipeline.exporting import find_scene, find_scored, matched_labels, onnx_facts
from objdisc.pipeline.folders import result_folder
from objdisc.pipeline.loading import LoadedRun, load_run, open_results
from objdisc.pipeline.segmenters import segmenter_for
from objdisc.retrieval import Index

log = logging.getLogger("objdisc")

Format = Literal["coco", "cityscapes", "png", "csv", "same", "onnx"]

_WITHOUT_EXTRAS: tuple[Format, ...] = ("coco", "cityscapes", "png", "csv")
_CHECKED = 200  # patches that the ONNX file is compared on


@dataclass(frozen=True)
class ExportOptions:
    """Write a run's predictions in other programs' formats.

    coco: instances JSON, and results for loadRes. cityscapes: labelIds and instance results for the official
    evaluators. png: indexed maps with a palette. csv: one line an object. same: the annotation files that the regions
    came from, with categories. onnx: the network, for onnxruntime.

    Attributes:
        run: Folder of a finished run.
        path: The data set's folder, if it has moved since the run. No format needs the images, but the ground truth in
            it is used to score the masks.
        format: One or several formats, separated by commas; by default all except same and onnx, which needs the extra
            objdisc[onnx].
        names: A names.json saved in the run's report.html; without it, clusters are named by their numbers.
        annotations: The file or folder of masks or boxes that the run read, if it has moved since.
        output_dir: Folder for the files; by default RUN/export.
        allow_import: Allow the run's settings to name classes from outside the package, whose modules are then run.
    """

    run: Path = positional()
    path: Path | None = positional(default=None)
    format: tuple[Format, ...] | None = None
    names: Path | None = None
    annotations: Path | None = None
    output_dir: Path | None = None
    allow_import: bool = flag_only()


@dataclass(frozen=True)
class _Job:
    """The data of an export, for every format.

    Attributes:
        loaded: The run.
        named: Its objects with their categories.
        index: The run's predictions for its patches.
        identity: ``run_identity`` of run and patches.
        dataset: The evaluation split, if it can be found.
        folder: Where the files go.
        scene: The scenes of the images; None if the run made none.
        asked: Whether the user named the formats, so that none may be skipped.
    """

    loaded: LoadedRun
    named: NamedObjects
    index: Index
    identity: str
    dataset: ImageDataset | None
    folder: Path
    scene: NamedScene | None
    asked: bool


@dataclass(frozen=True)
class Exported:
    """A run's predictions in other programs' formats.

    Attributes:
        folder: Where the files are.
        lines: What was written, format by format.
    """

    folder: Path
    lines: Sequence[str]

    def summary(self) -> str:
        """Return what was written."""
        return "\n".join(self.lines)


def export(options: ExportOptions) -> Exported:
    """Write a run's predictions in other programs' formats.

    Raises:
        UsageError: The run is not finished, names.json does not fit it, or a format cannot hold the categories.
        ObjdiscError: A file cannot be written.
    """
    loaded = load_run(options.run, allow_import=options.allow_import)
    run = loaded.run
    writers = _WRITERS if segmenter_for(loaded.method).lists_objects else _WRITERS_OF_PIXELS
    _refuse_without_objects(loaded, options, writers)
    index, store = open_results(run)
    identity = run_identity(run, store)
    names = Names.default(cluster_colors(index.probabilities.shape[1]))
    if options.names is not None:
        names = read_names(options.names, (identity, *former_identities(run, store)), store.foreground, names)
    named = NamedObjects.of(store, index, names)
    dataset = find_scored(loaded, index, named, options.path, options.annotations)
    of_objects = f"{len(named.object_rows)} objects, " if writers is _WRITERS else ""
    lines = [f"{of_objects}{len(named.frames)} images, {len(names.categories)} categories"]
    with (
        result_folder("export", loaded, options.output_dir, run.export) as folder,
        staged(folder) as new,
    ):
        scene = find_scene(loaded, names, options.names, allow_import=options.allow_import)
        job = _Job(loaded, named, index, identity, dataset, new, scene, asked=options.format is not None)
        for name in dict.fromkeys(options.format or _WITHOUT_EXTRAS):
            lines += writers[name](job) if name in writers else ()
    return Exported(folder, lines)


def _refuse_without_objects(
    loaded: LoadedRun, options: ExportOptions, writers: Mapping[Format, Callable[[_Job], Iterable[str]]]
) -> None:
    """Refuse formats of objects for a run that predicts each pixel, whose patches are only crops."""
    if refused := [name for name in options.format or () if name not in writers]:
        raise UsageError(
            f"--format {refused[0]}: {loaded.run.path} predicts each pixel, so there are no objects to list; take "
            f"{', '.join(writers)}."
        )


def _write_coco(job: _Job) -> Iterator[str]:
    info = {"description": f"objdisc {__version__}, {job.loaded.run.path.resolve().name}", "run": job.identity}
    folder = write_coco(job.folder / "coco", job.named, info)
    yield f"coco: {final_place(folder)}"
    if (scale := job.loaded.options.data.scale) != 1:
        log.warning("masks and boxes are those of images scaled by %g, as the run read them (--data.scale)", scale)
    if job.dataset is None or not job.dataset.has_ground_truth:
        return
    image_ids = {frame.sample: number for number, frame in enumerate(job.named.frames, start=1)}
    score = class_agnostic_score(job.dataset, image_ids, results(job.named))
    if score is None:
        return
    own = _masks_are_truth(job.loaded, job.dataset)
    write_json(folder / "class_agnostic.json", {**score.to_json(), "masks_are_ground_truth": own})
    yield (
        f"masks against ground truth, whatever the class: AP {score.ap:.3f} (IoU 0.5: {score.ap_50:.3f}), "
        f"recall at IoU 0.5 {score.recall_50:.3f}, AR@100 {score.ar_100:.3f}, {score.num_objects} objects in "
        f"{score.num_images} images"
    )
    if own:
        yield "  the masks are the ground truth's own: this says what was left out (small or rejected), no more"


def _masks_are_truth(loaded: LoadedRun, dataset: ImageDataset) -> bool:
    """Whether the run took its regions from the annotators' masks."""
    named = loaded.options.objectness
    if named is None:
        return any(dataset.mask_paths(sample) for sample in dataset.samples)
    return named.name in {"instances", "foreground"}


def _write_cityscapes(job: _Job) -> Iterator[str]:
    labels = choose_labels(job.named, matched_labels(job.loaded.summary))
    below = None if job.scene is None else job.scene.label_map
    if not any(choice.label for choice in labels.values()) and (job.scene is None or not job.scene.labels().any()):
        _say_without_classes(job)
        return
    folder = write_cityscapes(job.folder / "cityscapes", job.named, labels, below)
    yield f"cityscapes: {final_place(folder)}"
    for category in job.named.names.categories:
        choice = labels[category.id]
        why = "by its name" if choice.by_name else "matched by the run's evaluation, which read labels"
        as_what = f"{choice.label} {LABEL_NAMES[choice.label]}, {why}" if choice.label else "left out, no class"
        yield f"  {category.name}: {as_what}"
    if job.scene is not None:
        yield from _labels_of_scene(job.scene, ", where no object lies")


def _say_without_classes(job: _Job) -> None:
    """Say why there are no Cityscapes label ids.

    Raises:
        UsageError: They were asked for.
    """
    reason = (
        "no category has the name of a Cityscapes class, and the run was not evaluated on Cityscapes classes; "
        "name clusters car, person, ... in report.html and give the names.json with --names."
    )
    if job.asked:
        raise UsageError(f"--format cityscapes: {reason}")
    log.info("cityscapes left out: %s", reason)


def _labels_of_scene(scene: NamedScene, where: str = "") -> Iterator[str]:
    for name, label in zip(scene.names.names, scene.labels().tolist(), strict=False):
        yield f"  {name or 'rejected'}{where}: " + (f"{label} {LABEL_NAMES[label]}" if label else "left out, no class")


def _write_scene_labels(job: _Job) -> Iterator[str]:
    assert job.scene is not None  # a run that predicts each pixel is its own scene
    if not job.scene.labels().any():
        _say_without_classes(job)
        return
    folder = write_scene_labels(job.folder / "cityscapes", job.scene, [frame.sample for frame in job.named.frames])
    yield f"cityscapes: {final_place(folder)}"
    yield from _labels_of_scene(job.scene)


def _write_png(job: _Job) -> Iterator[str]:
    yield f"png: {final_place(write_png_maps(job.folder / 'png', job.named))}"
    yield from _write_scene_png(job)


def _write_scene_png(job: _Job) -> Iterator[str]:
    if job.scene is not None:
        samples = [frame.sample for frame in job.named.frames]
        written = write_scene_maps(job.folder / "png", job.scene, samples)
        folder = final_place(job.folder / "png" / "scene")
        yield f"png: {folder}, {written} scene maps of {len(job.scene.names.categories)} categories"


def _write_csv(job: _Job) -> Iterator[str]:
    yield f"csv: {final_place(write_table(job.folder / 'objects.csv', job.named))}"


def _write_same(job: _Job) -> Iterator[str]:
    annotations = next(iter(() if job.dataset is None else job.dataset.annotations), None)
    if annotations is None or not job.named.store.has_sources:
        raise UsageError(
            f"--format same: the regions of {job.loaded.run.path} come from no annotation file that can be found; name "
            "the file or folder that the run read with --annotations."
        )
    source = None if job.loaded.options.objectness is None else job.loaded.options.objectness.name
    assert job.dataset is not None  # it has annotations
    annotations = next((each for each in job.dataset.annotations if each.format.name == source), annotations)
    folder = job.folder / "same"
    assigned = write_same(folder, job.named, annotations)
    yield f"same: {final_place(folder)} ({annotations.format.title})"
    yield f"  {assigned.counts[True]} objects have a category, {assigned.counts[False]} none ({UNASSIGNED})"


def _write_onnx(job: _Job) -> Iterator[str]:
    from objdisc.export.onnx import check_onnx, write_onnx  # slow to import, and an extra

    options, store = job.loaded.options, job.named.store
    about = onnx_facts(job.loaded, job.named.names, job.identity)
    path = write_onnx(job.folder / "model.onnx", job.loaded.method, options.training, store.size, about)
    rows = spread_evenly(len(store), _CHECKED)
    clusters = check_onnx(path, job.loaded.method, options.training, store.images[rows])
    yield f"onnx: {final_place(path)}"
    yield f"  {len(rows)} patches tried: onnxruntime gives the clusters that PyTorch gives in float32"
    if clusters.ndim == 1 and (other := int((clusters != job.index.clusters[rows]).sum())):
        yield (
            f"  {other} of them were in another cluster in the run, whose precision was {options.training.precision}"
        )


_WRITERS: Mapping[Format, Callable[[_Job], Iterable[str]]] = {
    "coco": _write_coco,
    "cityscapes": _write_cityscapes,
    "png": _write_png,
    "csv": _write_csv,
    "same": _write_same,
    "onnx": _write_onnx,
}

_WRITERS_OF_PIXELS: Mapping[Format, Callable[[_Job], Iterable[str]]] = {
    "png": _write_scene_png,
    "cityscapes": _write_scene_labels,
    "onnx": _write_onnx,
}
"""What can be written of a run that predicts each pixel."""
