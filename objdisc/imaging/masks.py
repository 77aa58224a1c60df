"""Binary masks in COCO's run-length encoding, read and written through their bounding box.

pycocotools encodes whole frames. A region fills little of its frame, so these functions touch only the region's
columns: they give the same bytes several times faster on street scenes.
"""

import itertools
from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.runs import InstanceRuns, find_runs
from objdisc.types import Region, RunLengthMask

Box = tuple[int, int, int, int]

_DIGIT_LIMITS = 1 << (5 * np.arange(1, 13) - 1)  # what one, two, ... digits of a count do not hold: 16, 512, ...
_RECENT = 64  # masks kept decoded: those of one image, mostly
_recent: OrderedDict[tuple[str, int, Box], NDArray[np.bool_]] = OrderedDict()


def encode_mask(mask: NDArray[np.bool_]) -> RunLengthMask:
    """Encode a full-frame mask.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        The same encoding as ``pycocotools.mask.encode``, with ``counts`` as text.
    """
    return encode_crop(mask, (0, 0), (mask.shape[0], mask.shape[1]))


def encode_crop(crop: NDArray[np.bool_], corner: tuple[int, int], frame: tuple[int, int]) -> RunLengthMask:
    """Encode a mask that is False outside a box of the frame.

    Args:
        crop: ``(h, w)`` bool, the mask inside the box.
        corner: ``(x, y)`` of the box in pixels of the frame; the box lies inside the frame.
        frame: ``(H, W)`` in pixels.

    Returns:
        The encoding of the ``(H, W)`` mask.
    """
    (height, width), (x, y), frame_height = crop.shape, corner, frame[0]
    # Column-major, and one False pixel above and below each column, so that every run starts and ends in its column.
    columns = np.zeros((width, height + 2), dtype=np.bool_)
    columns[:, 1:-1] = crop.T
    flat = columns.ravel()
    change = np.flatnonzero(flat[1:] != flat[:-1])  # alternately before a run's first pixel and at its last
    column, row = np.divmod(change, height + 2)
    bounds = (x + column) * frame_height + y + row
    if bounds.size:
        (counts,) = _encode_runs(bounds[::2], bounds[1::2], np.array([0, len(bounds) // 2]), frame)
    else:
        (counts,) = _compress(np.array([frame[0] * frame[1]]), np.zeros(1, np.int64))
    return {"size": list(frame), "counts": counts}


def _encode_runs(
    starts: NDArray[np.int64], stops: NDArray[np.int64], ends: NDArray[np.int64], frame: tuple[int, int]
) -> list[str]:
    """Encode masks, all in one pass.

    Args:
        starts: ``(n,)`` first pixel of each run in column-major order; every run stays in one column.
        stops: ``(n,)`` one past its last pixel.
        ends: ``(m + 1,)``: the runs of mask i are those from ``ends[i]`` up to ``ends[i + 1]``, at least one.
        frame: ``(H, W)`` in pixels.

    Returns:
        ``m`` counts.
    """
    if (starts[1:] == stops[:-1]).any():
        starts, stops, ends = _merge(starts, stops, ends)
    heads, tails = ends[:-1], ends[1:] - 1
    lengths = np.empty((len(starts), 2), dtype=np.int64)  # of the gap before each run, and of the run
    np.subtract(starts[1:], stops[:-1], out=lengths[1:, 0])
    lengths[heads, 0] = starts[heads]
    np.subtract(stops, starts, out=lengths[:, 1])
    # From its fourth on, a length is written as what it differs from the one two before.
    values = lengths.copy()
    values[1:] -= lengths[:-1]
    values[heads] = lengths[heads]
    seconds = heads[heads < tails] + 1
    values[seconds, 0] = lengths[seconds, 0]
    # The gap after the last run; left out where it is empty.
    rest = frame[0] * frame[1] - stops[tails]
    last = np.where(heads < tails, rest - lengths[tails, 0], rest)
    firsts = np.concatenate([2 * heads, values.size + np.arange(len(tails))])
    texts = _compress(np.concatenate([values.ravel(), last]), firsts)
    gaps = texts[len(tails) :]
    return [text + gap if left else text for text, gap, left in zip(texts, gaps, rest.tolist(), strict=False)]


def _merge(
    starts: NDArray[np.int64], stops: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Join touching runs of a mask: one that reaches the frame's last row may continue in the next column's first."""
    owners = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    apart = (starts[1:] != stops[:-1]) | (owners[1:] != owners[:-1])
    begins = np.append(True, apart)
    return starts[begins], stops[np.append(apart, True)], np.searchsorted(owners[begins], np.arange(len(ends)))


def _compress(values: NDArray[np.int64], firsts: NDArray[np.int64]) -> list[str]:
    """Encode numbers as COCO's counts, the inverse of ``run_lengths``.

    Args:
        values: ``(n,)`` the numbers of all masks.
        firsts: ``(m,)`` where each mask's numbers begin.
    """
    digits = 1 + np.searchsorted(_DIGIT_LIMITS, np.where(values < 0, ~values, values), side="right")
    ends = digits.cumsum()
    place = np.arange(ends[-1]) - np.repeat(ends - digits, digits)
    text = (np.repeat(values, digits) >> (5 * place) & 0x1F) | 0x20
    text[ends - 1] ^= 0x20
    letters = (text + 48).astype(np.uint8).tobytes().decode("ascii")
    bounds = [*(ends - digits)[firsts].tolist(), len(letters)]
    return [letters[start:stop] for start, stop in itertools.pairwise(bounds)]


def decode_mask(rle: RunLengthMask) -> NDArray[np.bool_]:
    """Decode a full-frame mask.

    Returns:
        ``(H, W)`` bool.
    """
    height, width = rle["size"]
    return decode_crop(rle, (0, 0, width, height))


def decode_crop(rle: RunLengthMask, box: Box) -> NDArray[np.bool_]:
    """Decode the part of a mask inside a box.

    Args:
        rle: A full-frame mask.
        box: ``(x, y, width, height)`` in pixels, inside the frame.

    Returns:
        ``(height, width)`` bool.
    """
    frame_height = rle["size"][0]
    x, y, width, height = box
    start, stop = x * frame_height, (x + width) * frame_height
    bounds = np.minimum(np.maximum(run_lengths(rle["counts"]).cumsum(), start), stop)
    lengths = np.empty_like(bounds)
    lengths[0] = bounds[0] - start
    np.subtract(bounds[1:], bounds[:-1], out=lengths[1:])
    values = np.zeros(lengths.size, dtype=np.bool_)
    values[1::2] = True
    columns = np.repeat(values, lengths).reshape(width, frame_height)
    return columns[:, y : y + height].T


def decode_box(counts: str, frame_height: int, box: Box) -> NDArray[np.bool_]:
    """Decode a region's mask inside its box; the last few are cached, since background and patch both need them.

    Args:
        counts: ``RunLengthMask["counts"]``.
        frame_height: ``RunLengthMask["size"][0]`` in pixels.
        box: ``(x, y, width, height)`` in pixels, inside the frame.

    Returns:
        ``(height, width)`` bool, read-only.
    """
    crop = _recent.get((counts, frame_height, box))
    if crop is None:
        crop = _remember(decode_crop({"size": [frame_height, 0], "counts": counts}, box), counts, frame_height, box)
    return crop


def _remember(crop: NDArray[np.bool_], counts: str, frame_height: int, box: Box) -> NDArray[np.bool_]:
    """Cache a mask's pixels for the next ``decode_box``, in place of the oldest."""
    crop.flags.writeable = False
    _recent[counts, frame_height, box] = crop
    if len(_recent) > _RECENT:
        _recent.popitem(last=False)
    return crop


def run_lengths(counts: str) -> NDArray[np.int64]:
    """Decompress COCO's counts: base-32 digits, low first, bit 5 = more follow; from the 4th on, less the one 2 before.

    The format is that of ``rleFrString`` in cocoapi/common/maskApi.c.

    Returns:
        ``(n,)`` lengths of runs in column-major order: False, True, False, ...
    """
    digits = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((digits & 0x20) == 0)
    first = np.empty_like(last)
    first[0] = 0
    first[1:] = last[:-1] + 1
    place = np.arange(digits.size) - np.repeat(first, last - first + 1)
    lengths = np.add.reduceat((digits & 0x1F) << (5 * place), first)
    # Bit 4 of the last digit is the sign of a two's complement.
    lengths -= (digits[last] & 0x10) << (5 * (last - first) + 1)
    # The first run stands alone: differences to the run two before start with the fourth.
    lengths[1::2] = lengths[1::2].cumsum()
    lengths[2::2] = lengths[2::2].cumsum()
    return lengths


def inscribed_ellipse(box: Box, frame: tuple[int, int]) -> RunLengthMask:
    """Make the mask of the ellipse that touches the four sides of a box.

    Args:
        box: ``(x, y, width, height)`` in pixels, inside the frame, of at least one pixel.
        frame: ``(H, W)`` in pixels.

    Returns:
        The full-frame mask of the pixels whose centre lies inside the ellipse.
    """
    x, y, width, height = box
    across = (2 * np.arange(width) + 1 - width) / width
    down = (2 * np.arange(height) + 1 - height) / height
    return encode_crop(across**2 + down[:, None] ** 2 <= 1, (x, y), frame)


def region_from_mask(mask: NDArray[np.bool_], *, score: float = 1.0) -> Region:
    """Make the region of a full-frame mask.

    Args:
        mask: ``(H, W)`` bool with at least one True pixel.
        score: Confidence that this is an object, 0 to 1.

    Returns:
        A foreground region with a tight box.

    Raises:
        ValueError: The mask is empty.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8) if mask.flags.c_contiguous else mask.astype(np.uint8))
    if width == 0:
        raise ValueError("an empty mask has no box; leave such a region out")
    crop = mask[y : y + height, x : x + width]
    rle = encode_crop(crop, (x, y), (mask.shape[0], mask.shape[1]))
    return Region((x, y, width, height), int(np.count_nonzero(crop)), rle, score=score)


def regions_from_runs(runs: InstanceRuns) -> list[Region]:
    """Make one region of each instance.

    Returns:
        Foreground regions with tight boxes, in the order of the instances.
    """
    if not runs.boxes:
        return []
    regions = []
    texts = _encode_runs(runs.starts, runs.stops, runs.ends, runs.frame)
    for box, area, crop, text in zip(runs.boxes, runs.areas, runs.crops, texts, strict=True):
        _remember(crop, text, runs.frame[0], box)
        regions.append(Region(box, area, {"size": list(runs.frame), "counts": text}))
    return regions


def regions_from_map(instances: NDArray[np.integer]) -> list[Region]:
    """Make one region of each number in an instance map.

    Args:
        instances: ``(H, W)`` integers; 0 = no object, greater numbers = one instance each, connected or not.

    Returns:
        Foreground regions with tight boxes, by rising number.
    """
    return regions_from_runs(find_runs(instances))


def regions_from_binary(mask: NDArray[np.bool_]) -> list[Region]:
    """Make one region of each 8-connected component of a mask.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        Foreground regions with tight boxes, in the raster order of their first pixel.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    frame = (mask.shape[0], mask.shape[1])
    regions = []
    for number in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[number])
        crop = labels[y : y + height, x : x + width] == number
        regions.append(Region((x, y, width, height), area, encode_crop(crop, (x, y), frame)))
    return regions
