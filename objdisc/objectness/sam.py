"""Objectness from Segment Anything: masks that a published network makes from a grid of points."""

import logging
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UsageError
from objdisc.io.hashing import digest
from objdisc.models.origin import WeightsOrigin
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.support.features import full_size_region, working_image
from objdisc.types import Region, Sample

SUPERVISION = "class-agnostic masks (a billion of SA-1B, drawn by people and by the network itself)"
SUPERVISION_2 = f"{SUPERVISION[:-1]}, and those of 51,000 videos of SA-V)"

_PROGRAMS = {"sam": SUPERVISION, "sam2": SUPERVISION_2, "sam2_video": SUPERVISION_2}
"""What weights were trained with, by ``model_type`` in config.json; SAM 2 is published as a model for videos."""

_CONFIG = "config.json"

log = logging.getLogger("objdisc")


class Sam(ObjectnessSource):
    """Masks of Segment Anything 1 (Kirillov et al. 2023) or 2 (Ravi et al. 2024), through Hugging Face transformers.

    The network was trained with masks without classes: regions from it are supervised by these. It needs the extra
    ``objdisc[sam]``. A mask's score is the network's estimate of its overlap with the true object.

    Args:
        checkpoint: Folder that ``save_pretrained`` wrote, or name of a checkpoint in the local cache of the Hugging
            Face hub, such as facebook/sam-vit-base or facebook/sam2.1-hiera-tiny; nothing is downloaded.
        most: Most regions of an image.
        points: Points of the grid along each side of the image.
        least_overlap: Leave out masks with a lower estimated overlap, 0 to 1.
        least_stability: Leave out masks that are less stable when the threshold changes, 0 to 1.

    Attributes:
        origin: Where the weights come from, and what they were trained with.
    """

    guesses: ClassVar[bool] = True
    in_process = True

    def __init__(
        self,
        checkpoint: str,
        most: int = 64,
        points: int = 32,
        least_overlap: float = 0.88,
        least_stability: float = 0.95,
    ) -> None:
        if min(most, points) < 1 or not (0 <= least_overlap <= 1 and 0 <= least_stability <= 1):
            raise UsageError(
                f"sam: most {most}, points {points}, least_overlap {least_overlap}, least_stability {least_stability}; "
                "most and points start at 1, the others are shares from 0 to 1."
            )
        self.checkpoint, self.most, self.points = checkpoint, most, points
        self.least_overlap, self.least_stability = least_overlap, least_stability
        self.generator, seen = _load(checkpoint)
        self.origin = WeightsOrigin("file", seen, checkpoint)
        log.info("objectness sam: weights supervised by %s", seen)

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Make masks from a grid of points, as ``ObjectnessSource`` describes; the best comes first."""
        from PIL import Image

        del dataset, sample
        if (work := working_image(image)) is None:
            return []
        try:
            found = self.generator(
                Image.fromarray(work),
                points_per_crop=self.points,
                pred_iou_thresh=self.least_overlap,
                stability_score_thresh=self.least_stability,
            )
        except IndexError as error:
            log.debug("sam: no mask (%s)", error)
            return []  # transformers fails where no mask passes both thresholds
        masks = [np.asarray(mask, np.bool_) for mask in found["masks"]]
        scores = [min(max(float(score), 0.0), 1.0) for score in found["scores"]]
        regions = []
        for number in np.argsort(-np.array(scores), kind="stable").tolist():
            region = full_size_region(masks[number], (image.shape[0], image.shape[1]), scores[number])
            regions += [] if region is None else [region]
        return regions[: self.most]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings, and a hash of the weights."""
        state = self.generator.model.state_dict()
        return {
            "source": "sam",
            "values": digest(part for name, value in state.items() for part in (name, value.numpy().tobytes())),
            "most": self.most,
            "points": self.points,
            "least_overlap": self.least_overlap,
            "least_stability": self.least_stability,
        }


def _load(checkpoint: str) -> tuple[Any, str]:
    """Load network and processor from a folder or the local cache.

    Returns:
        A generator of masks of an image, and what the weights were trained with, in words.

    Raises:
        UsageError: transformers is missing, there is no such checkpoint, or it belongs to another network.
    """
    try:
        import transformers
    except ImportError as error:
        raise UsageError("--objectness sam needs transformers; install objdisc[sam].") from error
    kinds: Any = transformers  # parts of it have no types
    where = f"--objectness.checkpoint {checkpoint}"
    if Path(checkpoint).is_dir() and not (Path(checkpoint) / _CONFIG).is_file():
        raise UsageError(f"{where}: the folder has no {_CONFIG}; give one that save_pretrained wrote.")
    try:
        program = str(kinds.AutoConfig.from_pretrained(checkpoint, local_files_only=True).model_type)
        if program not in _PROGRAMS:
            raise UsageError(f"{where}: is of {program}; give Segment Anything, whose model_type is sam or sam2.")
        with torch.random.fork_rng(devices=[]):
            network = kinds.AutoModelForMaskGeneration.from_pretrained(checkpoint, local_files_only=True)
        looks = kinds.AutoImageProcessor.from_pretrained(checkpoint, local_files_only=True)
        generator = kinds.pipeline("mask-generation", network, image_processor=looks, device="cpu")
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{where}: neither a folder of Segment Anything nor in the local cache of Hugging Face's hub "
            f"({str(error).splitlines()[0][:120]}); download it where there is a network, and give the folder."
        ) from error
    generator.model.eval().requires_grad_(False)
    return generator, _PROGRAMS[program]
