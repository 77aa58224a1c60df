"""Object discovery: unsupervised clustering of images, segments and patches into object categories.

Everything the command line does is a function that takes and returns objects and prints nothing:

    import objdisc
    run = objdisc.discover("photos", num_clusters=10)
    run.clusters, run.metrics, run.report, run.maps

Whatever needs PyTorch is imported only when it is first used, because importing PyTorch takes seconds.
"""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.utils.data import Dataset

    from objdisc import clustering, losses, methods, testing
    from objdisc.datasets import ImageDataset
    from objdisc.evaluation import metrics
    from objdisc.inference.predict import Predictions
    from objdisc.methods.base import Method
    from objdisc.models.encoder import Encoder
    from objdisc.patches.memory import Patches
    from objdisc.pipeline.finished import FinishedRun

__version__ = "0.2.0.dev0"

__all__ = [
    "clustering",
    "discover",
    "encoder",
    "fit",
    "load_run",
    "losses",
    "methods",
    "metrics",
    "open_dataset",
    "predict",
    "testing",
]

_MODULES = {
    "clustering": "objdisc.clustering",
    "losses": "objdisc.losses",
    "methods": "objdisc.methods",
    "metrics": "objdisc.evaluation.metrics",
    "testing": "objdisc.testing",
}


def discover(
    path: Path | str | None = None, *, config: Path | str | None = None, allow_import: bool = False, **settings: Any
) -> "FinishedRun":
    """Find object categories in a folder of images: train, predict, score where there are labels, and report.

    Args:
        path: The folder; None for $CITYSCAPES_DATASET, or for a generated toy city if that is not set.
        config: YAML file of settings, such as ``configs/camvid_kmeans_memory.yaml``.
        allow_import: Whether settings may name classes from outside the package, whose modules are then imported.
        settings: The settings that ``objdisc discover --help`` lists, as in YAML: ``num_clusters=10``,
            ``method="scan"``, ``encoder="resnet18"``, ``epochs=20``, ``patches={"size": 64}``. They win over the
            file's.

    Returns:
        The run; one that was finished before with the same settings is returned as it is.

    Raises:
        UsageError: The settings do not fit the data, the data is missing, or the run's folder holds something else.
        ObjdiscError: Something failed on the way.
    """
    from objdisc.commands.discover import DiscoverOptions
    from objdisc.commands.discover import discover as run_discover
    from objdisc.config.parser import compose
    from objdisc.pipeline.finished import FinishedRun

    switches: dict[str, Any] = {"overwrite": settings.pop("overwrite", False), "allow_import": allow_import}
    file = None if config is None else Path(config)
    options = _changed(compose(DiscoverOptions, file, settings, allow_import=allow_import), switches)
    if path is not None:
        options = _changed(options, {"path": Path(path)})
    run = run_discover(options).run
    return FinishedRun(run.path, options.training.device)


def _changed(options: Any, changes: dict[str, Any]) -> Any:
    from dataclasses import replace

    return replace(options, **changes)


def load_run(path: Path | str, *, device: str = "auto") -> "FinishedRun":
    """Open a finished run.

    Args:
        path: Its folder.
        device: Where its network runs: auto, cpu, cuda or mps.

    Raises:
        UsageError: The folder is not a run.
    """
    from objdisc.io.run import Run
    from objdisc.pipeline.finished import FinishedRun

    return FinishedRun(Run.open(Path(path)).path, device)


def fit(
    method: "Method",
    images: "Tensor | NDArray[Any] | Dataset[Any] | Patches",
    *,
    run: Path | str | None = None,
    **settings: Any,
) -> "Method":
    """Train a method on images that show one object each.

    Args:
        method: The method, such as ``objdisc.methods.SCAN(objdisc.encoder("resnet18", weights="none"),
            num_clusters=10)``.
        images: A tensor ``(N, C, S, S)`` or an array ``(N, S, S, C)``, uint8 or in [0, 1]; a PyTorch data set of such
            images, whose labels are not read; or a ``PatchStore``.
        run: Folder for weights, checkpoints and log; an interrupted training in it is resumed. None writes nothing.
        settings: Settings of the training, such as ``epochs=20``, ``batch_size=256``, ``lr=0.01``, ``device="cpu"``,
            ``augmentation=Augmentation(...)``; see ``objdisc.training.options.TrainerOptions``.

    Returns:
        The method itself, trained, in evaluation mode.

    Raises:
        UsageError: The images differ in size, there are fewer images than clusters, or a setting is unknown.
        ObjdiscError: The loss is not finite.
    """
    from objdisc.io.run import Run
    from objdisc.patches.memory import as_patches
    from objdisc.training.trainer import fit as train

    folder = None if run is None else Run.create(Path(run))
    train(method, as_patches(images), folder, _training(settings), resume=folder is not None)
    return method.eval()


def predict(
    method: "Method", images: "Tensor | NDArray[Any] | Dataset[Any] | Patches", **settings: Any
) -> "Predictions":
    """Predict cluster probabilities and embeddings of images with a trained method.

    Args:
        method: The method, trained with these settings.
        images: As ``fit`` takes them.
        settings: As ``fit`` takes them; device, precision, background and equalization matter.

    Returns:
        ``probabilities`` ``(N, K)``, ``features`` ``(N, D)`` and, where the method has such heads, ``foreground``
        ``(N,)`` and ``subheads`` ``(S, N, K)``, as NumPy arrays.

    Raises:
        UsageError: The images differ in size, the method was not trained, or a setting is unknown.
    """
    from objdisc.inference.predict import predict as predict_patches
    from objdisc.patches.memory import as_patches

    return predict_patches(method, as_patches(images), _training({"workers": 0, **settings}))


def _training(settings: dict[str, Any]) -> Any:
    from objdisc.errors import UsageError
    from objdisc.training.options import TrainerOptions

    try:
        return TrainerOptions(**settings)
    except TypeError as error:
        raise UsageError(str(error).replace("TrainerOptions.__init__()", "training:")) from error


def open_dataset(
    path: Path | str, split: str | None = None, *, foreground: tuple[str, ...] | None = None
) -> "ImageDataset":
    """Open a split of a folder of images as the data set whose layout it has.

    Args:
        path: The folder.
        split: Name of the split; None for val, or for the first split if there is no val.
        foreground: Names of the classes that are objects; None for those that the layout takes for objects.

    Raises:
        UsageError: The folder or the split is missing, or a class name is unknown.
    """
    from objdisc.datasets import DataOptions
    from objdisc.pipeline.data import open_split

    return open_split(Path(path), split, foreground, DataOptions())


def encoder(name: str = "tf_efficientnet_lite0", *, weights: str = "imagenet", **settings: Any) -> "Encoder":
    """Build an encoder.

    Args:
        name: An encoder of this package, or any model of timm or segmentation-models-pytorch.
        weights: ``none`` (random), ``pretrained`` or ``imagenet`` (the weights published under that name), or a file or
            folder.
        settings: ``channels`` of the images (3) and ``pooling``: ``avg``, ``max``, ``token`` or ``token+avg``.

    Raises:
        UsageError: The name is unknown, or the weights cannot be obtained or do not fit.
    """
    from objdisc.models.encoder import build_encoder

    return build_encoder(name, weights, **settings)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'objdisc' has no attribute {name!r}")
    module = importlib.import_module(_MODULES[name])
    sys.modules.setdefault(f"{__name__}.{name}", module)
    return module


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
