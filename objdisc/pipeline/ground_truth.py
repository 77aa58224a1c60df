"""Label maps that cannot be read: they are found before the training, counted, and left out of the scoring only."""

import logging
from dataclasses import replace

from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.evaluation.truth import damaged_labels
from objdisc.pipeline.job import Job

log = logging.getLogger("objdisc")


def with_sound_labels(dataset: ImageDataset, *, strict: bool) -> ImageDataset:
    """Return a split without its damaged label maps, for scoring; the training data does not change.

    Args:
        dataset: The split that will be scored.
        strict: Whether a damaged map is an error.

    Raises:
        UsageError: A map is damaged, and ``strict`` is set; or all maps are damaged.
    """
    if not dataset.has_ground_truth or dataset.labels_whole_images:
        return dataset
    damaged = damaged_labels(dataset)
    if not damaged:
        return dataset
    labelled = sum(bool(dataset.label_paths(sample)) for sample in dataset.samples)
    first = next(iter(damaged.values()))
    what = f"{len(damaged)} of {labelled} label maps of split {dataset.split or 'all'!r} cannot be scored by"
    if strict or len(damaged) == labelled:
        way = "repair or remove them" if strict else "repair them, or remove them to run without scores"
        raise UsageError(f"{what}; the first: {first}; {way}.")
    log.warning("%s and are left out of the scoring only; the first: %s", what, first)
    return dataset.without_labels(frozenset(damaged))


def with_sound_truth(job: Job) -> Job:
    """Return a job that will not read the damaged label maps of its evaluation split.

    Raises:
        UsageError: See ``with_sound_labels``.
    """
    scored = with_sound_labels(job.scored, strict=job.options.strict)
    return replace(job, scored=scored, dataset=scored if job.dataset is job.scored else job.dataset)
