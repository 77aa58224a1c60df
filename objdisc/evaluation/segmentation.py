"""Pixel accuracy and IoU of labelIds maps: our own, frame by frame, and the official Cityscapes evaluator's."""

import contextlib
import copy
import io
import math
import tempfile
import warnings
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objdisc.datasets.base import ImageDataset
from objdisc.errors import ObjdiscError, UnreadableImageError, UsageError
from objdisc.evaluation.confusion import ConfusionMatrix
from objdisc.imaging.decode import read_index_map
from objdisc.types import Sample

_TRUTH_END = "_gtFine_labelIds.png"


@dataclass(frozen=True)
class SegmentationScore:
    """Agreement of maps with the ground truth, in the Cityscapes evaluator's convention; see ``ConfusionMatrix``.

    Attributes:
        num_images: Frames with ground truth; others are left out.
        pixel_accuracy: Over pixels whose true class is evaluated. Our maps hold only objects, so every road or sky
            pixel is a miss here, by the benchmark's convention.
        mean_iou: Over evaluated classes that occur in truth or prediction; the official "Score Average".
        pixel_accuracy_objects: Over pixels whose true class is one of the object classes; None without them.
        mean_iou_objects: Mean over the object classes; None without them.
        iou: Class name to IoU, evaluated classes that occur.
    """

    num_images: int
    pixel_accuracy: float
    mean_iou: float
    pixel_accuracy_objects: float | None
    mean_iou_objects: float | None
    iou: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class OfficialScore:
    """The scores of ``cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling``.

    Attributes:
        num_images: Frames scored.
        mean_iou: Its ``averageScoreClasses``.
        mean_instance_iou: Its ``averageScoreInstClasses``; NaN without instanceIds.
        mean_category_iou: Its ``averageScoreCategories``.
        mean_instance_category_iou: Its ``averageScoreInstCategories``; NaN without instanceIds.
        iou: Class name to IoU, classes that have one.
        confusion: ``(34, 34)`` pixels, row = true id, column = predicted id.
    """

    num_images: int
    mean_iou: float
    mean_instance_iou: float
    mean_category_iou: float
    mean_instance_category_iou: float
    iou: dict[str, float]
    confusion: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """Return the fields, without the confusion matrix, as a dictionary."""
        return {key: value for key, value in asdict(self).items() if key != "confusion"}


def prediction_path(folder: Path, sample: str) -> Path:
    """Return the path of an image's labelIds map: ``<folder>/<sample>_labelIds.png``.

    For Cityscapes names this is ``<city>/<city>_<seq>_<frame>_labelIds.png``, which the official evaluator finds.

    Args:
        folder: The ``labelIds`` folder of a run.
        sample: ``Sample.name``; ``/`` in it makes subfolders.
    """
    return folder / f"{sample}_labelIds.png"


def segmentation_score(
    labelids_dir: Path,
    dataset: ImageDataset,
    object_classes: Sequence[str] = (),
    *,
    names: Container[str] | None = None,
) -> SegmentationScore:
    """Score the maps of a run, one frame in memory at a time.

    Args:
        labelids_dir: Folder of maps as ``export.cityscapes.write_label_ids`` writes them.
        dataset: The split that they belong to; frames without ground truth are left out.
        object_classes: Names of the classes that the maps can hold, for the scores restricted to them.
        names: ``Sample.name`` of the frames to score, such as ``PatchStore.frames`` without the unreadable ones;
            None for all.

    Raises:
        UsageError: No frame has ground truth, a map is missing, or an object class is unknown.
        UnreadableImageError: A map cannot be decoded or does not fit its ground truth.
    """
    ids = {name: label for label, name in dataset.class_names.items()}
    unknown = [name for name in object_classes if name not in ids]
    if dataset.class_names and unknown:
        raise UsageError(f"unknown object classes {', '.join(unknown)}; {dataset.root} has {', '.join(ids)}")
    confusion = ConfusionMatrix(max(dataset.class_names, default=0) + 1, dataset.ignore_ids)
    num_images = 0
    for prediction, truth, path in _pairs(labelids_dir, dataset, names):
        try:
            confusion.update(prediction, truth)
        except ObjdiscError as error:
            raise UnreadableImageError(path, f"{error}; run the export again for this data set") from error
        num_images += 1
    if not num_images:
        raise _no_truth(dataset)
    objects = [ids[name] for name in object_classes]
    return SegmentationScore(
        num_images=num_images,
        pixel_accuracy=confusion.pixel_accuracy(),
        mean_iou=confusion.mean_iou(),
        pixel_accuracy_objects=confusion.pixel_accuracy(objects) if objects else None,
        mean_iou_objects=confusion.mean_iou(objects) if objects else None,
        iou=_named(confusion.iou(), dataset),
    )


