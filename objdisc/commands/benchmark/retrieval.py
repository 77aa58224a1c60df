"""Time of a search among the embeddings of a run, compared with plain numpy."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.io.run import Run
from objdisc.retrieval import Index

_BATCH = 64
_TOP = 20
_TURNS = 9
_CLUSTERS = 10


def search_times(rows: int = 300_000, dimensions: int = 128, device: str = "cpu") -> dict[str, float]:
    """Search an index on disk in turns with numpy on the same memory-mapped rows; medians of all turns count.

    numpy multiplies once and then sorts all similarities, or only separates the best (``argpartition``); unlike the
    search, it neither leaves out background rows nor decides near ties in float64.

    Args:
        rows: Embeddings.
        dimensions: Dimensions of each embedding.
        device: Device of the search.

    Returns:
        Milliseconds of one query alone, of one in a batch of 64, and of numpy's two forms, by the clock; the first two
            also in CPU time, which says more on a busy machine; and numpy's times as multiples of one query's.
    """
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((rows, dimensions), dtype=np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    noise = 0.05 * rng.standard_normal((_BATCH, dimensions), dtype=np.float32)
    queries = embeddings[rng.integers(rows, size=_BATCH)] + noise
    with tempfile.TemporaryDirectory() as folder:
        index = _index(Path(folder), embeddings)
        del embeddings
        jobs: dict[str, Callable[[], object]] = {
            "single": lambda: index.query(queries[0], _TOP, device=device),
            "batched": lambda: index.query(queries, _TOP, device=device),
            "numpy_sort": lambda: np.argsort(-(index.embeddings @ queries[0]))[:_TOP],
            "numpy_argpartition": lambda: _parted(index.embeddings @ queries[0]),
        }
        for job in jobs.values():
            job()  # maps the files, and plans
        timed = [{name: _seconds(job) for name, job in jobs.items()} for _ in range(_TURNS)]
    turns = [{name: seconds[0] for name, seconds in turn.items()} for turn in timed]
    middle = {name: 1000 * statistics.median(turn[name] for turn in turns) for name in jobs}
    used = {name: 1000 * statistics.median(turn[name][1] for turn in timed) for name in jobs}
    return {
        "query_milliseconds": middle["single"],
        "batched_query_milliseconds": middle["batched"] / _BATCH,
        "query_processor_milliseconds": used["single"],
        "batched_query_processor_milliseconds": used["batched"] / _BATCH,
        "numpy_sort_milliseconds": middle["numpy_sort"],
        "numpy_argpartition_milliseconds": middle["numpy_argpartition"],
        "numpy_sort_to_query": statistics.median(turn["numpy_sort"] / turn["single"] for turn in turns),
        "numpy_argpartition_to_query": statistics.median(turn["numpy_argpartition"] / turn["single"] for turn in turns),
    }


def _index(folder: Path, embeddings: NDArray[np.float32]) -> Index:
    (folder / "config.yaml").touch()
    probabilities = np.full((len(embeddings), _CLUSTERS), 1 / _CLUSTERS, np.float32)
    Index.write(
        Run(folder),
        embeddings,
        probabilities,
        np.ones(len(embeddings), np.bool_),
        split="",
        store_key="",
        weights="",
        root=folder,
        image_paths={},
    )
    return Index.open(folder)


def _parted(similarities: NDArray[np.float32]) -> NDArray[np.int64]:
    best = np.argpartition(-similarities, _TOP)[:_TOP]
    return best[np.argsort(-similarities[best])]


def _seconds(job: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a job takes, by the clock and in CPU time of all threads together."""
    started, used = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - started, time.process_time() - used
