"""The clusters of a run's scene for its report: the share that each covers, and example images."""

import logging

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.imaging.spread import spread_evenly
from objdisc.io.run import Run
from objdisc.pipeline.scenes import scene_layers
from objdisc.pipeline.summary import RunSummary
from objdisc.render.overlay import SceneLayer
from objdisc.report.scene import SceneCluster, shown_in
from objdisc.types import Sample

log = logging.getLogger("objdisc")

_LOOKED_AT = 120  # images, at most, spread evenly over the split
_EXAMPLES = 4  # of each cluster
_RGB = 3


def scene_clusters(
    scene: Run, dataset: ImageDataset, num_object_clusters: int, *, allow_import: bool
) -> list[SceneCluster]:
    """Read the scene maps of a split.

    Args:
        scene: The run of the scene.
        dataset: The split.
        num_object_clusters: K of the objects, whose colours the scene does not use.
        allow_import: Whether the run's settings may name classes from outside the package.

    Returns:
        One entry a cluster, in order; its examples are the images of which it covers most. Empty if no image has a map.
    """
    layer = scene_layers(scene, num_object_clusters, allow_import=allow_import)
    summary = RunSummary.read(scene)
    names = {} if summary is None else summary.cluster_names or {}
    samples = [dataset.samples[place] for place in spread_evenly(len(dataset.samples), _LOOKED_AT).tolist()]
    mapped = [(sample, counts) for sample in samples if (counts := _pixels(layer(sample.name))) is not None]
    if not mapped:
        return []
    colors = next(found.colors for sample in samples if (found := layer(sample.name)) is not None)
    table = np.array([counts for _, counts in mapped])  # (images, K)
    covered = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    shares = table.sum(axis=0) / max(int(table.sum()), 1)
    clusters = []
    for cluster, (red, green, blue) in enumerate(colors.tolist()):
        best = np.argsort(-covered[:, cluster], kind="stable")[:_EXAMPLES]
        examples = [
            (sample.name, picture)
            for sample in (mapped[row][0] for row in best.tolist() if covered[row, cluster])
            if (picture := _picture(dataset, sample, layer(sample.name), cluster)) is not None
        ]
        share, name = float(shares[cluster]), names.get(cluster, "")
        clusters.append(SceneCluster(cluster, (red, green, blue), share, name, examples))
    return clusters


def _pixels(found: SceneLayer | None) -> NDArray[np.int64] | None:
    """Count the pixels ``(K,)`` of each cluster in a map; None if there is no map."""
    if found is None:
        return None
    num_clusters = len(found.colors)
    inside = (found.clusters >= 0) & (found.clusters < num_clusters)
    return np.bincount(found.clusters[inside], minlength=num_clusters)


def _picture(dataset: ImageDataset, sample: Sample, found: SceneLayer | None, cluster: int) -> NDArray[np.uint8] | None:
    """Show where a cluster lies in an image; None, with the reason in the log, if the image cannot be read."""
    try:
        image = dataset.read_image(sample)
    except UnreadableImageError as error:
        log.warning("left out of the report: %s", error)
        return None
    color = image[..., :3] if image.shape[2] >= _RGB else image[..., :1].repeat(_RGB, axis=2)
    if found is None or found.clusters.shape != image.shape[:2]:
        return None
    return shown_in(color, found.clusters == cluster)
