"""What a run's training images tell about the regions that a source guesses in images without masks."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.datasets import ImageDataset
from objdisc.errors import ObjdiscError, UnreadableImageError, UsageError
from objdisc.imaging.overlaps import share_inside
from objdisc.imaging.spread import spread_evenly
from objdisc.inference.acceptance import Acceptance
from objdisc.inference.predict import Predictor
from objdisc.inference.streaming import cut_image
from objdisc.io.hashing import digest_json
from objdisc.io.marks import Mark
from objdisc.io.progress import progress_bar
from objdisc.io.run import Run
from objdisc.objectness.base import ObjectnessSource
from objdisc.pipeline.data import find_data, open_training_split
from objdisc.pipeline.loading import LoadedRun, weights_name
from objdisc.pipeline.options import choose_objectness
from objdisc.training.encoding import patches_at_once
from objdisc.types import Sample

log = logging.getLogger("objdisc")

_LOOKED_AT = 24  # training images, at most, spread evenly; on CamVid train, 16 to 82 paint equally well
_ROUNDS = 4  # as many images again are looked at if too few regions lie on objects so far
_ENOUGH = 8.0  # regions' worth on objects, and off objects

_Learned = tuple[NDArray[np.float32], NDArray[np.float64]]


def acceptance_file(run: Run) -> Path:
    """Return where a run keeps what tells regions that lie on objects from others."""
    return run.path / "acceptance.safetensors"


def acceptance_of(run: LoadedRun, source: ObjectnessSource, predictor: Predictor) -> Acceptance | None:
    """Learn how much of a guessed region lies on objects, where a run was trained with masks or boxes.

    The source guesses regions in some of the run's training images, and the masks tell how much of each lies on
    objects. Classes are not read. The result is kept in the run's folder, for this source and these weights.

    Args:
        run: The run.
        source: A source that guesses.
        predictor: The run's method, on the device where it runs.

    Returns:
        None if the method has no foreground head, the run was not trained with masks, or, with the reason in the log,
        its training images are gone or too few regions lie on objects.
    """
    patches = run.options.patches
    probe = torch.zeros(1, patches.size, patches.size, len(run.method.encoder.mean) + 1, dtype=torch.uint8)
    # scenes are divided in the images of a folder, and not in those of the training
    if source.wants_scene or predictor.region_features(probe) is None:
        return None
    key = digest_json([weights_name(run.run), source.fingerprint(), asdict(patches), _LOOKED_AT])
    if (known := Acceptance.read(acceptance_file(run.run), key)) is not None:
        return known if known.learned else None
    try:
        options = run.options
        dataset = open_training_split(_data_of(run), options)
        masks = choose_objectness(options.objectness, dataset, options.encoder, options.weights, quiet=True)
        masks.check(dataset)
    except UsageError as error:
        log.info("regions are judged by the foreground head alone; the run's training images cannot be used: %s", error)
        return None
    if masks.guesses or not masks.outlines:
        return None
    found = _learn(run, dataset, masks, source, predictor, key)
    with suppress(ObjdiscError):  # a run that cannot be written to is learned from again
        found.write(acceptance_file(run.run))
    return found if found.learned else None


def _data_of(run: LoadedRun) -> Path:
    """Return the folder of a run's images: where it found them, or what its settings name."""
    mark = Mark.read(run.run.path)
    if mark is not None and mark.data is not None and Path(mark.data).is_dir():
        return Path(mark.data)
    return find_data(run.options.path)


def _learn(
    run: LoadedRun, dataset: ImageDataset, masks: ObjectnessSource, source: ObjectnessSource, ask: Predictor, key: str
) -> Acceptance:
    log.info("learning once, from training images of the run, which guessed regions lie on objects")
    places = spread_evenly(len(dataset.samples), _LOOKED_AT * _ROUNDS)
    rounds = -(-len(places) // _LOOKED_AT)
    learned: list[_Learned] = []
    inside = np.zeros(0)
    for start in range(rounds):  # each is spread over the whole split
        samples = [dataset.samples[place] for place in places[start::rounds].tolist()]
        learned += _regions(run, dataset, samples, masks, source, ask)
        inside = np.concatenate([np.zeros(0), *(shares for _, shares in learned)])
        if min(inside.sum(), (1 - inside).sum()) >= _ENOUGH:
            break
    facts = {
        "source": source.name,
        "masks": masks.name,
        "images": len(learned),
        "regions": len(inside),
        "on_objects": int((inside > 0.5).sum()),
    }
    if min(inside.sum(), (1 - inside).sum()) < _ENOUGH:
        where = "on objects" if inside.sum() < _ENOUGH else "off objects"
        log.info("regions are judged by the foreground head alone: too few of these %d lie %s", len(inside), where)
        return Acceptance.nothing(key, facts)
    return Acceptance.fit(np.concatenate([features for features, _ in learned]), inside, key, facts)


def _regions(
    run: LoadedRun,
    dataset: ImageDataset,
    samples: list[Sample],
    masks: ObjectnessSource,
    source: ObjectnessSource,
    ask: Predictor,
) -> Iterator[_Learned]:
    """Yield for each image the features ``(n, D)`` of its n guessed regions and their shares ``(n,)`` on objects."""
    at_once = patches_at_once(run.options.patches.size)
    with progress_bar("looking at training images", len(samples)) as advance:
        for sample in samples:
            advance(1)
            cut = cut_image(dataset, source, run.options.patches, sample)
            if not cut.regions:
                continue
            try:
                objects = masks.regions(dataset, sample, dataset.read_image(sample))
            except UnreadableImageError:
                continue  # an image without a mask says nothing
            outlines = [masks.outlined(region, cut.frame) for region in objects if region.foreground]
            found = [ask.region_features(batch) for batch in torch.split(torch.from_numpy(cut.patches), at_once)]
            features = np.concatenate([part for part in found if part is not None])
            yield features, share_inside(cut.regions, outlines, cut.frame)
