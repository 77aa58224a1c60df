"""The images of a run: its folder, its training split and its evaluation split."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from objdisc.datasets import DataOptions, FileOptions, ImageDataset, available_splits, open_dataset
from objdisc.datasets.toycity.generate import generate_toy_city
from objdisc.pipeline.options import DiscoverOptions

log = logging.getLogger("objdisc")

TOY_CITY = Path("runs/cache/toycity")


def find_data(path: Path | None) -> Path:
    """Return the folder to work on: the given one, $CITYSCAPES_DATASET, or the generated toy city."""
    if path is not None:
        return path
    if named := os.environ.get("CITYSCAPES_DATASET"):
        log.info("no folder given: taking $CITYSCAPES_DATASET, %s", named)
        return Path(named)
    log.info("no folder given: taking the generated toy city, %s", TOY_CITY)
    return generate_toy_city(TOY_CITY)


def open_splits(path: Path, options: DiscoverOptions) -> tuple[ImageDataset, ImageDataset]:
    """Open the training split and the evaluation split; the same object twice if they are the same.

    Raises:
        UsageError: A split is missing or empty.
    """
    splits = available_splits(path, options.files)
    dataset = open_training_split(path, options)
    train_split = _training_split(splits, options)
    split = options.split or ("val" if "val" in splits else train_split)
    if split == train_split or not splits:
        log.warning("trained and scored on the same split, %s", dataset.split or "the whole folder")
        return dataset, dataset
    data = replace(options.data, stretch=dataset.options.stretch)  # the same value is the same grey in both
    return dataset, open_dataset(path, split, options.foreground, data, options.files)


def open_training_split(path: Path, options: DiscoverOptions) -> ImageDataset:
    """Open the training split alone.

    Raises:
        UsageError: It is missing or empty.
    """
    split = _training_split(available_splits(path, options.files), options)
    return open_dataset(path, split, options.foreground, options.data, options.files)


def _training_split(splits: Sequence[str], options: DiscoverOptions) -> str:
    return options.train_split or ("train" if "train" in splits or not splits else splits[0])


def open_split(
    path: Path,
    split: str | None,
    foreground: tuple[str, ...] | None,
    data: DataOptions,
    files: FileOptions | None = None,
) -> ImageDataset:
    """Open the named split, or else val, or else the first one."""
    splits = available_splits(path, files)
    default = "val" if "val" in splits else next(iter(splits), "")
    return open_dataset(path, split or default, foreground, data, files)
