"""The nouns of the package, as frozen dataclasses that every room shares."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # torch takes seconds and memory that processes which cut patches need not spend
    from torch import Tensor


class RunLengthMask(TypedDict):
    """A binary mask in COCO's compressed run-length encoding, as ``pycocotools.mask`` reads it."""

    size: list[int]
    counts: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set: its name and its file.

    Attributes:
        name: Identifier within the data set: the image's path below its split without suffixes,
            ``/``-separated (Cityscapes: ``frankfurt/frankfurt_000000_000294``).
        image_path: The image file.
        split: ``train``, ``val``, ``test``, or ``""`` where the data set has no splits.
        city: The Cityscapes city, or the subfolder of an image folder; ``""`` if there is none.
    """

    name: str
    image_path: Path
    split: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of one image that may hold an object; it carries no class.

    Attributes:
        box: ``(x, y, width, height)`` in pixels of the full image.
        area: Number of pixels inside the mask, or inside the box if there is no mask.
        mask: Full-frame mask; None if the region is its whole box.
        foreground: False for a region that is known to hold no object.
        score: Confidence of the source that this is an object, 0 to 1.
        window: ``(x, y, side)`` of the square to cut, which may reach over the border; None for the box with a margin.
        source_id: Its id in the annotation file; None if it comes from no such file.
    """

    box: tuple[int, int, int, int]
    area: int
    mask: RunLengthMask | None = None
    foreground: bool = True
    score: float = 1.0
    window: tuple[int, int, int] | None = None
    source_id: str | None = None

    def is_mere_square(self, frame: tuple[int, int]) -> bool:
        """Whether it is only a place to look at: a square without an outline that is not the whole image.

        Args:
            frame: ``(height, width)`` of the image in pixels.
        """
        width, height = self.box[2:]
        return self.mask is None and width == height and (height, width) != frame


@dataclass(frozen=True, slots=True)
class Patch:
    """A square window cut around a region: one row of a ``PatchStore``.

    Attributes:
        sample: ``Sample.name`` of the image.
        window: ``(x, y, side)`` in pixels of the full image; may reach over its border.
        frame: ``(height, width)`` of the full image in pixels.
        region: The region that the window frames.
    """

    sample: str
    window: tuple[int, int, int]
    frame: tuple[int, int]
    region: Region


@dataclass(frozen=True, slots=True)
class Batch:
    """What a method trains on; no class label is in it.

    Attributes:
        views: One tensor per view, each ``(B, C, H, W)`` float32, normalised as the encoder asks.
        index: ``(B,)`` int64 rows of the data set.
        foreground: ``(B,)`` bool, False for background windows.
        context: ``views[0]`` with the surroundings of the object left in; the same tensor if views keep them too.
        valid: ``(B, H, W)`` bool, the valid pixels of ``views[0]``; for an affine pair, those that both views see. The
            trainer always gives it.
        to_first: ``(B, 2, 3)`` transforms with which ``affine.warp`` brings predictions of ``views[1]`` into the frame
            of ``views[0]``; None unless the views are an affine pair.
    """

    views: "tuple[Tensor, ...]"
    index: "Tensor"
    foreground: "Tensor"
    context: "Tensor"
    valid: "Tensor | None" = None
    to_first: "Tensor | None" = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a method predicts for B images, on their device.

    Attributes:
        probabilities: ``(B, K, h, w)`` float32 cluster probabilities; h = w = 1 for patches.
        embedding: ``(B, D)`` float32, which retrieval and neighbour searches compare.
        foreground: ``(B,)`` probability that a patch holds an object; None if the method learns no such head.
        subheads: ``(S, B, K)`` probabilities of all sub-heads, one of which gives ``probabilities``; None if there is
            only one.
        region_features: ``(B, D)`` features of a patch's region and of its surroundings, from which may be learned how
            much of the region lies on objects; None if the method learns no foreground.
    """

    probabilities: "Tensor"
    embedding: "Tensor"
    foreground: "Tensor | None" = None
    subheads: "Tensor | None" = None
    region_features: "Tensor | None" = None


NOTHING = -1
"""In a ``SegmentationMap``: no object was found here."""

UNKNOWN = -2
"""In a ``SegmentationMap``: an object that is far from every cluster."""


@dataclass(frozen=True, slots=True)
class SegmentationMap:
    """The full-size segmentation of one image.

    Attributes:
        sample: ``Sample.name`` of the image.
        clusters: ``(H, W)`` int16 cluster ids; -1 (``NOTHING``) where nothing was found, -2 (``UNKNOWN``) where an
            object is far from every cluster.
        confidence: ``(H, W)`` float32 in [0, 1], probability of the cluster; 0 where there is none.
    """

    sample: str
    clusters: NDArray[np.int16]
    confidence: NDArray[np.float32]
