"""The options of a run, and the data, regions, patches and method that they name."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from objdisc.config.components import Component, component, flag_only, flat, positional
from objdisc.config.parser import dump
from objdisc.datasets import DataOptions, FileOptions, ImageDataset
from objdisc.errors import UsageError
from objdisc.io.paths import checked_name
from objdisc.io.run import Run
from objdisc.io.staging import final_place
from objdisc.methods.base import Method
from objdisc.models.encoder import build_encoder
from objdisc.models.origin import WeightsOrigin
from objdisc.models.patch_grid import Pooling
from objdisc.objectness.automatic import automatic_source
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.shards import CutJob
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions
from objdisc.pipeline.summary import RunSummary
from objdisc.training.options import TrainerOptions

log = logging.getLogger("objdisc")

USUAL_CLUSTERS = 8
AUTO: Literal["auto"] = "auto"
"""Value for a number of clusters that is to be recommended."""

SCENE = Component("objdisc.methods.scene.Scene")
"""The default method that divides whole images."""


@dataclass(frozen=True)
class DiscoverOptions:
    """Find object categories in a folder of images without class labels, and show how good they are.

    Ground truth beside the images, if any, is read only after the training, for scoring: no weight, epoch, threshold or
    number of clusters depends on it.

    Attributes:
        path: Folder in Cityscapes layout, or any folder of images; by default $CITYSCAPES_DATASET or, if that is not
            set, a generated toy city.
        train_split: Split to train on; train if there is one.
        split: Evaluation split, which is scored, mapped and drawn; val if there is one, else the split of the training.
        foreground: Names of the classes that count as objects, separated by commas; by default the eight moving classes
            in Cityscapes layout. Training sees only whether a pixel is object or background.
        num_clusters: K, the number of categories to find, of objects and of scenes alike; auto recommends the number
            for objects from the encoder's features, without labels, and leaves that for scenes at 8.
        num_object_clusters: K of objects if it differs, or auto.
        num_scene_clusters: K of scenes if it differs.
        scene_size: Side, in pixels of the network's input, of the squares in which scenes are seen, each as high as the
            image; None for the method's default.
        objectness: Source of the regions that may hold objects, by name; auto takes the first that the data has of:
            ``annotations``, instance masks, annotations beside the images, whole images; else tree, which looks for
            objects with the encoder.
        method: The clustering method, by name.
        scene: Method that divides whole images into categories besides the objects, by name, or none; auto takes
            ``scene`` if the data has no masks of objects.
        encoder: nin, googlenet, or any model of timm or segmentation-models-pytorch; a name of timm may end with a tag
            for its weights, as in vit_small_patch14_dinov2.lvd142m.
        weights: Initial weights of the encoder: none (random); pretrained (those of its name and tag, downloaded;
            imagenet means the same); or a file or folder as timm, transformers or Meta publish them.
        channels: Channels of the images that the encoder takes: 3 for RGB, 4 with infrared.
        pooling: How the encoder's last feature map is pooled: max or avg; networks of this package always pool as they
            were designed to. A transformer takes token (class token), avg (mean of the patch tokens), token+avg, or
            max for its own way.
        baseline: Also train the paper's baseline, k-means on the same encoder, and print its scores beside the
            method's.
        strict: Stop at the first unreadable image instead of skipping it.
        output_dir: Folder of the run; by default runs/DATASET_METHOD_kK_sSEED. A folder that holds anything but this
            same run is refused.
        overwrite: Replace the run in that folder; it stays as it is until the new one is complete.
        resume: Run to continue exactly where it stopped, with its own settings.
        allow_import: Allow configs and flags to name classes from outside the package, whose modules are then run.
        init_from: Finished run whose weights the method starts from, as far as they fit; its encoder must fit.
        grow: Keep the categories of ``init_from`` with their ids, and find new ones in these images: groups of objects
            that are far from all known ones and near to each other. Nothing is trained. Encoder, patches and method are
            that run's.
        names: A names.json of that run, whose names of categories are kept.
        stages: Runs that make up this one, in order: a mapping from names to their own settings (``method``,
            ``patches`` and those of the training); all others are as here. Each starts from the previous one; the last
            is this run, the others lie in its folder under stages. {} for none; by default the stages of the method, if
            it is a chain and no ``init_from`` is given.
        overlays: Draw at most this many frames.
        data: How images are read: which classes are scored separately and which pixels take part, the scale, the bands,
            and which images are left out.
        files: Which files of the folder are images, label maps and maps of objects, if its layout does not say so.
        patches: How patches are cut.
        training: How the method is trained.
    """

    renamed: ClassVar[Mapping[str, str]] = {"reading": "data"}
    """Former names of settings, in configs and flags of version 0.1, and their current names."""

    path: Path | None = positional(default=None)
    train_split: str | None = None
    split: str | None = None
    foreground: tuple[str, ...] | None = None
    num_clusters: int | Literal["auto"] = USUAL_CLUSTERS
    num_object_clusters: int | Literal["auto"] | None = None
    num_scene_clusters: int | None = None
    scene_size: int | None = None
    objectness: Component | None = component(ObjectnessSource, "objdisc.objectness", given=("encoder", "weights"))
    method: Component = component(
        Method,
        "objdisc.methods",
        default=Component("objdisc.methods.kmeans_memory.KMeansMemory"),
        given=("encoder", "num_clusters", "seed"),
    )
    scene: Component | None = component(
        Method, "objdisc.methods", given=("encoder", "num_clusters", "seed"), implied=SCENE
    )
    encoder: str = "tf_efficientnet_lite0"
    weights: str = "imagenet"
    channels: int = 3
    pooling: Pooling = "max"
    baseline: bool = False
    strict: bool = False
    output_dir: Path | None = None
    overwrite: bool = flag_only()
    resume: Path | None = None
    allow_import: bool = flag_only()
    init_from: Path | None = None
    grow: bool = False
    names: Path | None = None
    stages: dict[str, dict[str, Any]] | None = None
    overlays: int = 50
    data: DataOptions = field(default_factory=DataOptions)
    files: FileOptions = flat(FileOptions)
    patches: PatchOptions = field(default_factory=PatchOptions)
    training: TrainerOptions = flat(TrainerOptions)

    def __post_init__(self) -> None:
        """Check the options that can be checked without data.

        Raises:
            UsageError: K is below 2, a split's name cannot be that of a folder, or two settings exclude each other.
        """
        for name in ("num_clusters", "num_object_clusters", "num_scene_clusters"):
            if (given := getattr(self, name)) not in {None, AUTO} and given < 2:
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} {given}: at least 2 are needed.")
        if self.overwrite and self.resume is not None:
            raise UsageError("--overwrite and --resume: a run is either replaced or continued; give one of them.")
        for split in filter(None, (self.train_split, self.split)):
            checked_name(split, "--split")  # folders are called after it

    @property
    def k(self) -> int:
        """K; before it is recommended, 2, the least number with which a method can be built for checks."""
        return 2 if self.num_clusters == AUTO else self.num_clusters

    @property
    def k_of_scenes(self) -> int:
        """K of scenes."""
        return self.num_scene_clusters or (USUAL_CLUSTERS if self.num_clusters == AUTO else self.num_clusters)


def choose_objectness(
    named: Component | None,
    dataset: ImageDataset,
    encoder: str,
    weights: str,
    *,
    scenes: bool = False,
    quiet: bool = False,
) -> ObjectnessSource:
    """Build the named source, or take the first that suits the data, and log which.

    Args:
        named: The source; None for one that suits the data.
        dataset: The images.
        encoder: Network of a source that uses one.
        weights: Initial weights of that network.
        quiet: Whether to log nothing.
        scenes: Whether regions also come from scenes if the images have no masks.
    """
    given = {"encoder": encoder, "weights": weights}
    if named is not None:
        return named.build(ObjectnessSource, **given)
    found = automatic_source(dataset, scenes=scenes)
    source = Component(f"{found.__module__}.{found.__qualname__}").build(ObjectnessSource, **given)
    if not quiet:
        log.info("objectness: %s (choose with --objectness)", source.name)
    return source


def build_store(
    run: Run, dataset: ImageDataset, source: ObjectnessSource, options: DiscoverOptions, *, keep: bool = False
) -> PatchStore:
    """Cut a split's patches into the run's folder, or reuse those in it.

    Args:
        run: Folder to write to.
        dataset: The split.
        source: Where its regions come from.
        options: How patches are cut.
        keep: See ``PatchStore.build``.
    """
    return PatchStore.build(
        dataset,
        source,
        options.patches,
        store_folder(run, dataset),
        seed=options.training.seed,
        workers=options.training.workers,
        strict=options.strict,
        keep=keep,
    )


def store_folder(run: Run, dataset: ImageDataset) -> Path:
    """Return where a run keeps the patches of a split."""
    return run.patches / (dataset.split or "all")


def cut_job(dataset: ImageDataset, source: ObjectnessSource, options: DiscoverOptions) -> CutJob:
    """Return the job of ``build_store``."""
    return CutJob(dataset, source, options.patches, options.training.seed)


def build_method(options: DiscoverOptions, weights: str | None = None) -> Method:
    """Build the method with its encoder; its random weights depend only on the seed.

    Args:
        options: Names and arguments.
        weights: Other weights to start from than the options name.
    """
    torch.manual_seed(options.training.seed)
    weights = options.weights if weights is None else weights
    encoder = build_encoder(options.encoder, weights, options.channels, pooling=options.pooling)
    if options.init_from is not None:
        encoder.origin = origin_after(options.init_from, encoder.origin)
    return options.method.build(Method, encoder=encoder, num_clusters=options.k, seed=options.training.seed)


def origin_after(start: Path, otherwise: WeightsOrigin) -> WeightsOrigin:
    """Return the origin of weights that start from a run's; that run may not exist yet."""
    summary = None
    with suppress(UsageError):  # what is damaged does not mention its weights
        summary = RunSummary.read(Run(start))
    return replace(otherwise if summary is None else summary.weights, init_from=str(final_place(start)))


