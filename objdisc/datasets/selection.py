"""Choosing the images of a data set by a list, by their size, and by the share of pixels that takes part."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from objdisc.datasets.grouping import DataOptions
from objdisc.errors import ObjdiscError, UnreadableImageError, UsageError
from objdisc.io.files import read_json, write_json
from objdisc.io.hashing import digest
from objdisc.types import Sample

CACHE = Path("runs/cache/selection")

Measured = TypeVar("Measured")

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class Measures:
    """How to measure one image; none of the functions tells a class.

    Attributes:
        size: ``(height, width)`` in pixels.
        share: Share of pixels that takes part, 0 to 1; 1 without a label map.
        label_paths: Files that ``share`` reads.
    """

    size: Callable[[Sample], tuple[int, int]]
    share: Callable[[Sample], float]
    label_paths: Callable[[Sample], tuple[Path, ...]]


def select_samples(
    samples: Sequence[Sample], options: DataOptions, measures: Measures, where: str, *, remember_from: int = 1000
) -> tuple[Sample, ...]:
    """Keep the images that are listed, are large enough, and have enough pixels that take part.

    If shares of many images are needed, the selection is cached below ``runs/cache``, by the label maps' paths, sizes
    and times.

    Args:
        samples: All images of the split.
        options: The options ``only``, ``min_side`` and ``min_share``.
        measures: How to measure an image.
        where: The data set and split, for messages.
        remember_from: Number of images from which on the selection is cached.

    Raises:
        UsageError: The list cannot be read or names an image that is not there, or no image is left. An image that
            cannot be measured is left out with a warning.
    """
    chosen = list(samples) if options.only is None else _listed(samples, Path(options.only), where)
    if options.min_side:
        sizes = [_look(measures.size, sample, (0, 0)) for sample in chosen]
        chosen = [sample for sample, size in zip(chosen, sizes, strict=True) if min(size) >= options.min_side]
    if options.min_share:
        known = CACHE / f"{_key(chosen, options, measures)}.json" if len(chosen) >= remember_from else None
        chosen = _with_share(chosen, options, measures, where, known)
    if not chosen:
        raise UsageError(
            f"{where}: no image has sides of {options.min_side} pixels and a share of {options.min_share} of valid "
            "ones; lower --data.min-side or --data.min-share."
        )
    return tuple(chosen)


def _listed(samples: Sequence[Sample], path: Path, where: str) -> list[Sample]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the list cannot be read ({error}); check --data.only.") from error
    wanted = {line.strip() for line in lines if line.strip()}
    there = {sample.name for sample in samples}
    missing = sorted(wanted - there)
    if missing or not wanted:
        what = f"{len(missing)} of {len(wanted)} names, such as {missing[0]}, belong to" if missing else "it names"
        raise UsageError(f"{path}: {what} no image of {where}; give one name a line, without suffix.")
    return [sample for sample in samples if sample.name in wanted]


def _with_share(
    samples: list[Sample], options: DataOptions, measures: Measures, where: str, known: Path | None
) -> list[Sample]:
    if known is not None and known.is_file():
        try:
            names = set(read_json(known)["names"])
            return [sample for sample in samples if sample.name in names]
        except (ObjdiscError, KeyError, TypeError):
            log.warning("%s: unreadable; choosing images again", known)
    if known is not None:
        log.info("%s: reading %d label maps to choose images; remembered in %s", where, len(samples), known)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoders let go of the interpreter
        shares = list(pool.map(lambda sample: _look(measures.share, sample, -1.0), samples))
    chosen = [sample for sample, share in zip(samples, shares, strict=True) if share >= options.min_share]
    if known is not None:
        try:
            write_json(known, {"names": [sample.name for sample in chosen]})
        except ObjdiscError as error:
            log.warning("%s; the choice of images is made again next time", error)
    return chosen


def _look(measure: Callable[[Sample], Measured], sample: Sample, unreadable: Measured) -> Measured:
    try:
        return measure(sample)
    except UnreadableImageError as error:
        log.warning("left out: %s", error)
        return unreadable


def _key(samples: Sequence[Sample], options: DataOptions, measures: Measures) -> str:
    parts = [json.dumps([options.valid_ids, options.min_share])]
    for sample in samples:
        parts.append(sample.name)
        for path in measures.label_paths(sample):
            status = path.stat()
            parts.append(f"{os.path.abspath(path)}:{status.st_size}:{status.st_mtime_ns}")
    return digest(parts)
