"""Scoring a finished run on a data set with ground truth; the run itself stays as it is."""

from dataclasses import dataclass, replace
from pathlib import Path

from objdisc.config.components import Component, component, flag_only, flat, positional
from objdisc.datasets import FileOptions
from objdisc.errors import UsageError
from objdisc.evaluation.counts import write_counts
from objdisc.io.files import write_json
from objdisc.io.run import Run
from objdisc.io.staging import staged
from objdisc.objectness.base import ObjectnessSource
from objdisc.pipeline.data import find_data, open_split
from objdisc.pipeline.folders import result_folder
from objdisc.pipeline.ground_truth import with_sound_labels
from objdisc.pipeline.loading import load_run
from objdisc.pipeline.scoring import require_ground_truth
from objdisc.pipeline.segmenters import segmenter_for
from objdisc.pipeline.taken_for import tell


@dataclass(frozen=True)
class EvaluateOptions:
    """Score a finished run on a data set with ground truth; the run itself stays as it is.

    Attributes:
        run: Folder of a finished run.
        path: Folder in Cityscapes layout, or of class subfolders; by default that of the run.
        split: Split to score; by default the one that the run would score.
        objectness: Source of regions, by name; by default that of the run.
        output_dir: Folder for the scores; by default RUN/evaluate/FOLDER_SPLIT.
        strict: Stop at the first unreadable image instead of skipping it.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        workers: Processes that cut and load patches.
        batch_size: Patches that go through the network at once.
        overlays: Draw at most this many frames.
        allow_import: Allow the run's settings to name classes from outside the package, whose modules are then run.
        files: Which files of the folder are images, label maps and so on, if its layout does not say so.
    """

    run: Path = positional()
    path: Path | None = positional(default=None)
    split: str | None = None
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness", given=("encoder", "weights"))
    output_dir: Path | None = None
    strict: bool = False
    device: str = "auto"
    workers: int = 2
    batch_size: int = 128
    overlays: int = 50
    allow_import: bool = flag_only()
    files: FileOptions = flat(FileOptions)


@dataclass(frozen=True)
class Evaluation:
    """A run's agreement with the classes of a data set.

    Attributes:
        folder: Folder of scores and maps.
        split: Split that was scored.
        table: The agreement as text.
    """

    folder: Run
    split: str
    table: str

    def summary(self) -> str:
        """Return the table, and where the scores are."""
        return f"Split {self.split or 'all'}\n\n{self.table}\n\nnumbers: {self.folder.metrics}"


def evaluate(options: EvaluateOptions) -> Evaluation:
    """Score a finished run: its clusters are matched again on the labels of the data set.

    Raises:
        UsageError: The run is not finished, the data set has no ground truth, or its images or regions are not
            suitable.
    """
    run = load_run(options.run, allow_import=options.allow_import, device=options.device)
    run = run.on(options.device, workers=options.workers, batch_size=options.batch_size)
    run = replace(run, options=replace(run.options, strict=options.strict))
    path = find_data(options.path or run.options.path)
    foreground = run.options.foreground if options.path is None else None
    files = options.files if options.path is not None else options.files.over(run.options.files)
    named_split = options.split or run.options.split
    dataset = open_split(path, named_split, foreground, run.options.data, files)
    require_ground_truth(dataset)
    dataset = with_sound_labels(dataset, strict=options.strict)
    named = options.objectness or run.options.objectness
    segmenter = segmenter_for(run.method).of_run(run, dataset, named)
    tell([dataset], segmenter.source)
    usual = run.run.path / "evaluate" / "_".join(filter(None, [path.resolve().name, dataset.split]))
    with (
        result_folder("evaluate", run, options.output_dir, usual, dataset=dataset, subject=dataset.split) as folder,
        staged(folder, Run(folder).results()) as new,
    ):
        split = segmenter.prepare(dataset, Run(folder))
        found = segmenter.segment_split(Run(new), split, trained_on=None, baseline=None, overlays=options.overlays)
        if not found.table:
            raise UsageError(
                f"{dataset.root}: no class labels in split {dataset.split!r}; give data with ground truth."
            )
        facts = {"run": str(options.run), "split": dataset.split, "seed": run.options.training.seed}
        write_json(Run(new).metrics, {**facts, **found.score.numbers})
        if (clusters := found.score.clusters) is not None:
            write_counts(Run(new).cluster_counts_csv, Run(new).cluster_counts_json, clusters)
    return Evaluation(Run(folder), dataset.split, found.table)
