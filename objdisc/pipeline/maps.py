"""A run's output for one split: maps and overlays of frames, the list of patches, and sheets of clusters."""

import csv
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.export.cityscapes import write_cluster_ids, write_color, write_label_ids
from objdisc.imaging.colors import Color, cluster_colors
from objdisc.imaging.spread import spread_evenly
from objdisc.inference.predict import Predictions
from objdisc.inference.stitching import label_map, stitch
from objdisc.io.files import atomic_write, write_image
from objdisc.io.run import Run
from objdisc.naming.categories import Names
from objdisc.patches.store import PatchStore
from objdisc.render.overlay import UNKNOWN_COLOR, SceneLayer, draw, paint
from objdisc.render.prototypes import prototype_picture, prototypes
from objdisc.retrieval import ClusterPatches, rank, sheet
from objdisc.types import NOTHING, UNKNOWN, Sample, SegmentationMap

log = logging.getLogger("objdisc")


@dataclass(frozen=True, eq=False)
class FrameStyle:
    """The appearance of a split's maps, and the texts of their legends.

    Attributes:
        colors: ``(K, 3)`` uint8 RGB of the clusters.
        legend: Text of the legend for a cluster; its number by default.
        cluster_to_label: Label ids for ``labelIds/``; None: no such maps.
        class_colors: Label id to RGB, for ``color/``; with None, ``color/`` shows clusters.
        shown_as: ``(K,)`` the cluster as which each is drawn in pictures, -1 for those that are not drawn; None draws
            each as itself. ``clusterIds/`` and ``labelIds/`` do not depend on it.
        kind: Folder of the maps of cluster ids, ``Method.map_kind``.
        scene: Function that returns the scene below the objects in an image's overlay, by the image's name.
    """

    colors: NDArray[np.uint8]
    legend: Mapping[int, str]
    cluster_to_label: Mapping[int, int] | None = None
    class_colors: Mapping[int, Color] | None = None
    shown_as: NDArray[np.int16] | None = None
    kind: str = "clusterIds"
    scene: Callable[[str], SceneLayer | None] | None = None

    @classmethod
    def plain(
        cls,
        num_clusters: int,
        dataset: ImageDataset,
        cluster_to_label: Mapping[int, int] | None = None,
        cluster_names: Mapping[int, str] | None = None,
    ) -> "FrameStyle":
        """Show every cluster in its own colour and, if there is a matching, with its class."""
        legend = {cluster: f"cluster {cluster}: {name}" for cluster, name in (cluster_names or {}).items()}
        class_colors = dataset.class_colors if cluster_to_label is not None else None
        return cls(cluster_colors(num_clusters), legend, cluster_to_label, class_colors or None)

    @classmethod
    def named(cls, names: Names, cluster_to_label: Mapping[int, int] | None = None) -> "FrameStyle":
        """Show the categories that a person made from the clusters; rejected clusters are not drawn."""
        colors = np.zeros((names.num_clusters, 3), np.uint8)
        shown_as = np.full(names.num_clusters, NOTHING, np.int16)
        legend = {}
        for category in names.categories:
            first = category.clusters[0]
            colors[first], legend[first] = category.color, category.name
            shown_as[list(category.clusters)] = first
        return cls(colors, legend, cluster_to_label, None, shown_as)

    def pictured(self, segmentation: SegmentationMap) -> SegmentationMap:
        """Return the map as it is drawn in pictures."""
        if self.shown_as is None:
            return segmentation
        table = np.concatenate([self.shown_as, np.array([UNKNOWN, NOTHING], np.int16)])  # the last rows are -2 and -1
        return replace(segmentation, clusters=table[segmentation.clusters])


