"""Exact nearest neighbours among embeddings on disk: candidates by products or faiss, then ranked in float64."""

import importlib
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.clustering.neighbors import VALUES_AT_ONCE, candidate_rows

log = logging.getLogger("objdisc")

FAISS_FROM = 1_000_000
"""Number of rows above which faiss is used, if it is installed."""

_SPARE = 16
"""Number of additional candidates that are compared exactly."""


@dataclass(frozen=True, eq=False)
class Hits:
    """The rows nearest to each query, nearest first.

    Attributes:
        rows: ``(..., n)`` int64 rows of the index, one line a query.
        distances: ``(..., n)`` float32 Euclidean distances.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float32]


def nearest_rows(
    embeddings: NDArray[np.float32],
    queries: NDArray[np.float32],
    top: int,
    *,
    eligible: NDArray[np.bool_] | None = None,
    squared_lengths: NDArray[np.float32] | None = None,
    device: str | torch.device = "cpu",
    faiss_from: int = FAISS_FROM,
    values_at_once: int = VALUES_AT_ONCE,
) -> Hits:
    """Find the rows nearest to each query, exactly; rows at equal distances stay in order.

    Float32 matrix products give a few more candidates than asked for; these are then ranked by distances in float64.

    Args:
        embeddings: ``(N, D)``, perhaps memory-mapped; never copied as a whole.
        queries: ``(Q, D)``.
        top: How many rows to find, at least 1; fewer are returned if fewer are eligible.
        eligible: ``(N,)`` rows to consider; None for all.
        squared_lengths: ``(N,)`` squared lengths of the embeddings, if the caller has them already.
        device: Where the products are computed.
        faiss_from: Number of rows above which faiss is used instead of torch, if it is installed.
        values_at_once: Most values of a block of embeddings that is searched at a time, but at least those of one
            embedding; it does not affect the result.

    Returns:
        ``(Q, n)`` rows and distances, n = ``top`` or the number of eligible rows.
    """
    count = min(top, len(embeddings) if eligible is None else int(eligible.sum()))
    if count == 0 or len(queries) == 0:
        shape = (len(queries), count)
        return Hits(np.zeros(shape, np.int64), np.zeros(shape, np.float32))
    faiss = _faiss() if len(embeddings) > faiss_from else None
    if faiss is None:
        candidates = candidate_rows(
            embeddings,
            queries,
            count + _SPARE,
            eligible=eligible,
            squared_lengths=squared_lengths,
            device=device,
            values_at_once=values_at_once,
        )
    else:
        candidates = _faiss_candidates(faiss, embeddings, queries, count + _SPARE, eligible, values_at_once)
    rows = np.empty((len(queries), count), np.int64)
    distances = np.empty((len(queries), count), np.float32)
    for number, (query, found) in enumerate(zip(queries, candidates, strict=True)):
        found = np.sort(found[found >= 0])  # rows in order: reading a mapped file, and among equals
        exact = np.linalg.norm(embeddings[found].astype(np.float64) - query.astype(np.float64), axis=1)
        order = np.argsort(exact, kind="stable")[:count]
        rows[number], distances[number] = found[order], exact[order]
    return Hits(rows, distances)


def _faiss_candidates(
    faiss: Any,
    embeddings: NDArray[np.float32],
    queries: NDArray[np.float32],
    count: int,
    eligible: NDArray[np.bool_] | None,
    values_at_once: int,
) -> NDArray[np.int64]:
    """Find the same candidates as ``candidate_rows``, by faiss.

    This is faiss's exact search over plain arrays, like ``IndexFlatL2`` but without a copy of all rows.
    """
    asked = np.ascontiguousarray(queries, np.float32)
    best = np.full((len(queries), 0), np.inf, np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    step = max(1, values_at_once // embeddings.shape[1])
    for start in range(0, len(embeddings), step):
        part = np.arange(start, min(start + step, len(embeddings)))
        if eligible is not None:
            part = part[eligible[part]]
        if len(part):
            chosen = embeddings[start : start + step] if eligible is None else embeddings[part]
            distances, places = faiss.knn(asked, np.ascontiguousarray(chosen), min(count, len(part)))
            best, rows = np.concatenate([best, distances], axis=1), np.concatenate([rows, part[places]], axis=1)
            kept = np.argsort(best, axis=1, kind="stable")[:, :count]
            best, rows = np.take_along_axis(best, kept, 1), np.take_along_axis(rows, kept, 1)
    return rows


def _faiss() -> Any | None:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        log.info("faiss is not installed (pip install 'objdisc[faiss]'): searching without it, exactly too")
        return None
