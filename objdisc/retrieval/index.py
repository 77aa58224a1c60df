"""The run's index: embedding and cluster of every patch of the answered split, in plain files."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError
from objdisc.run import Run, atomic_write, write_json

FORMAT_VERSION = 1

_MANIFEST = "index.json"
_ARRAYS = ("embeddings", "clusters", "confidence", "probabilities", "foreground")
_UNIT_LENGTH = 1e-3  # how far a length may be from 1, in bf16 inference too
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class Index:
    """Embeddings of N patches: row i is row i of the answered split's ``PatchStore``.

    A folder of ``.npy`` files, read memory-mapped, and ``index.json``, written last: without it the others are not
    trusted. No file holds a pickle.

    Attributes:
        embeddings: ``(N, D)`` float32, what the method clusters.
        clusters: ``(N,)`` int32, the most probable cluster, 0 to K - 1; of background patches too.
        confidence: ``(N,)`` float32, its probability.
        probabilities: ``(N, K)`` float32.
        foreground: ``(N,)`` bool, False for background patches, which no search returns.
        normalized: Whether embeddings have unit length.
        split: The answered split; ``""`` where the data set has none.
        store_key: ``PatchStore.key`` of that split's patches.
        weights: Hash of the weights that computed the embeddings.
        root: The data set's folder, as it lay when the index was written.
        image_paths: ``Sample.name`` to the image file, likewise.
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
        try:
            manifest = json.loads((run.index / _MANIFEST).read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT_VERSION:
                raise ValueError(f"format {manifest['format']}, expected {FORMAT_VERSION}")
            arrays: dict[str, Any] = {
                name: np.load(run.index / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS
            }
            if {len(array) for array in arrays.values()} != {manifest["patches"]}:
                raise ValueError("its files do not belong together")
            paths = {name: Path(path) for name, path in manifest["images"].items()}
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
        """Write the index of a run; the attributes of ``Index`` say what the arguments are.

        Raises:
            ValueError: The arrays differ in length.
            ObjdiscError: The disk is full, or the folder cannot be written.
        """
        if not len(embeddings) == len(probabilities) == len(foreground):
            raise ValueError(
                f"{len(embeddings)} embeddings, {len(probabilities)} probabilities, {len(foreground)} rows"
            )
        manifest = run.index / _MANIFEST
        manifest.unlink(missing_ok=True)
        arrays: dict[str, NDArray[Any]] = {
            "embeddings": embeddings.astype(np.float32, copy=False),
            "clusters": probabilities.argmax(axis=1).astype(np.int32),
            "confidence": probabilities.max(axis=1).astype(np.float32, copy=False),
            "probabilities": probabilities.astype(np.float32, copy=False),
            "foreground": foreground.astype(np.bool_, copy=False),
        }
        for name in _ARRAYS:
            with atomic_write(run.index / f"{name}.npy", "wb") as file:
                np.save(file, arrays[name], allow_pickle=False)
        write_json(
            manifest,
            {
                "format": FORMAT_VERSION,
                "patches": len(embeddings),
                "normalized": has_unit_length(embeddings),
                "split": split,
                "store_key": store_key,
                "weights": weights,
                # absolute: a run is opened from other folders than the one it was started in
                "root": os.path.abspath(root),
                "images": {name: os.path.abspath(path) for name, path in image_paths.items()},
            },
        )


def has_unit_length(embeddings: NDArray[np.float32]) -> bool:
    """Whether all of ``(N, D)`` embeddings have length 1; False for none."""
    return len(embeddings) > 0 and all(
        bool(np.all(np.abs(np.linalg.norm(embeddings[start : start + _ROWS_AT_ONCE], axis=1) - 1) < _UNIT_LENGTH))
        for start in range(0, len(embeddings), _ROWS_AT_ONCE)
    )
