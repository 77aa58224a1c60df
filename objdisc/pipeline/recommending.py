"""The recommended number of clusters, which is found before the training and recorded in the run."""

import logging
from dataclasses import replace

import torch
from accelerate.utils import broadcast_object_list

from objdisc.clustering.number import RecommendedNumber, recommend_number
from objdisc.config.parser import load
from objdisc.errors import UsageError
from objdisc.io.files import read_json, write_json
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore
from objdisc.pipeline.job import Job
from objdisc.pipeline.options import AUTO, DiscoverOptions, build_method, build_store, difference
from objdisc.pipeline.stages import plan
from objdisc.training.checkpoint import start_from
from objdisc.training.encoding import StoreEncoder

log = logging.getLogger("objdisc")

_SAMPLES, _VIEWS = 1200, 4  # objects that are looked at, at most, and augmented views of each


def with_known_number(options: DiscoverOptions, run: Run) -> DiscoverOptions:
    """Take the number that an earlier call recommended for the same run, if there was one.

    Args:
        options: What is asked for.
        run: Where the run is written, or will be.

    Raises:
        UsageError: The run's folder is damaged.
    """
    known = read_number(run)
    if options.num_clusters != AUTO or known is None or not run.config.is_file():
        return options
    there = load(DiscoverOptions, run.config, allow_import=options.allow_import, quiet=True)
    if there.num_clusters != known.chosen or difference(replace(there, num_clusters=AUTO), options):
        return options
    return replace(options, num_clusters=known.chosen)


def with_recommended_number(job: Job) -> Job:
    """Recommend the number of clusters of a job that asks for it; any other job is returned unchanged.

    The encoder is that of the run before the training, and the images are those of the training. The number and its
    evidence are written to the run, but not to its settings.

    Args:
        job: A begun job, whose folder is held.

    Raises:
        UsageError: There are too few objects, or the method divides single pixels.
    """
    if job.options.num_clusters != AUTO:
        return job
    if job.method.per_pixel:
        raise UsageError(
            f"--num-clusters auto: {job.options.method.name} divides pixels, and the number is recommended for objects "
            "alone; give a number."
        )
    store = build_store(job.run, job.dataset, job.source, job.options, keep=job.run.has_learned)
    found = _recommended(job, store)
    kept = [found]
    if job.accelerator.num_processes > 1:
        broadcast_object_list(kept)  # unordered sums may have parted the processes
    found = kept[0]
    if job.accelerator.is_main_process:
        write_json(job.run.num_clusters, found.to_json())
    log.info("%s", in_words(found))
    options = replace(job.options, num_clusters=found.chosen)
    stages = tuple(plan(options, job.run))
    return replace(job, options=options, stages=stages, method=build_method(stages[-1].options))


def _recommended(job: Job, store: PatchStore) -> RecommendedNumber:
    method = build_method(job.options)
    if job.options.init_from is not None:
        method.setup(len(store))
        start_from(Run(job.options.init_from), method)
    method.to(job.accelerator.device)
    training = job.options.training
    encoder = StoreEncoder(store, method, job.accelerator, training)
    rows = encoder.foreground.nonzero()[:, 0]
    drawn = torch.randperm(len(rows), generator=torch.Generator().manual_seed(training.seed))[:_SAMPLES]
    rows = rows[drawn.sort().values]
    if not len(rows):
        raise UsageError(f"{job.path}: no objects from which to choose a number of clusters; check --objectness.")
    log.info("number of clusters: comparing %d objects and %d views of each", len(rows), _VIEWS)
    views = torch.stack([encoder(method.encoder, rows, view=view) for view in range(_VIEWS)])
    return recommend_number(encoder(method.encoder, rows).cpu(), views.cpu(), seed=training.seed)


def read_number(run: Run) -> RecommendedNumber | None:
    """Read the recommended number of a run; None if none was asked for.

    Raises:
        UsageError: The file is damaged.
    """
    if not run.num_clusters.is_file():
        return None
    try:
        return RecommendedNumber.from_json(read_json(run.num_clusters))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{run.num_clusters}: damaged; delete it, and the number is searched for again.") from error


def in_words(found: RecommendedNumber) -> str:
    """Describe the recommended number, and the evidence for others."""
    strength = f"strength {found.strengths[found.chosen]:.2f}"
    strength += "" if found.is_found_again else f", below {found.threshold:.2f}: a guess"
    others = [f"the silhouette says {found.silhouette}"]
    if (runner_up := found.runner_up) is not None:
        others.insert(0, f"runner-up {runner_up} with {found.strengths[runner_up]:.2f}")
    return f"number of clusters: {found.chosen} ({strength}; {', '.join(others)})"


def doubt(found: RecommendedNumber) -> str:
    """Say that no number of clusters can be trusted."""
    return (
        f"No number of clusters is found again in the other half of the objects: {found.chosen} comes nearest, with a "
        f"strength of {found.strengths[found.chosen]:.2f} instead of {found.threshold:.2f}. Take it as a guess, and "
        "try others by --num-clusters."
    )
