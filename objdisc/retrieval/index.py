"""The run's index: the embedding and cluster of every patch of the evaluation split, in plain files."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.clustering.neighbors import squared_lengths_of
from objdisc.errors import UsageError
from objdisc.io.files import atomic_write, write_json
from objdisc.io.paths import checked_name
from objdisc.io.run import Run
from objdisc.io.staging import settle, staged
from objdisc.retrieval.search import Hits, nearest_rows

FORMAT_VERSION = 1

_MANIFEST = "index.json"
_ARRAYS = ("embeddings", "clusters", "confidence", "probabilities", "foreground")
_UNIT_LENGTH = 1e-3  # how far a length may be from 1, in bf16 inference too
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class Index:
    """Embeddings of N patches: row i is row i of the evaluation split's ``PatchStore``.

    The index is a folder of ``.npy`` files, which are read memory-mapped, and ``index.json``; all appear together. No
    file holds a pickle.

    Attributes:
        embeddings: ``(N, D)`` float32, the vectors that the method clusters.
        clusters: ``(N,)`` int32, the most probable cluster, 0 to K - 1, also of background patches.
        confidence: ``(N,)`` float32, its probability.
        probabilities: ``(N, K)`` float32.
        foreground: ``(N,)`` bool, False for background patches, which no search returns.
        normalized: Whether embeddings have unit length.
        split: The evaluation split; ``""`` if the data set has none.
        store_key: ``PatchStore.key`` of that split's patches.
        weights: Hash of the weights that computed the embeddings.
        root: The data set's folder when the index was written.
        image_paths: ``Sample.name`` to the image file at that time.
    """

    embeddings: NDArray[np.float32]
    clusters: NDArray[np.int32]
    confidence: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    foreground: NDArray[np.bool_]
    normalized: bool
    split: str
    store_key: str
    weights: str
    root: Path
    image_paths: Mapping[str, Path]

    def __len__(self) -> int:
        return len(self.embeddings)

    @classmethod
    def open(cls, run: Run | Path | str) -> "Index":
        """Open the index of a run, memory-mapped.

        Args:
            run: The run, or its folder.

        Raises:
            UsageError: The folder holds no run, or its index is missing, damaged, or of another version.
        """
        run = run if isinstance(run, Run) else Run.open(Path(run))
        settle(run.index)
        try:
            manifest = json.loads((run.index / _MANIFEST).read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT_VERSION:
                raise ValueError(f"format {manifest['format']}, expected {FORMAT_VERSION}")
            # "c": torch takes no read-only memory without a warning; nothing is ever written
            arrays: dict[str, Any] = {
                name: np.load(run.index / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in _ARRAYS
            }
            if {len(array) for array in arrays.values()} != {manifest["patches"]}:
                raise ValueError("its files do not belong together")
            where = run.index / _MANIFEST
            paths = {checked_name(name, where): Path(path) for name, path in manifest["images"].items()}
            if manifest["split"]:
                checked_name(manifest["split"], where)
            texts: dict[str, Any] = {name: str(manifest[name]) for name in ("split", "store_key", "weights")}
            return cls(
                **arrays,
                **texts,
                normalized=bool(manifest["normalized"]),
                root=Path(manifest["root"]),
                image_paths=paths,
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
            raise UsageError(
                f"{run.index}: the run has no usable index ({reason}); "
                f"make it again with: objdisc discover --resume {run.path}"
            ) from error

    def query(
        self,
        embedding: NDArray[np.float32],
        top: int = 20,
        *,
        cluster: int | None = None,
        device: str = "cpu",
    ) -> Hits:
        """Find the objects nearest to an embedding, exactly; background patches are left out.

        Args:
            embedding: ``(D,)``, or ``(Q, D)`` for several at once. Brought to unit length if the index is.
            top: How many, at least 1.
            cluster: Only objects of this cluster.
            device: Device of the search.

        Returns:
            ``(n,)`` or ``(Q, n)`` rows and distances, nearest first; n is less than ``top`` if there are fewer.

        Raises:
            ValueError: ``top`` is below 1, or the embedding is of another length, or not finite.
            UsageError: There is no such cluster.
        """
        queries = np.atleast_2d(np.asarray(embedding, np.float32))
        if top < 1:
            raise ValueError(f"top is {top}; ask for at least 1")
        if queries.ndim != 2 or queries.shape[1] != self.embeddings.shape[1] or not np.isfinite(queries).all():
            raise ValueError(
                f"an embedding of shape {np.shape(embedding)}; expected {self.embeddings.shape[1]} finite numbers"
            )
        if self.normalized:
            queries = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), np.float32(1e-12))
        found = nearest_rows(
            self.embeddings,
            queries,
            top,
            eligible=self.members(cluster),
            squared_lengths=self._squared_lengths,
            device=device,
        )
        return found if np.ndim(embedding) == 2 else Hits(found.rows[0], found.distances[0])

    def members(self, cluster: int | None = None) -> NDArray[np.bool_]:
        """Return which rows ``(N,)`` are objects, of any or of one cluster.

        Raises:
            UsageError: There is no such cluster.
        """
        if cluster is None:
            return self.foreground
        num_clusters = self.probabilities.shape[1]
        if not 0 <= cluster < num_clusters:
            raise UsageError(f"there is no cluster {cluster}; this run's go from 0 to {num_clusters - 1}.")
        return np.asarray(self.foreground & (self.clusters == cluster))

    @cached_property
    def _squared_lengths(self) -> NDArray[np.float32]:
        return squared_lengths_of(self.embeddings)

    @staticmethod
    def write(
        run: Run,
        embeddings: NDArray[np.float32],
        probabilities: NDArray[np.float32],
        foreground: NDArray[np.bool_],
        *,
        split: str,
        store_key: str,
        weights: str,
        root: Path,
        image_paths: Mapping[str, Path],
    ) -> None:
        """Write the index of a run; the arguments are described as attributes of ``Index``.

        Raises:
            ValueError: The arrays differ in length.
            ObjdiscError: The disk is full, or the folder cannot be written.
        """
        if not len(embeddings) == len(probabilities) == len(foreground):
            raise ValueError(
                f"{len(embeddings)} embeddings, {len(probabilities)} probabilities, {len(foreground)} rows"
            )
        arrays: dict[str, NDArray[Any]] = {
            "embeddings": embeddings.astype(np.float32, copy=False),
            "clusters": probabilities.argmax(axis=1).astype(np.int32),
            "confidence": probabilities.max(axis=1).astype(np.float32, copy=False),
            "probabilities": probabilities.astype(np.float32, copy=False),
            "foreground": foreground.astype(np.bool_, copy=False),
        }
        manifest = {
            "format": FORMAT_VERSION,
            "patches": len(embeddings),
            "normalized": has_unit_length(embeddings),
            "split": split,
            "store_key": store_key,
            "weights": weights,
            # absolute: a run is opened from other folders than the one it was started in
            "root": os.path.abspath(root),
            "images": {name: os.path.abspath(path) for name, path in image_paths.items()},
        }
        with staged(run.index) as folder:
            for name in _ARRAYS:
                with atomic_write(folder / f"{name}.npy", "wb") as file:
                    np.save(file, arrays[name], allow_pickle=False)
            write_json(folder / _MANIFEST, manifest)


def has_unit_length(embeddings: NDArray[np.float32]) -> bool:
    """Whether all of ``(N, D)`` embeddings have length 1; False if there are none."""
    return len(embeddings) > 0 and all(
        bool(np.all(np.abs(np.linalg.norm(embeddings[start : start + _ROWS_AT_ONCE], axis=1) - 1) < _UNIT_LENGTH))
        for start in range(0, len(embeddings), _ROWS_AT_ONCE)
    )
