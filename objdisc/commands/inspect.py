"""What a folder is taken for, in full, and a sheet of a few of its images; nothing is trained."""

from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from objdisc.config.components import Component, component, flag_only, flat, positional
from objdisc.datasets import DataOptions, FileOptions, ImageDataset, available_splits, open_dataset
from objdisc.errors import ObjdiscError, UnreadableImageError, UsageError
from objdisc.evaluation.truth import labels_of
from objdisc.imaging.spread import spread_evenly
from objdisc.io.files import write_image
from objdisc.objectness.base import ObjectnessSource
from objdisc.pipeline.data import find_data
from objdisc.pipeline.options import choose_objectness
from objdisc.pipeline.taken_for import TakenFor, taken_for
from objdisc.render.inspected import InspectedImage, inspection_sheet


@dataclass(frozen=True)
class InspectOptions:
    """Show what a folder is taken for: layout, images, splits, masks, labels, what is left out, and a sheet of images.

    Attributes:
        path: Folder of images in any layout, or a video; the default is that of discover.
        split: Split that the sheet shows; train if there is one.
        foreground: Names of the classes that count as objects, separated by commas.
        objectness: Source of regions, by name; auto chooses as discover does.
        encoder: Network of a source that uses one.
        weights: Initial weights of that network.
        sheet: Picture to write, which must not exist yet; by default the first free name like inspect_FOLDER.png.
        images_shown: Number of images on the sheet, spread evenly over the split; 0 for no sheet.
        allow_import: Allow flags to name classes from outside the package, whose modules are then run.
        files: Which files of the folder are images, label maps and so on, if its layout does not say so.
        data: How images are read.
    """

    path: Path | None = positional(default=None)
    split: str | None = None
    foreground: tuple[str, ...] | None = None
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness", given=("encoder", "weights"))
    encoder: str = "tf_efficientnet_lite0"
    weights: str = "imagenet"
    sheet: Path | None = None
    images_shown: int = 6
    allow_import: bool = flag_only()
    files: FileOptions = flat(FileOptions)
    data: DataOptions = field(default_factory=DataOptions)


@dataclass(frozen=True)
class Inspection:
    """The findings.

    Attributes:
        taken: What the folder is taken for.
        sheet: The picture; None if none was asked for.
        problems: The problems of opened images that cannot be read.
    """

    taken: TakenFor
    sheet: Path | None
    problems: tuple[str, ...]

    def summary(self) -> str:
        """Return the findings as text."""
        lines = [*self.taken.lines(), *(f"problem   {problem}" for problem in self.problems)]
        return "\n".join(lines if self.sheet is None else [*lines, f"sheet     {self.sheet}"])


def inspect(options: InspectOptions) -> Inspection:
    """Inspect a folder without training anything.

    Raises:
        UsageError: It holds no image, the split is missing, or the sheet's file is already there.
    """
    path = find_data(options.path)
    sheet = options.sheet or _free_name(f"inspect_{path.resolve().stem}")
    if sheet.exists() and options.images_shown > 0:
        raise UsageError(f"{sheet}: already exists; give another --sheet.")
    splits = available_splits(path, options.files)
    chosen = options.split or ("train" if "train" in splits or not splits else splits[0])
    datasets = [_open(path, split, options) for split in splits or (chosen,)]
    shown = next((dataset for dataset in datasets if dataset.split in {chosen, ""}), None) or _open(
        path, chosen, options
    )
    source = choose_objectness(options.objectness, shown, options.encoder, options.weights)
    taken = taken_for([shown, *(dataset for dataset in datasets if dataset.split != shown.split)], source, splits)
    if options.images_shown < 1:
        return Inspection(taken, None, ())
    images, problems = _look(shown, source, options.images_shown)
    if images:
        write_image(sheet, inspection_sheet(images))
    return Inspection(taken, sheet if images else None, tuple(problems))


def _free_name(stem: str) -> Path:
    """Find the first name for a picture that does not exist yet: ``stem.png``, ``stem_2.png`` and so on."""
    names = (Path(f"{stem}{suffix}.png") for suffix in chain([""], (f"_{number}" for number in count(2))))
    return next(name for name in names if not name.exists())


def _open(path: Path, split: str, options: InspectOptions) -> ImageDataset:
    return open_dataset(path, split, options.foreground, options.data, options.files)


def _look(dataset: ImageDataset, source: ObjectnessSource, shown: int) -> tuple[list[InspectedImage], list[str]]:
    """Read a few images with their regions and labels."""
    images, problems = [], []
    for place in spread_evenly(len(dataset.samples), shown).tolist():
        sample = dataset.samples[place]
        try:
            image = dataset.read_image(sample)[..., :3]
        except UnreadableImageError as error:
            problems.append(str(error))
            continue
        regions, labels = [], None
        try:
            regions = [region for region in source.regions(dataset, sample, image) if region.foreground]
            labels = None if dataset.labels_whole_images else labels_of(dataset, sample)
        except (UnreadableImageError, UsageError, ObjdiscError) as error:
            problems.append(str(error))
        count_text = f"{len(regions)} regions by {source.name}"
        images.append(InspectedImage(f"{sample.name}: {count_text}", image, regions, labels))
    return images, problems