def official_score(labelids_dir: Path, dataset: ImageDataset, *, names: Container[str] | None = None) -> OfficialScore:
    """Run the Cityscapes evaluator on the maps of a run.

    The evaluator is not patched: it gets its own list of pairs and a copy of its settings, so that splits other than
    ``val`` and frames without ground truth work; it writes no file, and its prints stay off stdout. It takes about four
    times as long as ``segmentation_score``: a quarter of a second for a frame of 2048 x 1024.

    Args:
        labelids_dir: Folder that holds the maps and no other PNG of the same frames (the evaluator searches it
            recursively and refuses duplicates).
        dataset: A ``Cityscapes`` split; frames without ground truth are left out.
        names: ``Sample.name`` of the frames to score, such as ``PatchStore.frames`` without the unreadable ones;
            None for all.

    Raises:
        UsageError: No frame has Cityscapes ground truth, or numpy is too new for the evaluator.
        ObjdiscError: The evaluator stopped; the message is its own.
    """
    if not labelids_dir.is_dir():
        raise UsageError(f"{labelids_dir}: no such folder; give the labelIds folder of a run")
    with tempfile.TemporaryDirectory() as folder:
        found = (_truth_file(dataset, sample, Path(folder)) for sample in _chosen(dataset, names))
        truths = [path for path in found if path is not None]
        if not truths:
            raise _no_truth(dataset)
        return _official_score(labelids_dir, truths)


def _official_score(labelids_dir: Path, truths: Sequence[Path]) -> OfficialScore:
    with_instances = all(path.with_name(path.name.replace("labelIds", "instanceIds")).is_file() for path in truths)
    said = io.StringIO()
    try:
        # The evaluator prints its result and its complaints, and ends the process on the latter
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            result = _run_evaluator(labelids_dir, truths, with_instances)
    except SystemExit as error:
        reason = said.getvalue().strip().removeprefix("ERROR: ")
        raise ObjdiscError(f"{labelids_dir}: the Cityscapes evaluator stopped: {reason}") from error
    except IndexError as error:
        raise ObjdiscError(f"{labelids_dir}: a map holds an id that Cityscapes lacks; run the export again") from error
    return OfficialScore(
        num_images=len(truths),
        mean_iou=float(result["averageScoreClasses"]),
        mean_instance_iou=float(result["averageScoreInstClasses"]) if with_instances else math.nan,
        mean_category_iou=float(result["averageScoreCategories"]),
        mean_instance_category_iou=float(result["averageScoreInstCategories"]) if with_instances else math.nan,
        iou={name: float(score) for name, score in result["classScores"].items() if not math.isnan(score)},
        confusion=result["confMatrix"],
    )


def _run_evaluator(labelids_dir: Path, truths: Sequence[Path], with_instances: bool) -> dict[str, Any]:
    if not hasattr(np, "in1d"):
        raise UsageError("the Cityscapes evaluator needs numpy below 2.4; run pip install 'numpy<2.4'")
    try:
        # Imported here because the module reads environment variables and may refuse them when it is imported
        from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluator
    except ValueError as error:
        raise UsageError(f"{error}; unset CITYSCAPES_EXPORT_DIR or create that folder") from error
    settings = copy.copy(evaluator.args)
    settings.predictionPath = str(labelids_dir)
    settings.predictionWalk = None
    settings.quiet = True
    settings.JSONOutput = False
    settings.evalInstLevelScore = with_instances
    predictions = [evaluator.getPrediction(settings, str(path)) for path in truths]
    result: dict[str, Any] = evaluator.evaluateImgLists(predictions, [str(path) for path in truths], settings)
    return result


def _chosen(dataset: ImageDataset, names: Container[str] | None) -> Iterator[Sample]:
    return (sample for sample in dataset.samples if names is None or sample.name in names)


def _truth_file(dataset: ImageDataset, sample: Sample, folder: Path) -> Path | None:
    """Return an image's labelIds map as the evaluator takes it: the file, or ids in one channel in ``folder``."""
    for path in dataset.label_paths(sample):
        if path.name.endswith(_TRUTH_END) and _has_one_channel(path):
            return None if sample.name in dataset.unscored else path
    labels = dataset.read_labels(sample)
    if labels is None:
        return None
    path = folder / f"{sample.name.replace('/', '+')}" / f"{sample.name.rpartition('/')[2]}{_TRUTH_END}"
    path.parent.mkdir()
    Image.fromarray(labels).save(path)
    return path


def _has_one_channel(path: Path) -> bool:
    with contextlib.suppress(OSError, SyntaxError, ValueError), Image.open(path) as image:
        return image.mode in {"L", "P"}
    return True  # the evaluator says what is wrong


def _pairs(
    labelids_dir: Path, dataset: ImageDataset, names: Container[str] | None
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8], Path]]:
    for sample in _chosen(dataset, names):
        truth = dataset.read_labels(sample)
        if truth is not None:
            path = prediction_path(labelids_dir, sample.name)
            prediction = read_index_map(path)
            if prediction.dtype != np.uint8:
                raise UnreadableImageError(path, "a labelIds map has 8 bits a pixel; run the export again")
            yield prediction.astype(np.uint8, copy=False), truth, path


def _named(scores: NDArray[np.float64], dataset: ImageDataset) -> dict[str, float]:
    return {
        name: float(scores[label])
        for label, name in sorted(dataset.class_names.items())
        if not math.isnan(scores[label])
    }


def _no_truth(dataset: ImageDataset) -> UsageError:
    return UsageError(
        f"{dataset.root}: no frame of split {dataset.split!r} has class labels; evaluate a split with ground truth"
    )
