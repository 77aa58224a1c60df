"""How well masks of objects fit the ground truth, regardless of class: recall and AP in COCO's definition."""

import contextlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from objdisc.datasets.base import ImageDataset
from objdisc.imaging.masks import encode_mask, regions_from_map

_MOST = (10, 100, 1000)  # detections of one image that count, best first


@dataclass(frozen=True)
class ClassAgnosticScore:
    """The scores of ``pycocotools.cocoeval`` with ``useCats=0``: an object is found if any mask fits it.

    IoU is that of masks; means are over IoU thresholds 0.50, 0.55, ..., 0.95. Scores are NaN if there is no such
    object.

    Attributes:
        num_images: Images with ground truth.
        num_objects: Objects in them; unseparated groups (``iscrowd``) are not counted.
        num_detections: Masks that were compared.
        ap: Mean average precision over the thresholds, with the best 100 detections an image.
        ap_50: At IoU 0.50.
        ap_75: At IoU 0.75.
        ar_10: Mean recall over the thresholds, with the best 10 detections an image.
        ar_100: Mean recall with the best 100.
        ar_1000: Mean recall with the best 1000.
        recall_50: Recall at IoU 0.50 with the best 1000.
        ar_small: As ``ar_1000``, for objects below 32² pixels.
        ar_medium: From 32² to 96².
        ar_large: Above 96².
    """

    num_images: int
    num_objects: int
    num_detections: int
    ap: float
    ap_50: float
    ap_75: float
    ar_10: float
    ar_100: float
    ar_1000: float
    recall_50: float
    ar_small: float
    ar_medium: float
    ar_large: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary."""
        return asdict(self)


def class_agnostic_score(
    dataset: ImageDataset, image_ids: Mapping[str, int], results: Iterable[Mapping[str, Any]]
) -> ClassAgnosticScore | None:
    """Compare masks with the data set's instances; classes are neither read nor compared.

    Args:
        dataset: The split.
        image_ids: ``Sample.name`` to COCO image id of the predicted images.
        results: COCO results with ``image_id``, ``segmentation`` and ``score``.

    Returns:
        The scores; None if no image has instances to compare with.

    Raises:
        UnreadableImageError: A mask of the ground truth cannot be decoded or has another size than its image.
    """
    truth = ground_truth(dataset, image_ids)
    if not truth["annotations"]:
        return None
    known = {image["id"] for image in truth["images"]}
    found = [{**result, "category_id": 1} for result in results if result["image_id"] in known]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells its progress
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        # loadRes stops at an empty list
        detections = coco.loadRes(found) if found else _nothing(truth)
        evaluation = COCOeval(coco, detections, "segm")
        evaluation.params.useCats = 0
        evaluation.params.maxDets = list(_MOST)
        evaluation.evaluate()
        evaluation.accumulate()
    return _summary(evaluation, truth, len(found))


def ground_truth(dataset: ImageDataset, image_ids: Mapping[str, int]) -> dict[str, Any]:
    """Return the instances of a split as a COCO data set of one category.

    Foreground outside all instances, such as groups that the annotators could not separate, is one ``iscrowd`` region
    per image: a mask on it is neither right nor wrong.

    Args:
        dataset: The split.
        image_ids: ``Sample.name`` to COCO image id; other images, and images without instances, are left out.
    """
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for sample in dataset.samples:
        instances = dataset.read_instances(sample) if sample.name in image_ids else None
        if instances is None:
            continue
        height, width = instances.shape
        images.append({"id": image_ids[sample.name], "height": height, "width": width})
        found = [(region.mask, region.area, 0) for region in regions_from_map(instances)]
        foreground = dataset.read_foreground(sample)
        if foreground is not None:
            rest = foreground & (instances == 0)
            found += [(encode_mask(rest), int(rest.sum()), 1)] if rest.any() else []
        for mask, area, crowd in found:
            place = {"image_id": image_ids[sample.name], "segmentation": mask, "area": area}
            objects.append({"id": len(objects) + 1, "category_id": 1, "iscrowd": crowd, **place})
    return {"images": images, "categories": [{"id": 1, "name": "object"}], "annotations": objects}


def _nothing(truth: Mapping[str, Any]) -> COCO:
    empty = COCO()
    empty.dataset = {**truth, "annotations": []}
    empty.createIndex()
    return empty


def _summary(evaluation: COCOeval, truth: Mapping[str, Any], num_detections: int) -> ClassAgnosticScore:
    """Compute the means of precision ``(T, R, K, A, M)`` and recall ``(T, K, A, M)``; -1 means no such object."""
    precision, recall = evaluation.eval["precision"][:, :, 0], evaluation.eval["recall"][:, 0]
    thresholds = evaluation.params.iouThrs
    at_50, at_75 = np.flatnonzero(np.isclose(thresholds, 0.5)), np.flatnonzero(np.isclose(thresholds, 0.75))
    return ClassAgnosticScore(
        num_images=len(truth["images"]),
        num_objects=sum(not annotation["iscrowd"] for annotation in truth["annotations"]),
        num_detections=num_detections,
        ap=_mean(precision[:, :, 0, 1]),
        ap_50=_mean(precision[at_50, :, 0, 1]),
        ap_75=_mean(precision[at_75, :, 0, 1]),
        ar_10=_mean(recall[:, 0, 0]),
        ar_100=_mean(recall[:, 0, 1]),
        ar_1000=_mean(recall[:, 0, 2]),
        recall_50=_mean(recall[at_50, 0, 2]),
        ar_small=_mean(recall[:, 1, 2]),
        ar_medium=_mean(recall[:, 2, 2]),
        ar_large=_mean(recall[:, 3, 2]),
    )


def _mean(values: NDArray[np.float64]) -> float:
    counted = values[values > -1]
    return float(counted.mean()) if counted.size else float("nan")
