"""Growing a finished run on other images: its categories stay as they are, and new ones are added."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from numpy.typing import NDArray
from torch import Tensor

from objdisc.clustering.growth import NewGroups, Seen, find_new_groups
from objdisc.config.components import Component, component_names
from objdisc.config.parser import load
from objdisc.errors import UsageError
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.methods.grown import Grown
from objdisc.patches.store import PatchStore
from objdisc.pipeline.growth_facts import check_names
from objdisc.pipeline.job import Job
from objdisc.pipeline.loading import LoadedRun, load_run
from objdisc.pipeline.options import USUAL_CLUSTERS, DiscoverOptions, build_method, build_store, difference
from objdisc.pipeline.stages import plan
from objdisc.training.encoding import StoreEncoder

log = logging.getLogger("objdisc")

GROWN = f"{Grown.__module__}.{Grown.__qualname__}"
_SEEN = ("scale", "channels", "stretch")  # of how images are read, what the network sees
_SAMPLES, _VIEWS = 2000, 4  # objects of either side that are looked at, at most, and augmented views of each


def as_grown(options: DiscoverOptions) -> DiscoverOptions:
    """Copy to a grown run the options of the run that it grows from; options of other runs are returned unchanged.

    Encoder, patches and their preprocessing are those of that run, and so is the method, within ``methods.grown``. The
    number of clusters is that run's until new ones are found.

    Raises:
        UsageError: There is no such run, it cannot grow, or a setting contradicts it.
    """
    if not options.grow:
        if options.names is not None:
            raise UsageError("--names: names are kept from the run that is grown; give --init-from RUN --grow.")
        return options
    if options.init_from is None:
        raise UsageError("--grow: it grows the categories of a finished run; name that by --init-from RUN.")
    if options.method.class_path == GROWN:
        return options  # the settings of a grown run, read back
    loaded = load_run(options.init_from, allow_import=options.allow_import)
    _check_kind(loaded)
    _check_settings(options, loaded)
    training_stores(loaded, options.allow_import)
    if options.names is not None:
        check_names(options.names, loaded)
    own = loaded.options
    training = {name: getattr(own.training, name) for name in ("background", "equalization", "augmentation")}
    data = {name: getattr(own.data, name) for name in _SEEN}
    known = {"known": own.method.name, "known_args": json.dumps(dict(own.method.init_args), default=str)}
    return replace(
        options,
        method=Component(GROWN, known | {"num_known": own.k}),
        num_clusters=own.k,
        encoder=own.encoder,
        weights=own.weights,
        channels=own.channels,
        pooling=own.pooling,
        patches=own.patches,
        foreground=options.foreground or own.foreground,
        scene=Component("none"),
        init_from=options.init_from.absolute(),
        training=replace(options.training, **training),
        data=replace(options.data, **data),
    )


def _check_kind(loaded: LoadedRun) -> None:
    """Check that a run can grow.

    Raises:
        UsageError: It divides pixels, its method is not one of this package, or it was never evaluated.
    """
    path, method = loaded.run.path, loaded.options.method.name
    if loaded.options.method.class_path not in component_names(Method, "objdisc.methods").values():
        raise UsageError(
            f"--grow: {path} is of {loaded.options.method.class_path}, which is not a method of objdisc; its "
            "predictions cannot be combined with new categories without running its module."
        )
    if loaded.method.per_pixel:
        raise UsageError(
            f"--grow: {path} is of {method}, which divides pixels into categories, and only categories of objects can "
            "grow; take a run of a method for objects, such as kmeans_memory."
        )
    if loaded.summary is None:
        raise UsageError(f"--grow: {path} was trained alone; finish it by objdisc discover --resume {path}.")


def _check_settings(options: DiscoverOptions, loaded: LoadedRun) -> None:
    """Refuse settings that contradict the run; settings left at their defaults give way to the run's.

    Raises:
        UsageError: There is one.
    """
    own, usual, path = loaded.options, DiscoverOptions(), loaded.run.path
    number = next((n for n in (options.num_object_clusters, options.num_scene_clusters) if n is not None), None)
    if number is None and options.num_clusters not in {USUAL_CLUSTERS, own.k}:
        number = options.num_clusters
    if number is not None:
        raise UsageError(
            f"--grow: --num-clusters {number} contradicts it; the {own.k} categories of {path} stay, and how many new "
            "ones there are is found without labels. Leave it out."
        )
    if options.stages:
        raise UsageError("--grow: it is not a chain of trainings; leave --stages out.")
    if options.scene is not None and not options.scene.is_none:
        raise UsageError("--grow: only categories of objects grow; leave --scene out.")
    theirs, defaults = _compared(own), _compared(usual)
    for flag, value in _compared(options).items():
        if value not in (theirs[flag], defaults[flag]):
            raise UsageError(f"--grow: {flag} {value} contradicts {path}, which has {theirs[flag]}; leave it out.")


def _compared(options: DiscoverOptions) -> dict[str, object]:
    """Map flags to the settings that a grown run takes from the previous run."""
    found: dict[str, object] = {"--method": options.method.name}
    found |= {f"--{name}": getattr(options, name) for name in ("encoder", "weights", "channels", "pooling")}
    found |= {f"--{name}": getattr(options.training, name) for name in ("background", "equalization")}
    sections = {"patches": asdict(options.patches), "augmentation": asdict(options.training.augmentation)}
    sections["data"] = {name: getattr(options.data, name) for name in _SEEN}
    found |= {f"--{section}.{name}": value for section, values in sections.items() for name, value in values.items()}
    return {flag.replace("_", "-"): value for flag, value in found.items()}


def with_known_growth(options: DiscoverOptions, run: Run) -> DiscoverOptions:
    """Take the number of categories that an earlier call of exactly the same command has found, if there was one.

    Raises:
        UsageError: The run's folder is damaged.
    """
    if not options.grow or not run.config.is_file():
        return options
    there = load(DiscoverOptions, run.config, allow_import=options.allow_import, quiet=True)
    same = not difference(replace(there, num_clusters=options.num_clusters), options)
    return replace(options, num_clusters=there.num_clusters) if same else options


def training_stores(loaded: LoadedRun, allow_import: bool) -> list[PatchStore]:
    """Open the patches that a run was trained on, and for a grown run those of the runs before, too.

    Raises:
        UsageError: They are gone.
    """
    assert loaded.summary is not None  # held by _check_kind
    run, stores = loaded.run, []
    if loaded.options.grow and loaded.options.init_from is not None:
        stores = training_stores(load_run(loaded.options.init_from, allow_import=allow_import), allow_import)
    try:
        return [*stores, PatchStore.open(run.patches / (loaded.summary.train_split or "all"))]
    except UsageError as error:
        raise UsageError(
            f"--grow: the patches that {run.path} was trained on are gone, and new objects must be compared with them; "
            f"make them again by objdisc discover --resume {run.path}."
        ) from error


def with_growth(job: Job) -> Job:
    """Find the new categories of a begun job, and complete its method; other jobs are returned unchanged.

    Nothing is trained: the encoder is that of the previous run.

    Raises:
        UsageError: The images hold no object.
    """
    options, method = job.options, job.method
    if not options.grow or not isinstance(method, Grown) or options.init_from is None:
        return job
    if job.trained:
        return replace(job, method=load_run(job.run.path, allow_import=options.allow_import).method)
    store = build_store(job.run, job.dataset, job.source, options, keep=job.run.has_learned)
    if not store.foreground.any():
        raise UsageError(f"{job.path}: no objects were found; check --objectness.")
    loaded = load_run(options.init_from, allow_import=options.allow_import)
    kept = [_found(job, loaded, store)]
    if job.accelerator.num_processes > 1:
        broadcast_object_list(kept)  # unordered sums may have parted the processes
    found = kept[0]
    log.info("%.0f %% of the sampled objects are far from all known ones", 100 * found.far)
    options = replace(options, num_clusters=method.num_known + found.count)
    stages = tuple(plan(options, job.run))
    grown = build_method(stages[-1].options)
    assert isinstance(grown, Grown)  # as before
    grown.take_known(loaded.method.state_dict())
    grown.take_new(found)
    return replace(job, options=options, stages=stages, method=grown)


def _found(job: Job, loaded: LoadedRun, store: PatchStore) -> NewGroups:
    """Compare the same number of objects of the previous run and of the new images."""
    seed, before = job.options.training.seed, training_stores(loaded, job.options.allow_import)
    most = min(_SAMPLES, int(store.foreground.sum()), sum(int(each.foreground.sum()) for each in before))
    log.info("growing: comparing %d objects of either side and %d views of each", most, _VIEWS)
    known = [_seen(job, loaded, each, rows) for each, rows in zip(before, _drawn(before, most, seed), strict=True)]
    (rows,) = _drawn([store], most, seed)
    return find_new_groups(_joined(known), _seen(job, loaded, store, rows))


def _joined(parts: Sequence[Seen]) -> Seen:
    """Concatenate the objects of several folders; no image is in two of them."""
    starts = np.cumsum([0, *(int(part.images.max(initial=-1)) + 1 for part in parts)])
    return Seen(
        torch.cat([part.features for part in parts]),
        torch.cat([part.views for part in parts], dim=1),
        np.concatenate([part.images + start for part, start in zip(parts, starts[:-1], strict=True)]),
    )


def _drawn(stores: Sequence[PatchStore], most: int, seed: int) -> list[NDArray[np.int64]]:
    """Draw objects from several stores as if they were one: ascending rows of each."""
    objects = [np.flatnonzero(store.foreground) for store in stores]
    ends = np.cumsum([len(rows) for rows in objects])
    chosen = np.sort(np.random.default_rng(seed).permutation(ends[-1])[:most])
    places = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    return [rows[place - start] for rows, place, start in zip(objects, places, [0, *ends[:-1]], strict=True)]


def _seen(job: Job, loaded: LoadedRun, store: PatchStore, rows: NDArray[np.int64]) -> Seen:
    """Encode rows of a store and augmented views of them; images are numbered in the order of the store."""
    method = loaded.method.to(job.accelerator.device)
    encoder = StoreEncoder(store, method, job.accelerator, job.options.training)
    wanted, width = torch.from_numpy(rows), method.encoder.num_features
    if not len(wanted):
        return Seen(torch.zeros(0, width), torch.zeros(_VIEWS, 0, width), rows)

    def features(images: Tensor) -> Tensor:
        seen: Tensor = method.encoder(method.encoder_input(images))
        return seen

    views = torch.stack([encoder(features, wanted, view=view).cpu() for view in range(_VIEWS)])
    numbers = {name: number for number, name in enumerate(store.frames)}
    images = np.array([numbers[store.patch(int(row)).sample] for row in rows])
    return Seen(encoder(features, wanted).cpu(), views, images)