def write_frame(
    run: Run, segmentation: SegmentationMap, style: FrameStyle, image: NDArray[np.uint8] | None = None
) -> None:
    """Write the maps of one frame.

    Args:
        run: Folder to write to.
        segmentation: The map.
        style: Colours and legend.
        image: ``(H, W, 3)`` uint8 RGB, to draw an overlay; None for none.
    """
    write_cluster_ids(run.maps(style.kind), segmentation, len(style.colors), style.kind)
    pictured = style.pictured(segmentation)
    label_ids = None if style.cluster_to_label is None else label_map(segmentation, style.cluster_to_label)
    if label_ids is not None:
        write_label_ids(run.label_ids, segmentation.sample, label_ids)
    if label_ids is not None and style.class_colors is not None:
        write_color(run.color, segmentation.sample, label_ids, style.class_colors)
    else:
        palette = {cluster: (int(r), int(g), int(b)) for cluster, (r, g, b) in enumerate(style.colors)}
        write_color(run.color, segmentation.sample, pictured.clusters, palette | {UNKNOWN: UNKNOWN_COLOR})
    if image is not None:
        below = None if style.scene is None else style.scene(segmentation.sample)
        picture = draw(image, pictured, style.colors, labels=style.legend, scene=below)
        write_image(run.overlays / f"{segmentation.sample}.jpg", picture)


def write_maps(
    run: Run,
    dataset: ImageDataset,
    store: PatchStore,
    predictions: Predictions,
    cluster_to_label: Mapping[int, int] | None = None,
    cluster_names: Mapping[int, str] | None = None,
    *,
    max_overlays: int = 50,
    scene: Callable[[str], SceneLayer | None] | None = None,
) -> tuple[Sample, ...]:
    """Stitch and write every frame; one frame is in memory at a time.

    An image that is one region as a whole (``--objectness whole``) gets no map: its cluster is in ``clusters.csv``.

    Args:
        run: Folder to write to.
        dataset: The split.
        store: Its N patches.
        predictions: The method's predictions for them.
        cluster_to_label: Label ids for ``labelIds/``; with None there are no such maps, and ``color/`` shows clusters,
            as it does if the data set has no colours.
        cluster_names: Class names for the legends.
        max_overlays: Number of frames with overlays, spread evenly over the split.
        scene: Function that returns the scene below the objects in an image's overlay, by the image's name.

    Returns:
        The samples that have maps.
    """
    style = FrameStyle.plain(predictions.probabilities.shape[1], dataset, cluster_to_label, cluster_names)
    style = replace(style, scene=scene)
    rows_of = _rows_with_outlines(store)
    mapped = [sample for sample in dataset.samples if sample.name in rows_of]
    drawn = set(spread_evenly(len(mapped), max_overlays).tolist())
    for number, sample in enumerate(mapped):
        rows = rows_of[sample.name]
        patches = [store.patch(row) for row in rows]
        segmentation = stitch(store.frames[sample.name], patches, predictions.probabilities[rows], sample.name)
        write_frame(run, segmentation, style, _read_if_there(dataset, sample) if number in drawn else None)
    return tuple(mapped)


def _read_if_there(dataset: ImageDataset, sample: Sample) -> NDArray[np.uint8] | None:
    """Read an image; a run must not fail at its end because one was moved or damaged after its patches were cut."""
    try:
        return dataset.read_image(sample)[..., :3]
    except UnreadableImageError as error:
        log.warning("no overlay of %s", error)
        return None


