"""Prediction for any number of images with a finished run; only one batch of patches is in memory at a time."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.inference.predict import Predictions, join_predictions, select
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.windows import PatchOptions, cut_region
from objdisc.types import Region, Sample

Predict = Callable[[torch.Tensor], Predictions]
"""A run's method as a function of ``(B, S, S, 4)`` uint8 patches, such as ``inference.predict.Predictor``."""

_INSIDE = 0.5  # least expected share on objects, of a region that is a guess
"""Painting a region then gains more right pixels than wrong ones, if the expectation is right."""
_SURE = 0.9  # least probability of being an object, where no share is known
"""On CamVid train without its masks, a run that was trained with them then paints cars with a precision of 0.33 instead
of 0.13, finds 0.77 instead of 0.83 of their pixels, and paints 0.09 instead of 0.35 of the rest."""


@dataclass(frozen=True, eq=False)
class CutImage:
    """The objects of one image, or why there are none.

    Attributes:
        sample: The image.
        frame: ``(height, width)`` in pixels; ``(0, 0)`` for an image that cannot be read.
        regions: Its n objects.
        patches: ``(n, S, S, 4)`` uint8.
        problem: Why the image or its mask cannot be read; None if they can.
    """

    sample: Sample
    frame: tuple[int, int]
    regions: tuple[Region, ...]
    patches: NDArray[np.uint8]
    problem: UnreadableImageError | None = None


def cut_image(dataset: ImageDataset, source: ObjectnessSource, options: PatchOptions, sample: Sample) -> CutImage:
    """Find and cut the objects of one image, as a ``PatchStore`` does, without background windows.

    Args:
        dataset: The images.
        source: Where their regions come from.
        options: How patches are cut.
        sample: The image.
    """
    none = np.zeros((0, options.size, options.size, 4), np.uint8)
    try:
        image = dataset.read_image(sample)
        found = source.regions(dataset, sample, image)
    except UnreadableImageError as error:
        return CutImage(sample, (0, 0), (), none, error)
    smallest = options.min_area if source.outlines else 0
    regions = tuple(region for region in found if region.foreground and region.area >= smallest)
    frame = (image.shape[0], image.shape[1])
    patches = [cut_region(image, source.outlined(region, frame), options)[1] for region in regions]
    return CutImage(sample, frame, regions, np.stack(patches) if patches else none)


def cut_images(
    dataset: ImageDataset, source: ObjectnessSource, options: PatchOptions, samples: Sequence[Sample], workers: int
) -> Generator[CutImage, None, None]:
    """Cut images in order; each thread works ahead by at most two images.

    Args:
        dataset: The images.
        source: Where their regions come from; a source that holds a network runs in the calling thread.
        options: How patches are cut.
        samples: The images to cut.
        workers: Number of threads; 0 for none.
    """
    if workers < 1 or source.in_process:
        for sample in samples:
            yield cut_image(dataset, source, options, sample)
        return
    waiting: deque[Future[CutImage]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for sample in samples:
            waiting.append(pool.submit(cut_image, dataset, source, options, sample))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def predict_images(
    images: Iterable[CutImage], ask: Predict, batch_size: int
) -> Iterator[tuple[CutImage, Predictions | None]]:
    """Predict the patches of several images together, and give each image its own predictions.

    Args:
        images: Cut images; they are consumed as needed.
        ask: The method.
        batch_size: Patches that go through the network at once; images wait until there are that many.

    Yields:
        The images in order, with the predictions for their n patches; None if n is 0.
    """
    waiting: list[CutImage] = []
    count = 0
    for image in images:
        waiting.append(image)
        count += len(image.patches)
        if count >= batch_size:
            yield from _predictions(waiting, ask, batch_size)
            waiting, count = [], 0
    yield from _predictions(waiting, ask, batch_size)


def _predictions(
    images: Sequence[CutImage], ask: Predict, batch_size: int
) -> Iterator[tuple[CutImage, Predictions | None]]:
    if not sum(len(image.patches) for image in images):
        yield from ((image, None) for image in images)
        return
    patches = torch.from_numpy(np.concatenate([image.patches for image in images if image.regions]))
    said = join_predictions([ask(batch) for batch in torch.split(patches, batch_size)])
    start = 0
    for image in images:
        rows = np.arange(start, start + len(image.patches))
        start += len(rows)
        yield image, select(said, rows) if image.regions else None


def stream(
    dataset: ImageDataset,
    source: ObjectnessSource,
    options: PatchOptions,
    samples: Sequence[Sample],
    ask: Predict,
    *,
    workers: int,
    batch_size: int,
) -> Iterator[tuple[CutImage, Predictions | None]]:
    """Cut images and predict their objects, in order, by the functions above.

    Peak memory depends on the largest image and on ``batch_size``, not on the number of images.
    """
    with closing(cut_images(dataset, source, options, samples, workers)) as images:
        for image, said in predict_images(images, ask, batch_size):
            yield sure_objects(image, said) if source.guesses else (image, said)


def sure_objects(image: CutImage, said: Predictions | None) -> tuple[CutImage, Predictions | None]:
    """Leave out regions that are expected to lie on objects by less than half.

    Where that was not learned (``Acceptance``), regions with a low foreground probability are left out; where the
    method has no foreground head either, none.

    Args:
        image: A cut image.
        said: The predictions for its n patches; None if n is 0.
    """
    if said is None:
        return image, said
    if said.inside is not None:
        kept = np.flatnonzero(said.inside >= _INSIDE)
    elif said.foreground is not None:
        kept = np.flatnonzero(said.foreground >= _SURE)
    else:
        return image, said
    regions = tuple(image.regions[row] for row in kept)
    return replace(image, regions=regions, patches=image.patches[kept]), select(said, kept) if len(kept) else None
