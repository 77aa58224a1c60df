"""A folder of images segmented with a finished run."""

from pathlib import Path

from objdisc.config.components import Component
from objdisc.datasets import FileOptions
from objdisc.io.run import Run
from objdisc.pipeline.data import open_split
from objdisc.pipeline.folders import result_folder
from objdisc.pipeline.loading import LoadedRun
from objdisc.pipeline.scenes import scene_names, segment_scenes
from objdisc.pipeline.segmenters import FolderOptions, SegmentedFolder, segmenter_for
from objdisc.pipeline.summary import RunSummary
from objdisc.pipeline.taken_for import tell


def segment_folder(
    run: LoadedRun,
    path: Path,
    options: FolderOptions,
    *,
    split: str | None = None,
    objectness: Component | None = None,
    output_dir: Path | None = None,
    files: FileOptions | None = None,
) -> SegmentedFolder:
    """Segment a folder of any number of images; clusters keep the ids that they have in the run.

    A run that divides scenes also divides those of the folder, into ``sceneIds``.

    Args:
        run: The run; its options name the device.
        path: The folder.
        options: The options.
        split: Split of the folder, if it has splits; None for val, or for the first split if there is no val.
        objectness: Source of regions; None for one that suits the images.
        output_dir: Where the maps go; None for RUN/segment/FOLDER.
        files: Which files of the folder are images, label maps and so on, if its layout does not say so.

    Raises:
        UsageError: names.json is another run's, the folder has nothing to segment, or the output folder is another's.
    """
    dataset = open_split(path, split, None, run.options.data.of_any_images(), files)
    scene = run.run.scene
    divided = RunSummary.read(scene)
    segmenter = segmenter_for(run.method).of_run(run, dataset, objectness, divided=divided is not None)
    tell([dataset], segmenter.source)
    if options.strict:
        segmenter.source.refuse_problems(dataset)
    source = segmenter.source
    job = segmenter.folder_job(run, dataset, options)
    allow_import = run.options.allow_import
    names = scene_names(run.run, run.options.k, options.names, allow_import=allow_import)
    usual = run.run.path / "segment" / path.resolve().name
    with result_folder("segment", run, output_dir, usual, dataset=dataset, subject=dataset.split) as folder:
        if divided is not None:
            segment_scenes(
                scene,
                dataset,
                Run(folder),
                names=names,
                device=run.options.training.device,
                strict=options.strict,
                allow_import=allow_import,
            )
            if source.wants_scene:
                source.read_scenes(scene, Run(folder).maps("sceneIds"), divided.weights)
        return job(Run(folder))