def frame_painter(
    dataset: ImageDataset, store: PatchStore, predictions: Predictions
) -> Callable[[str], NDArray[np.uint8]]:
    """Make a function that draws one frame with its clusters on demand.

    Args:
        dataset: The split.
        store: Its N patches.
        predictions: The method's predictions for them.

    Returns:
        A function from an image's name to ``(H, W, 3)`` uint8 RGB; it raises ``UnreadableImageError`` if the image is
            missing, or is no longer the one that the patches were cut from. An image that is one region as a whole is
            returned unchanged.
    """
    samples = {sample.name: sample for sample in dataset.samples}
    palette = cluster_colors(predictions.probabilities.shape[1])
    rows_of = _rows_with_outlines(store)

    def painted(name: str) -> NDArray[np.uint8]:
        image = dataset.read_image(samples[name])[..., :3]
        if image.shape[:2] != store.frames[name]:
            height, width = store.frames[name]
            reason = f"{image.shape[1]}x{image.shape[0]} pixels, but its patches were cut from {width}x{height}"
            raise UnreadableImageError(samples[name].image_path, reason)
        if name not in rows_of:
            return image
        patches = [store.patch(row) for row in rows_of[name]]
        segmentation = stitch(store.frames[name], patches, predictions.probabilities[rows_of[name]], name)
        return paint(image, segmentation.clusters, palette)

    return painted


def write_cluster_list(run: Run, dataset: ImageDataset, store: PatchStore, predictions: Predictions) -> None:
    """Write ``clusters.csv``: the image, box and cluster of each object patch, one a line.

    Args:
        run: Folder to write to.
        dataset: The split.
        store: Its N patches.
        predictions: The method's predictions for them.
    """
    clusters, confidence = predictions.probabilities.argmax(axis=1), predictions.probabilities.max(axis=1)
    paths = {sample.name: sample.image_path for sample in dataset.samples}
    with atomic_write(run.clusters_csv) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "sample", "x", "y", "width", "height", "area", "cluster", "confidence", "objectness"])
        for row in np.flatnonzero(store.foreground):
            patch = store.patch(int(row))
            region = patch.region
            place = [str(paths[patch.sample]), patch.sample, *region.box, region.area]
            writer.writerow([*place, int(clusters[row]), f"{confidence[row]:.4f}", f"{region.score:.4f}"])


def _rows_with_outlines(store: PatchStore) -> dict[str, list[int]]:
    """Map each readable image to its object rows; an image that is a single region as a whole is left out."""
    rows: dict[str, list[int]] = {name: [] for name in store.frames}
    for row, patch in enumerate(store.patches):
        if patch.region.mask is None and patch.region.box == (0, 0, patch.frame[1], patch.frame[0]):
            rows.pop(patch.sample, None)
        elif patch.region.foreground and patch.sample in rows:
            rows[patch.sample].append(row)
    return rows


def write_sheets(
    run: Run, store: PatchStore, predictions: Predictions, cluster_names: Mapping[int, str] | None = None, seed: int = 0
) -> list[ClusterPatches]:
    """Write one retrieval sheet a cluster: its most confident patches, and random ones as an unbiased sample.

    Args:
        run: Folder to write to.
        store: N patches.
        predictions: The method's predictions for them.
        cluster_names: Class names for the titles.
        seed: Random seed of the random patches.

    Returns:
        The rows that were shown, for the report.
    """
    names = cluster_names or {}
    confidence = predictions.probabilities.max(axis=1)
    shown = rank(predictions.probabilities, store.foreground, features=predictions.features, seed=seed)
    for cluster, (red, green, blue) in zip(shown, cluster_colors(len(shown)).tolist(), strict=True):
        name = names.get(cluster.cluster)
        picture = sheet(cluster, store.images, confidence, name=name, color=(red, green, blue))
        write_image(run.retrieval / f"cluster_{cluster.cluster:03d}.jpg", picture)
    return shown


def write_prototypes(
    run: Run, store: PatchStore, predictions: Predictions, cluster_names: Mapping[int, str] | None = None
) -> None:
    """Write ``prototypes.png``: the patch that represents each cluster.

    Args:
        run: Folder to write to.
        store: N patches.
        predictions: The method's predictions for them.
        cluster_names: Class names for the captions.
    """
    rows = prototypes(predictions.probabilities, predictions.features, store.foreground)
    colors: list[Color] = [(red, green, blue) for red, green, blue in cluster_colors(len(rows)).tolist()]
    write_image(run.prototypes, prototype_picture(rows, store.images, colors, dict(cluster_names or {})))
