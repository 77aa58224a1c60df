"""Loading a finished run: its settings, its method and its summary, without executing any of its code."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from objdisc.config.components import Component
from objdisc.config.parser import load
from objdisc.datasets import ImageDataset
from objdisc.errors import UsageError
from objdisc.inference.predict import Predictor
from objdisc.io.files import read_json
from objdisc.io.hashing import digest_file
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.models.origin import WeightsOrigin
from objdisc.models.supervision import PRETRAINED, origin_of
from objdisc.objectness.base import ObjectnessSource
from objdisc.objectness.windows import Windows
from objdisc.patches.store import PatchStore
from objdisc.pipeline.images import fingerprint
from objdisc.pipeline.options import DiscoverOptions, build_method, choose_objectness, origin_after
from objdisc.pipeline.stages import plan
from objdisc.pipeline.summary import RunSummary
from objdisc.retrieval import Index
from objdisc.training.engine import check_device


@dataclass(frozen=True)
class LoadedRun:
    """A loaded run.

    Attributes:
        run: Its folder.
        options: Its settings.
        method: Its method with the weights of the last epoch, in evaluation mode.
        summary: The facts in its ``metrics.json``; None if it was only trained.
    """

    run: Run
    options: DiscoverOptions
    method: Method
    summary: RunSummary | None = None

    def on(self, device: str, **changes: Any) -> "LoadedRun":
        """Return the same run with its network on another device.

        Args:
            device: auto, cpu, cuda or mps.
            changes: Changes of further settings of ``TrainerOptions``.
        """
        training = replace(self.options.training, device=device, **changes)
        return replace(self, options=replace(self.options, training=training))


def load_run(path: Path, *, allow_import: bool = False, device: str = "auto") -> LoadedRun:
    """Load a finished run.

    Args:
        path: Its folder.
        device: Where its network will run, checked before anything is done: auto, cpu, cuda or mps.
        allow_import: Whether its settings may name classes from outside the package, whose modules are then run.

    Raises:
        UsageError: The folder is not a run, the run is not finished, its weights do not fit its settings, or the device
            is not available.
    """
    check_device(device)
    run = Run.open(path)
    if not run.weights.is_file():
        raise UsageError(f"{run.weights}: missing, the run is not finished; go on with: objdisc train --resume {path}")
    options = plan(load(DiscoverOptions, run.config, allow_import=allow_import), run)[-1].options
    method = build_method(options, weights="none")
    try:
        missing = method.load_state_dict(load_file(run.weights), strict=False).missing_keys
    except (SafetensorError, RuntimeError, OSError) as error:
        raise UsageError(f"{run.weights}: cannot be loaded ({' '.join(str(error).split())}); train again.") from error
    if missing:
        raise UsageError(f"{run.weights}: lacks {missing[0]}, which the method of {run.config} has; train again.")
    summary = RunSummary.read(run)
    method.encoder.origin = _origin_of(options) if summary is None else summary.weights
    return LoadedRun(run, options, method.eval(), summary)


def _origin_of(options: DiscoverOptions) -> WeightsOrigin:
    """Return the origin of a run's initial weights from its settings."""
    origin = origin_of(options.encoder, options.weights)
    return origin if options.init_from is None else origin_after(options.init_from, origin)


def open_results(run: Run) -> tuple[Index, PatchStore]:
    """Open a run's predictions for its evaluation split, and that split's patches; no image is needed.

    Raises:
        UsageError: Either is missing, or they do not belong together.
    """
    index = Index.open(run)
    again = f"make it again with: objdisc discover --resume {run.path}"
    try:
        store = PatchStore.open(run.patches / (index.split or "all"))
    except UsageError as error:
        raise UsageError(f"{str(error).partition('; build')[0]}; {again}") from error
    if (index.store_key, index.weights) != (store.key, weights_name(run)):
        raise UsageError(f"{run.index}: computed from other weights or patches than the run's; {again}")
    return index, store


def weights_name(run: Run) -> str:
    """Identify a run's weights, for caches of their predictions."""
    return digest_file(run.weights)


def foreground_scorer(loaded: LoadedRun) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None:
    """Return the run's foreground head as a function of patches; None if its method learned none.

    Args:
        loaded: The run; its options name the device.

    Returns:
        A function from ``(n, S, S, 4)`` uint8 patches to ``(n,)`` probabilities.
    """
    predictor = Predictor(loaded.method, loaded.options.training)
    side = loaded.options.patches.size
    if predictor.foreground(torch.zeros(1, side, side, 4, dtype=torch.uint8)) is None:
        return None

    def scorer(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        likely = predictor.foreground(torch.from_numpy(patches))
        assert likely is not None  # asked above
        return likely

    return scorer


def choose_source(
    named: Component | None, dataset: ImageDataset, loaded: LoadedRun, *, divided: bool = False
) -> ObjectnessSource:
    """Build the source of regions; windows are scored by the run's foreground head, if it learned one.

    If the images have no masks, and regions of the run came from scenes too, ``union`` is used.

    Args:
        named: The named source; None for one that suits the images.
        dataset: The images.
        loaded: The run.
        divided: Whether the scenes of the images will be divided before the regions are needed.

    Raises:
        UsageError: The source cannot be built, for instance because the file of the run's initial weights is gone.
    """
    options, scene = loaded.options, loaded.run.scene
    summary = RunSummary.read(scene) if scene.things.is_file() else None
    seen = summary is not None and (divided or _has_scenes_of(scene, dataset))
    told = None if loaded.summary is None else loaded.summary.objectness
    united = seen and told is not None and told.source == "union"
    try:
        source = choose_objectness(named, dataset, options.encoder, options.weights, scenes=united)
    except UsageError as error:
        if options.weights in {"none", *PRETRAINED} or Path(options.weights).exists():
            raise
        raise UsageError(
            f"{options.weights}: gone. The run {loaded.run.path} began with these weights, and regions are looked for "
            "with the encoder as it was before the training; put the file back, or give another --objectness."
        ) from error
    if isinstance(source, Windows):
        source.scorer = foreground_scorer(loaded)
        source.scorer_name = weights_name(loaded.run)
        source.scorer_size = loaded.options.patches.size
    if summary is not None and seen and source.wants_scene:
        source.read_scenes(scene, scene.maps("sceneIds"), summary.weights)
    return source


def _has_scenes_of(scene: Run, dataset: ImageDataset) -> bool:
    """Whether the scenes of a run were divided in exactly these images, and not in others with the same names."""
    known = read_json(scene.index / "index.json") if (scene.index / "index.json").is_file() else {}
    return fingerprint(dataset) in (known.get("fingerprints") or ())
