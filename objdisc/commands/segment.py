"""Segmenting any folder of images with a finished run."""

import logging
from dataclasses import dataclass
from pathlib import Path

from objdisc.config.components import Component, component, flag_only, flat, positional
from objdisc.datasets import FileOptions
from objdisc.objectness.base import ObjectnessSource
from objdisc.pipeline.loading import load_run
from objdisc.pipeline.segmenters import FolderOptions, SegmentedFolder
from objdisc.pipeline.segmenting import segment_folder
from objdisc.render.text_table import text_table
from objdisc.types import UNKNOWN

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class SegmentOptions:
    """Segment a folder of images with a finished run: cluster maps, overlays, and labelIds if it has a matching.

    Attributes:
        run: Folder of a finished run.
        path: Folder of images, in Cityscapes layout or not; masks are not needed.
        split: Split of the folder, if it has splits; val if there is one.
        objectness: Source of regions, by name; auto takes instance masks if the folder has them, otherwise the source
            that looks for objects, in scenes if the run divides them, and with the run's encoder as it was before the
            training.
        output_dir: Folder for the maps; by default RUN/segment/FOLDER.
        device: Where the network runs: auto, cpu, or a device as PyTorch names it.
        allow_import: Allow the run's settings to name classes from outside the package, whose modules are then run.
        files: Which files of the folder are images, if its layout does not say so.
        folder: Options for names, unknown objects, overlays, unreadable images, and hardware.
    """

    run: Path = positional()
    path: Path = positional()
    split: str | None = None
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness", given=("encoder", "weights"))
    output_dir: Path | None = None
    device: str = "auto"
    allow_import: bool = flag_only()
    files: FileOptions = flat(FileOptions)
    folder: FolderOptions = flat(FolderOptions)


@dataclass(frozen=True)
class Segmentation:
    """The result of segmenting a folder.

    Attributes:
        found: The results for the folder.
        quantile: Share of the training objects that lie nearer to their cluster than unknown ones.
    """

    found: SegmentedFolder
    quantile: float

    def summary(self) -> str:
        """Return the counts of each cluster, and where to look."""
        found, folder = self.found, self.found.folder
        if found.regions is None:
            return f"{found.images} images, {found.skipped} skipped\n\nmaps: {found.maps}"
        rows = [(cluster, name, found.regions.get(cluster, 0)) for cluster, name in enumerate(found.names)]
        if found.threshold is not None:
            rows.append((UNKNOWN, "unknown", found.regions.get(UNKNOWN, 0)))
        skipped = f", {found.skipped} skipped" if found.skipped else ""
        lines = [f"{sum(found.regions.values())} regions in {found.images} images{skipped}", ""]
        lines.append(text_table(["cluster", "name", "regions"], rows, left=(1,)))
        if found.threshold is not None:
            lines.append(
                f"\nunknown: farther than {found.threshold:.4f} from every cluster centre, as {1 - self.quantile:.3g} "
                "of the training objects are (--unknown-quantile, --no-unknown)"
            )
        lines.append("")
        places = (("maps", found.maps), ("overlays", folder.overlays), ("list", folder.clusters_csv))
        lines += [f"{what}: {path}" for what, path in places if path.exists()]
        return "\n".join(lines)


def segment(options: SegmentOptions) -> Segmentation:
    """Segment a folder of any number of images; clusters keep the ids that they have in the run.

    Raises:
        UsageError: The run is not finished, names.json is another run's, or the folder has nothing to segment.
    """
    run = load_run(options.run, allow_import=options.allow_import, device=options.device).on(options.device)
    found = segment_folder(
        run,
        options.path,
        options.folder,
        split=options.split,
        objectness=options.objectness,
        output_dir=options.output_dir,
        files=options.files,
    )
    if found.reused:
        log.info("%d images were known from an earlier call", found.reused)
    if found.regions is not None and not sum(found.regions.values()):
        log.warning("no object was found in any image; choose another --objectness, or check the folder")
    for warning in found.warnings:
        log.warning("%s", warning)
    return Segmentation(found, options.folder.unknown_quantile)
