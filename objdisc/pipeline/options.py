"""What a run starts from: its options, and the data, regions, patches and method that they name."""

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
"""What stands for a number of clusters that is to be recommended."""

SCENE = Component("objdisc.methods.scene.Scene")
"""What divides whole images where nothing else is named."""


@dataclass(frozen=True)
class DiscoverOptions:
    """Find object categories in a folder of images, without class labels, and show how good they are.

    Where ground truth lies beside the images, it is read after the training, to score: no weight, epoch, threshold or
    number of clusters depends on it.

    Attributes:
        path: Folder in Cityscapes layout, or any folder of images. Without one: $CITYSCAPES_DATASET, and without that
            a generated toy city.
        train_split: Split to train on; train where there is one.
        split: Evaluation split: scored, mapped and drawn; val where there is one, else the split of the training.
        foreground: Classes that count as objects, by name, with commas between; the eight moving classes in
            Cityscapes layout. All that training sees of it is object or not.
        num_clusters: K, the number of categories to find, of objects and of scenes alike; auto recommends that of
            objects from what the encoder sees, without labels, and leaves that of scenes at 8.
        num_object_clusters: K of objects where it is another one, or auto.
        num_scene_clusters: K of scenes where it is another one.
        scene_size: Side of the squares, as high as each image, that scenes are seen in, in pixels of the network's
            input; None for what the method prefers.
        objectness: Where objects may be, by name; auto: what ``annotations`` names, instance masks, annotations beside
            the images, or whole images, whichever the data has, else tree, which looks for them with the encoder.
        method: The clustering method, by name.
        scene: What divides whole images into categories, beside the objects: none, or a method by name; auto: ``scene``
            where the data has no masks of objects.
        encoder: nin, googlenet, or any model of timm or segmentation-models-pytorch; one of timm with or without a tag
            for its weights, such as vit_small_patch14_dinov2.lvd142m.
        weights: Start of the encoder: none; pretrained (those of its name and tag, downloaded; imagenet is the same);
            or a file or folder as timm, transformers or Meta publish them.
        channels: Channels of the images that the encoder takes: 3 for RGB, 4 with infrared.
        pooling: How the encoder's last feature map is pooled: max or avg; networks of this package always pool as they
            were designed to. A transformer takes token (class token), avg (mean of the patch tokens), token+avg, or
            max for its own way.
        baseline: Train the paper's baseline too, k-means on the same encoder, and print it beside the method.
        strict: Stop at the first unreadable image instead of skipping it.
        output_dir: Folder of the run; runs/DATASET_METHOD_kK_sSEED if none is given. One that holds anything else than
            this very run is refused.
        overwrite: Replace the run in that folder; it stays as it is until the new one is whole.
        resume: Run to go on with, exactly where it stopped, with its own settings.
        allow_import: Import classes that lie outside of the package, where configs or flags name some; that runs their
            modules.
        init_from: Finished run whose weights the method starts from, as far as they fit; its encoder must.
        grow: Keep the categories of ``init_from`` as they are, with their ids, and find those that only these images
            have: objects that are far from all known ones and near to each other. Nothing is trained. Encoder, patches
            and method are that run's.
        names: A names.json of that run: the names of its categories are carried on.
        stages: Runs that make up this one, in order: a mapping from names to settings of their own (``method``,
            ``patches`` and those of the training), the rest as here. Each starts from the one before; the last is this
            run, the others lie in its folder under stages. {} for none; without it those of the method, where it is a
            chain and no ``init_from`` is given.
        overlays: Draw at most this many frames.
        data: How images are read: which classes are told apart for scoring and which pixels take part, the scale,
            the bands, and which images are left out.
        files: Which files of the folder are images, label maps and maps of objects, where its layout does not say it.
        patches: How patches are cut.
        training: How the method is trained.
    """

    renamed: ClassVar[Mapping[str, str]] = {"reading": "data"}
    """Former names of settings, in configs and flags of version 0.1, by those of today."""

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
        """Check what needs no data.

        Raises:
            UsageError: K is below 2, a split's name is no name of a folder, or two settings exclude each other.
        """
        for name in ("num_clusters", "num_object_clusters", "num_scene_clusters"):
            if (given := getattr(self, name)) not in {None, AUTO} and given < 2:
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} {given}: at least 2 are needed to tell anything apart.")
        if self.overwrite and self.resume is not None:
            raise UsageError("--overwrite and --resume: a run is either replaced or gone on with; give one of them.")
        for split in filter(None, (self.train_split, self.split)):
            checked_name(split, "--split")  # folders are called after it

    @property
    def k(self) -> int:
        """K; as long as it is yet to be recommended, 2, the least that a method can be built with to be checked."""
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
    """Build the source that was named, or take the first that the data can serve, and say which.

    Args:
        named: The source; None for whatever the data has.
        dataset: The images.
        encoder: Network of a source that looks at images with one.
        weights: Its start, likewise.
        quiet: Whether nothing is said.
        scenes: Whether regions are parts of scenes, too, where nobody has masked the images.
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
    """Cut a split's patches into the run's folder, or take them from there.

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
    """Return what ``build_store`` would cut."""
    return CutJob(dataset, source, options.patches, options.training.seed)


def build_method(options: DiscoverOptions, weights: str | None = None) -> Method:
    """Build the method with its encoder; the seed alone decides what is random in it.

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
    """Say where weights come from that go on from a run's; the run itself may be yet to come."""
    summary = None
    with suppress(UsageError):  # what is damaged says nothing of its weights
        summary = RunSummary.read(Run(start))
    return replace(otherwise if summary is None else summary.weights, init_from=str(final_place(start)))


def difference(one: DiscoverOptions, other: DiscoverOptions) -> str:
    """Name the first setting that differs, with both values; empty where two runs would be the same.

    Where data, annotations and run lie, and what hardware they use, makes no other run.
    """

    def settings(of: DiscoverOptions) -> list[str]:
        training = replace(of.training, device="auto", workers=0)
        files = replace(of.files, annotations=None)
        return dump(replace(of, path=None, output_dir=None, resume=None, training=training, files=files)).splitlines()

    pairs = zip_longest(settings(one), settings(other), fillvalue="nothing")
    return next((f"{old.strip()}, now {new.strip()}" for old, new in pairs if old != new), "")


def baseline_of(method: Component) -> Component:
    """Return the paper's baseline with the same part of the encoder loaded: it differs in the objective alone."""
    shared = {name: value for name, value in method.init_args.items() if name == "freeze"}
    return Component("objdisc.methods.kmeans_baseline.KMeansBaseline", shared)


def default_output_dir(path: Path, options: DiscoverOptions) -> Path:
    """Return ``runs/<dataset>_<method>_k<K>_s<seed>``, of a grown run ``runs/<dataset>_grown_<run before>``."""
    if options.grow and options.init_from is not None:
        return Path("runs") / f"{path.resolve().name}_grown_{options.init_from.resolve().name}"
    method = options.method.name
    return Path("runs") / f"{path.resolve().name}_{method}_k{options.num_clusters}_s{options.training.seed}"
