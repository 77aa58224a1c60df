"""What a folder is taken for: logged in one line before any work, and printed in full by ``inspect``."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from objdisc.datasets import ImageDataset, ImageFolder, LabelMaps, Video
from objdisc.datasets.segmentation import SegmentationDataset
from objdisc.errors import UnreadableImageError
from objdisc.evaluation.annotated import AnnotatedClasses, label_source, labelled
from objdisc.imaging.leftout import NO_IMAGE, LeftOut
from objdisc.imaging.spread import spread_evenly
from objdisc.objectness.base import DatasetMasks, ObjectnessSource
from objdisc.objectness.support.annotated import AnnotatedRegions
from objdisc.objectness.whole import Whole
from objdisc.pipeline.loading import LoadedRun
from objdisc.pipeline.options import choose_objectness

_LOOKED_AT = 12  # images whose sizes are read for a hint
_SMALL = 256  # pixels of the longer side of an image that may show one object alone
_SQUARE = 1.1  # longer by shorter side

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class TakenFor:
    """What a folder is taken for.

    Attributes:
        root: The folder.
        layout: Name of the recognised layout.
        images: Number of images that are read, by split.
        splits: All splits that it has; empty if it is read as a whole.
        objectness: Name of the source of regions.
        masks: Where that source finds regions.
        labels: Where class labels come from; empty if there are none.
        left_out: Files that were found and are not read, with reasons; empty if there are none.
        hint: What the user may want instead; may be empty.
    """

    root: Path
    layout: str
    images: dict[str, int]
    splits: tuple[str, ...]
    objectness: str
    masks: str
    labels: str
    left_out: str
    hint: str

    def __str__(self) -> str:
        """Return the one line."""
        parts = [
            f"{self.root}: {self.layout}, {_counted(self.images)}",
            f"objects by {self.objectness} ({self.masks})",
            f"labels: {self.labels}" if self.labels else "no labels",
        ]
        if self.left_out:
            parts.append(f"left out {self.left_out}")
        if self.hint:
            parts.append(self.hint)
        return "; ".join(parts)

    def lines(self) -> list[str]:
        """Return the same in full, one line for each fact."""
        table = {
            "folder": str(self.root),
            "layout": self.layout,
            "images": _counted(self.images),
            "splits": ", ".join(self.splits) or "none, it is taken whole",
            "objects": f"by {self.objectness}: {self.masks}",
            "labels": self.labels or "none",
            "left out": self.left_out or "nothing",
            **({"hint": self.hint} if self.hint else {}),
        }
        width = max(map(len, table))
        return [f"{name:{width}}  {value}" for name, value in table.items()]


def taken_for(datasets: Sequence[ImageDataset], source: ObjectnessSource, splits: Sequence[str] = ()) -> TakenFor:
    """Describe what the splits of a folder were taken for; no image is decoded.

    Args:
        datasets: Its splits, opened; at least one.
        source: Where regions come from.
        splits: All splits that it has.
    """
    first = datasets[0]
    merged = _left_out(list({id(dataset): dataset for dataset in datasets}.values()), source)
    return TakenFor(
        root=first.root,
        layout=layout_name(first),
        images={dataset.split: len(dataset.samples) for dataset in datasets},
        splits=tuple(splits),
        objectness=source.name,
        masks=_masks(first, source),
        labels=_labels(datasets),
        left_out=str(merged),
        hint=_hint(first, source),
    )


def tell(datasets: Sequence[ImageDataset], source: ObjectnessSource) -> None:
    """Log the one line."""
    log.info("%s", taken_for(datasets, source))


def tell_of_run(loaded: LoadedRun, datasets: Sequence[ImageDataset]) -> None:
    """Log the one line for a finished run's folder, as the run takes it."""
    options = loaded.options
    tell(datasets, choose_objectness(options.objectness, datasets[0], options.encoder, options.weights, quiet=True))


