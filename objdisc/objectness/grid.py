"""No objectness at all: a grid of square crops over every image, for methods that predict each pixel."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError, UsageError
from objdisc.imaging.crops import Window
from objdisc.imaging.masks import encode_crop
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample


class Grid(ObjectnessSource):
    """Crops of one size, spread evenly so that the first and the last of a row touch the image's borders.

    A network sees the image at a scale of the patch's size over the crop's side: crops of 256 pixels in patches of 128
    halve it. A crop's mask, the patch's last channel, marks its valid pixels.

    Args:
        side: Side of a crop in pixels of the image; 0 for the shorter side of each image.
        stride: Largest step between crops in pixels; 0 for the side, which places crops side by side.
        pad: Whether an image smaller than a crop is padded with invalid pixels; otherwise it is left out with a
            warning.
    """

    outlines: ClassVar[bool] = False

    def __init__(self, side: int = 256, stride: int = 0, pad: bool = False) -> None:
        if side < 0 or stride < 0:
            raise UsageError(f"grid: side {side}, stride {stride}; give a side and a stride of at least 0 pixels.")
        self.side = side
        self.stride = stride or side
        self.pad = pad

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Make one region of each crop that holds a valid pixel, as ``ObjectnessSource`` describes."""
        frame = (image.shape[0], image.shape[1])
        if min(frame) < self.side and not self.pad:
            raise UnreadableImageError(
                sample.image_path,
                f"{frame[1]}x{frame[0]} pixels, smaller than a crop of {self.side}; "
                "lower --objectness.side, or give --objectness.pad true",
            )
        valid = dataset.read_valid(sample)
        side = self.side or min(frame)
        regions = (_crop(window, frame, valid) for window in grid_windows(frame, side, self.stride or side))
        return [region for region in regions if region.area]

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings."""
        return {"source": "grid", "side": self.side, "stride": self.stride, "pad": self.pad}

    def files(self, dataset: ImageDataset, sample: Sample) -> tuple[Path, ...]:
        """Return the files that say which pixels are valid."""
        return dataset.label_paths(sample)


def grid_windows(frame: tuple[int, int], side: int, stride: int) -> list[Window]:
    """Cover a frame with squares, row by row.

    Args:
        frame: ``(H, W)`` in pixels.
        side: Side of a square in pixels. Along an axis that is shorter, a single square is centred on the frame.
        stride: Largest step in pixels; the steps are made equal, to a pixel, and the last square ends at the border.

    Returns:
        ``(x, y, side)`` of each; together they cover the frame.
    """
    ys, xs = (_starts(length, side, stride) for length in frame)
    return [(x, y, side) for y in ys for x in xs]


def _starts(length: int, side: int, stride: int) -> list[int]:
    slack = length - side
    if slack <= 0:
        return [slack // 2]
    steps = -(-slack // min(stride, side))
    return [round(step * slack / steps) for step in range(steps + 1)]


def _crop(window: Window, frame: tuple[int, int], valid: NDArray[np.bool_]) -> Region:
    """Make the region of one square, without a mask if all of it is valid."""
    x, y, side = window
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, frame[1]), min(y + side, frame[0])
    inside = valid[top:bottom, left:right]
    area = int(np.count_nonzero(inside))
    mask = None if area == inside.size else encode_crop(inside, (left, top), frame)
    return Region((left, top, right - left, bottom - top), area, mask, window=window)
