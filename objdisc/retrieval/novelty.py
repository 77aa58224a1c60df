"""Detection of unknown objects by the distances of training objects to their cluster centres."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from objdisc.clustering.neighbors import nearest_centroid, tensor_of
from objdisc.errors import UsageError
from objdisc.io.files import atomic_write

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Centers:
    """Centres of K clusters, and the distances of n training objects to the nearest centre. No label is involved.

    An object of a new image is far from every cluster if it is farther from the nearest centre than nearly all training
    objects, that is, than a quantile of their distances.

    Attributes:
        centers: ``(K, D)`` float32, the mean embedding of each cluster's training objects; NaN for an empty cluster.
        distances: ``(n,)`` float32, Euclidean distance of each object to the nearest centre.
        clusters: ``(n,)`` int32, the cluster that the method gave each object.
        weights: Hash of the weights that computed the embeddings.
    """

    centers: NDArray[np.float32]
    distances: NDArray[np.float32]
    clusters: NDArray[np.int32]
    weights: str

    @classmethod
    def fit(cls, embeddings: NDArray[np.float32], probabilities: NDArray[np.float32], weights: str) -> "Centers":
        """Compute centres and distances.

        Args:
            embeddings: ``(n, D)`` of training objects.
            probabilities: ``(n, K)``; an object belongs to its most probable cluster.
            weights: Hash of the weights that computed both.
        """
        num_clusters = probabilities.shape[1]
        clusters = probabilities.argmax(axis=1).astype(np.int32)
        sums = np.zeros((num_clusters, embeddings.shape[1]), np.float64)
        np.add.at(sums, clusters, embeddings)
        counts = np.bincount(clusters, minlength=num_clusters)[:, None]
        centers = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)
        return cls(centers, _to_nearest(embeddings, centers), clusters, weights)

    def threshold(self, quantile: float) -> float:
        """Return the distance that a share ``quantile`` of the training objects does not exceed.

        Args:
            quantile: 0 to 1.
        """
        return float(np.quantile(self.distances.astype(np.float64), quantile))

    def to_nearest(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the Euclidean distance ``(m,)`` of embeddings ``(m, D)`` to the nearest centre."""
        return _to_nearest(embeddings, self.centers)

    def write(self, path: Path) -> None:
        """Write a safetensors file.

        Raises:
            ObjdiscError: The disk is full, or the folder cannot be written.
        """
        arrays = {"centers": self.centers, "distances": self.distances, "clusters": self.clusters}
        header = {"objdisc": json.dumps({"format": FORMAT_VERSION, "weights": self.weights}, sort_keys=True)}
        with atomic_write(path, "wb") as file:
            file.write(save(arrays, header))

    @classmethod
    def read(cls, path: Path) -> "Centers | None":
        """Read what ``write`` wrote; None if there is no such file, as in runs of earlier versions.

        Raises:
            UsageError: The file is damaged or of another version.
        """
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {}).get("objdisc", "{}"))
                if header.get("format") != FORMAT_VERSION:
                    raise ValueError(f"format {header.get('format')}, expected {FORMAT_VERSION}")
                arrays = {name: file.get_tensor(name) for name in ("centers", "distances", "clusters")}
            return cls(**arrays, weights=str(header["weights"]))
        except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{path}: cannot be read ({' '.join(str(error).split())}); delete it, and "
                f"objdisc discover --resume {path.parent} writes it again."
            ) from error


def _to_nearest(embeddings: NDArray[np.float32], centers: NDArray[np.float32]) -> NDArray[np.float32]:
    known = centers[~np.isnan(centers).any(axis=1)]
    if not len(known):
        return np.full(len(embeddings), np.inf, np.float32)
    squared = nearest_centroid(tensor_of(embeddings), tensor_of(known).double(), "products")[1]
    return np.asarray(squared.sqrt().float().numpy())
