"""Estimates of the disk, memory and time that many objects need, logged before anything is cut."""

import logging
import time
from dataclasses import dataclass

import torch

from objdisc.pipeline.job import Job
from objdisc.training.engine import Machine

MANY = 20_000
"""Number of objects from which on their cost is logged."""

_TRIED = 16  # patches that go through the encoder to tell its speed
_BACKWARD = 3  # a step of training costs about three forward passes
_FLOAT = 4  # bytes

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class Costs:
    """An estimate of what a run needs.

    Attributes:
        objects: Number of objects in all splits.
        trained_on: Number of objects that the training sees.
        disk: Bytes of the patches on the disk.
        memory: Bytes of the embeddings and probabilities of all patches.
        seconds: Seconds of training and prediction.
    """

    objects: int
    trained_on: int
    disk: int
    memory: int
    seconds: float

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"{self.objects} objects: about {self.disk / 1e9:.1f} GB on the disk, {self.memory / 1e9:.1f} GB of memory "
            f"for what is predicted, and {_duration(self.seconds)} here for predicting them all and training on "
            f"{self.trained_on} of them (--max-objects)"
        )


def estimate(job: Job, trained: int, others: int, seconds_a_patch: float) -> Costs:
    """Estimate what a run needs.

    Args:
        job: The job.
        trained: Number of objects in the training split.
        others: Number of objects in the evaluation split, if it is another one.
        seconds_a_patch: Seconds that the encoder takes for a patch.
    """
    options, patches = job.options, job.options.patches
    windows = (trained + others) * (1 + patches.background_ratio)
    size = patches.size**2 * (job.dataset.num_channels + 1)
    numbers = job.method.encoder.num_features + options.k
    seen, steps = 0, 0.0
    for stage in job.stages:
        training = stage.options.training
        seen = min(trained, training.max_objects or trained)
        share = training.background_share if job.method.wants_background else 0.0
        steps += seen * training.epochs * (job.method.num_views + share / (1 - share))
    predicted = windows if others == 0 else others * (1 + patches.background_ratio)
    seconds = (_BACKWARD * steps + predicted) * seconds_a_patch
    return Costs(trained + others, seen, int(windows * size), int(predicted * numbers * _FLOAT), seconds)


def say_costs(job: Job, trained: int, others: int) -> None:
    """Log what a run needs if it has many objects; with few it takes no time.

    Args:
        job: The job.
        trained: Number of objects in the training split, as far as known.
        others: Number of objects in the evaluation split, if it is another one.
    """
    if trained + others >= MANY:
        log.info("%s", estimate(job, trained, others, _seconds_a_patch(job)))


@torch.no_grad()
def _seconds_a_patch(job: Job) -> float:
    """Run a few patches through the encoder, once to warm up and once for timing."""
    training, encoder = job.options.training, job.method.encoder
    machine = Machine.choose(training.device, training.precision)
    was_training, side = encoder.training, job.options.patches.size
    encoder.to(machine.device).eval()
    images = torch.zeros(_TRIED, job.dataset.num_channels, side, side, device=machine.device)
    prepared = job.method.encoder_input(images)
    spent = 0.0
    for _ in range(2):
        started = time.monotonic()
        with machine.autocast():
            float(encoder(prepared).float().sum())  # which waits for the device
        spent = time.monotonic() - started
    encoder.train(was_training)
    return spent / _TRIED


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
