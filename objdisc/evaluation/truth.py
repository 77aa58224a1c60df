"""Whether the label maps of a split can be read, checked before a training whose scoring would fail on them."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.types import Sample

_AT_ONCE = 256  # maps that are queued, which bounds how many results wait


def damaged_labels(dataset: ImageDataset, samples: Sequence[Sample] | None = None) -> dict[str, UnreadableImageError]:
    """Read the label maps of a split once.

    Args:
        dataset: The split.
        samples: The images to check; None for all.

    Returns:
        ``Sample.name`` to the problem, in the order of the samples, for each map that cannot be decoded, does not fit
            its image, or holds ids that are not a class.
    """
    chosen = [sample for sample in samples or dataset.samples if dataset.label_paths(sample)]
    return dict(_problems(dataset, chosen))


def labels_of(dataset: ImageDataset, sample: Sample) -> NDArray[np.uint8] | None:
    """Read the class of each pixel of an image, to show it to the user.

    Returns:
        ``(H, W)`` uint8 label ids; None without ground truth.

    Raises:
        UnreadableImageError: See ``ImageDataset.read_labels``.
    """
    return dataset.read_labels(sample)


def _problems(dataset: ImageDataset, samples: Sequence[Sample]) -> Iterator[tuple[str, UnreadableImageError]]:
    def problem(sample: Sample) -> UnreadableImageError | None:
        try:
            dataset.read_labels(sample)
        except UnreadableImageError as error:
            return error
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoders let go of the interpreter
        for start in range(0, len(samples), _AT_ONCE):
            part = samples[start : start + _AT_ONCE]
            for sample, found in zip(part, pool.map(problem, part), strict=True):
                if found is not None:
                    yield sample.name, found