def difference(one: DiscoverOptions, other: DiscoverOptions) -> str:
    """Return the first setting that differs, with both values; empty if two runs would be the same.

    Paths of data, annotations and run, and the hardware, do not matter.
    """

    def settings(of: DiscoverOptions) -> list[str]:
        training = replace(of.training, device="auto", workers=0)
        files = replace(of.files, annotations=None)
        return dump(replace(of, path=None, output_dir=None, resume=None, training=training, files=files)).splitlines()

    pairs = zip_longest(settings(one), settings(other), fillvalue="nothing")
    return next((f"{old.strip()}, now {new.strip()}" for old, new in pairs if old != new), "")


def baseline_of(method: Component) -> Component:
    """Return the paper's baseline with the same frozen part of the encoder: it differs only in the objective."""
    shared = {name: value for name, value in method.init_args.items() if name == "freeze"}
    return Component("objdisc.methods.kmeans_baseline.KMeansBaseline", shared)


def default_output_dir(path: Path, options: DiscoverOptions) -> Path:
    """Return ``runs/<dataset>_<method>_k<K>_s<seed>``, or ``runs/<dataset>_grown_<run before>`` for a grown run."""
    if options.grow and options.init_from is not None:
        return Path("runs") / f"{path.resolve().name}_grown_{options.init_from.resolve().name}"
    method = options.method.name
    return Path("runs") / f"{path.resolve().name}_{method}_k{options.num_clusters}_s{options.training.seed}"
