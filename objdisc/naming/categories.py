"""Categories: clusters that are named, merged and rejected, with single patches moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.imaging.colors import Color
from objdisc.io.hashing import digest, digest_file
from objdisc.io.run import Run
from objdisc.patches.store import PatchStore

REJECTED = -1


@dataclass(frozen=True, slots=True)
class Category:
    """The meaning of one or several clusters.

    Attributes:
        id: Id from 1; 0 is reserved for "nothing".
        name: Name as the user wrote it, in Unicode's composed form and without spaces at its ends.
        color: RGB, 0 to 255.
        clusters: Cluster ids, ascending.
    """

    id: int
    name: str
    color: Color
    clusters: tuple[int, ...]


@dataclass(frozen=True)
class Names:
    """The categories of a run: its clusters, named, merged and rejected, and single patches moved.

    A merged cluster takes name and colour of the one it is merged into. Two clusters with exactly the same name are
    also one category, in the colour of the first: a class list with a repeated name is of no use to any program. The
    categories are numbered from 1 in the order of their lowest cluster.

    Attributes:
        num_clusters: K.
        categories: Categories by ascending id.
        moved: Row of the patch store to the cluster that the patch was moved to, -1 if it was rejected.
    """

    num_clusters: int
    categories: tuple[Category, ...]
    moved: Mapping[int, int]

    @classmethod
    def default(cls, colors: NDArray[np.uint8]) -> "Names":
        """Name every cluster by its number.

        Args:
            colors: ``(K, 3)`` RGB, such as ``imaging.colors.cluster_colors`` gives.
        """
        named = [(f"cluster_{k}", (int(red), int(green), int(blue))) for k, (red, green, blue) in enumerate(colors)]
        return cls.of(named)

    @classmethod
    def of(cls, named: Sequence[tuple[str, Color] | None], moved: Mapping[int, int] | None = None) -> "Names":
        """Make categories of named clusters.

        Args:
            named: K names and colours; None for a rejected cluster.
            moved: See the class.
        """
        members: dict[str, list[int]] = {}
        colors: dict[str, Color] = {}
        for cluster, entry in enumerate(named):
            if entry is not None:
                members.setdefault(entry[0], []).append(cluster)
                colors.setdefault(*entry)
        categories = tuple(
            Category(number, name, colors[name], tuple(clusters))
            for number, (name, clusters) in enumerate(members.items(), start=1)
        )
        return cls(len(named), categories, moved or {})

    @property
    def rejected(self) -> tuple[int, ...]:
        """Clusters that belong to no category."""
        kept = {cluster for category in self.categories for cluster in category.clusters}
        return tuple(cluster for cluster in range(self.num_clusters) if cluster not in kept)

    def category_of_cluster(self) -> NDArray[np.int64]:
        """Return the category id ``(K,)`` of each cluster, -1 for rejected ones."""
        table = np.full(self.num_clusters, REJECTED, np.int64)
        for category in self.categories:
            table[list(category.clusters)] = category.id
        return table

    def clusters_of(self, clusters: NDArray[np.integer]) -> NDArray[np.int64]:
        """Apply the moves.

        Args:
            clusters: ``(N,)`` cluster of each row of the patch store; below 0 for none.

        Returns:
            ``(N,)`` clusters, -1 if a patch has none or was itself rejected.
        """
        after = np.maximum(clusters.astype(np.int64), REJECTED)
        if self.moved:
            after[list(self.moved)] = list(self.moved.values())
        return after

    def categories_of(self, clusters: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the category id of each patch, with moves and rejections applied.

        Args:
            clusters: ``(N,)`` cluster of each row of the patch store; below 0 for none.

        Returns:
            ``(N,)`` category ids from 1; -1 for patches that are rejected, or in no cluster.
        """
        after = self.clusters_of(clusters)
        table = np.append(self.category_of_cluster(), REJECTED)  # row -1: no cluster
        return np.asarray(table[after])

    def confidence_of(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the confidence of each patch's category.

        Args:
            probabilities: ``(N, K)`` probabilities of the clusters.

        Returns:
            ``(N,)`` total probability of all clusters in the patch's category; 1 if a person moved the patch, 0 if it
                is in no category.
        """
        found = self.categories_of(probabilities.argmax(axis=1))
        confidence = np.zeros(len(found), np.float32)
        for category in self.categories:
            rows = np.flatnonzero(found == category.id)
            confidence[rows] = probabilities[rows][:, list(category.clusters)].sum(axis=1)
        moved = [row for row in self.moved if found[row] != REJECTED]
        confidence[moved] = 1
        return np.minimum(confidence, 1)


def run_identity(run: Run, store: PatchStore) -> str:
    """Identify what cluster and patch numbers refer to: certain weights, on certain parts of certain images.

    It does not depend on where run and images lie.

    Args:
        run: A finished run.
        store: The patches that it predicted.

    Returns:
        32 hexadecimal digits, which differ for other weights, image names or windows.

    Raises:
        UsageError: The run has no weights.
    """
    return _joined(_weights_hash(run), store.windows())


def former_identities(run: Run, store: PatchStore) -> tuple[str, ...]:
    """Return the identities that version 0.1 gave the same run in its report and in ``names.json``.

    Raises:
        UsageError: The run has no weights.
    """
    return (_joined(_weights_hash(run), store.key),)


def _joined(weights: str, patches: str) -> str:
    return digest([f"{weights} {patches}"])


def _weights_hash(run: Run) -> str:
    try:
        return digest_file(run.weights)
    except OSError as error:
        raise UsageError(f"{run.weights}: cannot be read ({error.strerror}); the run is not finished.") from error