def _left_out(datasets: Sequence[ImageDataset], source: ObjectnessSource) -> LeftOut:
    """Sum the files left out of splits; files that two splits of one folder have both found count once.

    Annotation files that regions are read from are no images, but they are not left out either.
    """
    total, seen = Counter[tuple[str, str]](), set[Path]()
    for dataset in datasets:
        folders = {sample.image_path.parent for sample in dataset.samples}
        found = dataset.left_out.counts
        total = total | found if folders & seen else total + found
        seen |= folders
    annotations = source.annotations_of(datasets[0]) if isinstance(source, AnnotatedRegions) else None
    if annotations is not None:
        root = datasets[0].root.absolute()
        used = (path for path in annotations.files.paths if path.absolute().is_relative_to(root))
        total = total - Counter((NO_IMAGE, path.suffix.lower()) for path in used)
    return LeftOut(total)


def layout_name(dataset: ImageDataset) -> str:
    """Return the name of a data set in messages."""
    if isinstance(dataset, SegmentationDataset) and dataset.title:
        return f"{dataset.title} layout"
    if isinstance(dataset, Video):
        return f"frames of {', '.join(video.name for video in dataset.videos[:3])}"
    if isinstance(dataset, LabelMaps):
        return "images beside label maps"
    if isinstance(dataset, ImageFolder):
        return "a folder of classes" if dataset.labels_whole_images else "a folder of images"
    return "files of patterns"


def _masks(dataset: ImageDataset, source: ObjectnessSource) -> str:
    if isinstance(source, Whole):
        return "each image is one object"
    if isinstance(source, AnnotatedRegions):
        return _annotated(dataset, source)
    if not isinstance(source, DatasetMasks):
        return "looked for in each image"
    with_masks = [sample for sample in dataset.samples if source.has_mask(dataset, sample)]
    place = next((path for sample in with_masks for path in source.files(dataset, sample)[-1:]), None)
    where = "" if place is None else f" such as {_below(place, dataset.root)}"
    return f"{source.mask_name}s of {len(with_masks)} of {len(dataset.samples)} images{where}"


def _annotated(dataset: ImageDataset, source: AnnotatedRegions) -> str:
    annotations = source.annotations_of(dataset)
    if annotations is None:
        return "no annotations of that format"
    return f"{annotations} of {len(annotations.matches.number_of)} of {len(dataset.samples)} images"


def _labels(datasets: Sequence[ImageDataset]) -> str:
    scored = [labelled(dataset) for dataset in datasets]
    known = [dataset for dataset in scored if dataset.has_ground_truth]
    if not known:
        return ""
    dataset = known[-1]
    if isinstance(dataset, AnnotatedClasses):
        who = "a detector's" if label_source(dataset) == "detector" else "those of the annotations"
        return f"{len(dataset.class_names)} classes, {who}, for the scores alone"
    if dataset.labels_whole_images:
        return f"{len(dataset.class_names)} classes by subfolder, for the scores alone"
    paths = [path for sample in dataset.samples for path in dataset.label_paths(sample)[:1]]
    where = f", such as {_below(paths[0], dataset.root)}" if paths else ""
    return (
        f"{len(paths)} of {len(dataset.samples)} images of {dataset.split or 'all'} have label maps "
        f"({len(dataset.class_names)} classes{where}), for the scores alone"
    )


def _hint(dataset: ImageDataset, source: ObjectnessSource) -> str:
    """Return a hint for folders whose images may show one object each."""
    if isinstance(source, Whole | DatasetMasks) or not isinstance(dataset, ImageFolder) or isinstance(dataset, Video):
        return ""
    samples = [dataset.samples[place] for place in spread_evenly(len(dataset.samples), _LOOKED_AT).tolist()]
    try:
        sizes = [dataset.image_size(sample) for sample in samples]
    except UnreadableImageError:
        return ""
    small = all(max(size) <= _SMALL and max(size) <= _SQUARE * min(size) for size in sizes)
    in_folders = {sample.city for sample in dataset.samples} - {""}
    if small or (len(in_folders) >= 2 and all(sample.city for sample in dataset.samples)):
        why = "small squares" if small else f"{len(in_folders)} subfolders"
        return f"where each image shows one object ({why}), --objectness whole may be what is wanted"
    return ""


def _counted(images: dict[str, int]) -> str:
    return ", ".join(f"{count} images{f' of {split}' if split else ''}" for split, count in images.items())


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
