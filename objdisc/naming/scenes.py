"""Names of the scene clusters of a run, from ``names.json`` or by number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.colors import Color
from objdisc.naming.categories import Category, Names


@dataclass(frozen=True)
class SceneNames:
    """Names of the clusters of a scene.

    Attributes:
        names: Name of each cluster, as a person wrote it in Unicode's composed form, or else ``scene_NUMBER``; empty if
            a person rejected the cluster.
        colors: ``(K, 3)`` uint8 RGB.
        given: Whether a person gave the name.
    """

    names: Sequence[str]
    colors: NDArray[np.uint8]
    given: Sequence[bool]

    @classmethod
    def default(cls, colors: NDArray[np.uint8]) -> "SceneNames":
        """Name every cluster by its number."""
        return cls([f"scene_{cluster}" for cluster in range(len(colors))], colors, [False] * len(colors))

    @classmethod
    def of(cls, named: Names) -> "SceneNames":
        """Take the names of a run that predicts each pixel, whose own clusters are the scene."""
        names, colors = [""] * named.num_clusters, np.zeros((named.num_clusters, 3), np.uint8)
        for category in named.categories:
            for cluster in category.clusters:
                names[cluster], colors[cluster] = category.name, category.color
        return cls(names, colors, [name != f"cluster_{cluster}" for cluster, name in enumerate(names)])

    @property
    def categories(self) -> tuple[Category, ...]:
        """Categories, numbered from 1 by their lowest cluster; clusters with exactly the same name are one category."""
        members: dict[str, list[int]] = {}
        for cluster, name in enumerate(self.names):
            if name:
                members.setdefault(name, []).append(cluster)
        return tuple(
            Category(number, name, self._color(clusters[0]), tuple(clusters))
            for number, (name, clusters) in enumerate(members.items(), start=1)
        )

    def _color(self, cluster: int) -> Color:
        red, green, blue = self.colors[cluster].tolist()
        return red, green, blue
