"""A finished run for Python users: its clusters, scores, maps and report, and its predictions for new images."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from objdisc.config.components import Component, resolve_class_path
from objdisc.datasets import FileOptions, ImageDataset
from objdisc.errors import UsageError
from objdisc.inference.predict import Predictions, predict
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.memory import Patches, as_patches
from objdisc.pipeline.loading import LoadedRun, load_run
from objdisc.pipeline.segmenters import FolderOptions, SegmentedFolder, segmenter_for
from objdisc.pipeline.segmenting import segment_folder
from objdisc.types import Sample, SegmentationMap


@dataclass(frozen=True, slots=True)
class ClusteredObject:
    """One object of the evaluation split, or of a folder that was segmented.

    Attributes:
        image: The image file.
        box: ``(x, y, width, height)`` in pixels of the image.
        area: Number of pixels of the object.
        cluster: Its cluster; -2 (``UNKNOWN``) for an object that is far from all clusters.
        confidence: Probability of that cluster, in [0, 1].
    """

    image: Path
    box: tuple[int, int, int, int]
    area: int
    cluster: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """One discovered category.

    Attributes:
        id: 0 to K - 1.
        name: Its most frequent class if there is ground truth; otherwise empty.
        objects: Its objects, in the order of the images.
    """

    id: int
    name: str
    objects: tuple[ClusteredObject, ...]

    def __len__(self) -> int:
        return len(self.objects)


@dataclass(frozen=True)
class FinishedRun:
    """A run that ``objdisc.discover`` made, or that ``objdisc.load_run`` opened.

    Attributes:
        path: Its folder.
        device: Where its network runs: auto, cpu, cuda or mps.
    """

    path: Path
    device: str = "auto"

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The content of ``metrics.json``: scores and facts about the run; empty if the run was only trained."""
        summary = self._loaded.summary
        return {} if summary is None else summary.to_json()

    @property
    def report(self) -> Path:
        """The report page."""
        return Run(self.path).report

    @property
    def maps(self) -> Path:
        """Folder of the maps of cluster ids, one PNG an image: 255 (65535 with more clusters) is no object."""
        return Run(self.path).maps(self.method.map_kind)

    @property
    def method(self) -> Method:
        """The trained method, in evaluation mode."""
        return self._loaded.method

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The categories that were found in the evaluation split, with their objects.

        Raises:
            UsageError: The run was only trained, and nothing was predicted yet.
        """
        summary = self._loaded.summary
        names = {} if summary is None else summary.cluster_names or {}
        return read_clusters(Run(self.path).clusters_csv, self._loaded.options.k, names)

    def predict(self, images: "Patches | Tensor | NDArray[Any] | Dataset[Any]") -> Predictions:
        """Predict the clusters of images that show one object each; see ``objdisc.predict``."""
        return predict(self.method, as_patches(images), replace(self._loaded.options.training, workers=0))

    def segment_image(self, dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        """Segment one image of an opened data set at its full size; nothing is written."""
        loaded = self._loaded
        return segmenter_for(loaded.method).of_run(loaded, dataset, None).segment(dataset, sample)

    def segment(
        self,
        path: Path | str,
        *,
        split: str | None = None,
        objectness: str | None = None,
        output_dir: Path | str | None = None,
        annotations: Path | str | None = None,
        **settings: Any,
    ) -> SegmentedFolder:
        """Segment a folder of any number of images; clusters keep the ids that they have in the run.

        Args:
            path: The folder.
            split: Split of the folder, if it has splits; None for val, or for the first split if there is no val.
            objectness: Name of the source of regions; None for one that suits the images.
            output_dir: Where the maps go; None for PATH_OF_RUN/segment/FOLDER.
            annotations: File or folder of masks or boxes; None for those in the folder or beside it.
            settings: Fields of ``FolderOptions``: ``overlays``, ``unknown``, ``strict`` and the like.

        Raises:
            UsageError: The folder has nothing to segment, or a setting is unknown.
        """
        try:
            options = FolderOptions(**settings)
        except TypeError as error:
            raise UsageError(f"segment: {error}") from error
        source = None
        if objectness is not None:
            source = Component(resolve_class_path(objectness, ObjectnessSource, "objdisc.objectness"))
        folder = None if output_dir is None else Path(output_dir)
        return segment_folder(
            self._loaded,
            Path(path),
            options,
            split=split,
            objectness=source,
            output_dir=folder,
            files=FileOptions(annotations=None if annotations is None else Path(annotations)),
        )

    @cached_property
    def _loaded(self) -> LoadedRun:
        return load_run(self.path, device=self.device).on(self.device)


def read_clusters(path: Path, num_clusters: int, names: Mapping[int, str]) -> tuple[Cluster, ...]:
    """Read ``clusters.csv``.

    Args:
        path: The file.
        num_clusters: K.
        names: Names of the clusters.

    Raises:
        UsageError: The file is missing or damaged.
    """
    found: dict[int, list[ClusteredObject]] = {cluster: [] for cluster in range(num_clusters)}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                box = (int(row["x"]), int(row["y"]), int(row["width"]), int(row["height"]))
                cluster = int(row["cluster"])
                one = ClusteredObject(Path(row["image"]), box, int(row["area"]), cluster, float(row["confidence"]))
                found.setdefault(cluster, []).append(one)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); make it again with: objdisc discover --resume") from error
    return tuple(Cluster(cluster, names.get(cluster, ""), tuple(objects)) for cluster, objects in found.items())
