"""The scenes of a run's images for other programs: indexed PNGs, and label ids below those of objects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.datasets.cityscapes import LABEL_IDS
from objdisc.export.cityscapes import write_label_ids
from objdisc.export.png import write_indexed, write_legend
from objdisc.imaging.decode import read_index_map
from objdisc.naming.scenes import SceneNames


@dataclass(frozen=True, eq=False)
class NamedScene:
    """The scene maps of a run, and the names of their clusters.

    Attributes:
        names: Names of the K clusters.
        path_of: Image name to the file of its map; the file may be missing.
        matched: Cluster to Cityscapes label id, as the run's evaluation fitted it; empty without one.
    """

    names: SceneNames
    path_of: Callable[[str], Path]
    matched: Mapping[int, int]

    def clusters(self, sample: str) -> NDArray[np.int64] | None:
        """Read the map ``(H, W)`` of an image, -1 where it has no cluster; None if there is no map."""
        path = self.path_of(sample)
        if not path.is_file():
            return None
        ids = read_index_map(path).astype(np.int64)
        return np.where(ids < len(self.names.names), ids, -1)

    def labels(self) -> NDArray[np.uint8]:
        """Return the Cityscapes label id of each cluster, 0 for none, and another 0 for pixels without a cluster.

        A cluster with the name of a Cityscapes class, in upper or lower case, is that class; an unnamed one is the
        class that the evaluation matched it to.
        """
        by_name = {name.casefold(): label for name, label in LABEL_IDS.items()}
        table = np.zeros(len(self.names.names) + 1, np.uint8)
        for cluster, (name, given) in enumerate(zip(self.names.names, self.names.given, strict=True)):
            label = by_name.get(name.casefold(), 0) if given else self.matched.get(cluster, 0)
            table[cluster] = max(label, 0)
        return table

    def label_map(self, sample: str) -> NDArray[np.uint8] | None:
        """Return the label ids ``(H, W)`` of an image's scene; None if it has no map."""
        clusters = self.clusters(sample)
        return None if clusters is None else self.labels()[clusters]


def write_scene_labels(folder: Path, scene: NamedScene, samples: Sequence[str]) -> Path:
    """Write the Cityscapes label ids of scenes, ``labelIds/<sample>.png``, 0 where a cluster stands for no class.

    Args:
        folder: Where they go.
        scene: The scene.
        samples: Names of the images; those without a map get none.

    Raises:
        ObjdiscError: A file cannot be written.
    """
    for sample in samples:
        if (labels := scene.label_map(sample)) is not None:
            write_label_ids(folder / "labelIds", sample, labels)
    return folder


def write_scene_maps(folder: Path, scene: NamedScene, samples: Sequence[str]) -> int:
    """Write one indexed PNG an image, ``scene/<sample>.png``, and its legend as ``scene_categories.json`` and ``.csv``.

    Args:
        folder: Where they go.
        scene: The scene.
        samples: Names of the images.

    Returns:
        The number of maps that were written.

    Raises:
        UsageError: More categories than 8 bits can number.
        ObjdiscError: A file cannot be written.
    """
    categories, written = scene.names.categories, 0
    table = np.zeros(len(scene.names.names) + 1, np.int64)
    for category in categories:
        table[list(category.clusters)] = category.id
    for sample in samples:
        if (clusters := scene.clusters(sample)) is not None:
            write_indexed(folder / "scene" / f"{sample}.png", table[clusters], categories)
            written += 1
    write_legend(folder, categories, "scene_categories")
    return written
