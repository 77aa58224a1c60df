"""Exact nearest neighbours among embeddings: a matrix product per chunk, the best merged, memory bounded."""

import importlib
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

log = logging.getLogger("objdisc")

FAISS_FROM = 1_000_000
"""Rows beyond which faiss searches, where it is installed."""

_SCORES = 1 << 22  # of one chunk, queries times rows: 16 MiB
_VALUES = 1 << 25  # of one chunk of embeddings: 128 MiB
# float32 products tell near neighbours apart to about 1e-3 of a unit length: so many more are looked at exactly
_SPARE = 16


@dataclass(frozen=True, eq=False)
class Hits:
    """What lies nearest to each query, nearest first.

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
) -> Hits:
    """Find the rows nearest to each query, exactly; equal distances in the order of the rows.

    Candidates come from float32 matrix products, a few more than asked for; their distances are then computed in
    float64, and those decide.

    Args:
        embeddings: ``(N, D)``, perhaps memory-mapped; never copied as a whole.
        queries: ``(Q, D)``.
        top: How many, at least 1; fewer come back where fewer are eligible.
        eligible: ``(N,)`` rows to consider; None for all.
        squared_lengths: ``(N,)`` of the embeddings, where the caller has them already.
        device: Where the products are made.
        faiss_from: Rows beyond which faiss is used instead of torch, where it is installed.

    Returns:
        ``(Q, n)`` rows and distances, n = ``top`` or the number of eligible rows.
    """
    count = min(top, len(embeddings) if eligible is None else int(eligible.sum()))
    if count == 0 or len(queries) == 0:
        shape = (len(queries), count)
        return Hits(np.zeros(shape, np.int64), np.zeros(shape, np.float32))
    faiss = _faiss() if len(embeddings) > faiss_from else None
    if faiss is None:
        candidates = _candidates(embeddings, queries, count + _SPARE, eligible, squared_lengths, torch.device(device))
    else:
        candidates = _faiss_candidates(faiss, embeddings, queries, count + _SPARE, eligible)
    rows = np.empty((len(queries), count), np.int64)
    distances = np.empty((len(queries), count), np.float32)
    for number, (query, found) in enumerate(zip(queries, candidates, strict=True)):
        found = np.sort(found[found >= 0])  # rows in order: reading a mapped file, and among equals
        exact = np.linalg.norm(embeddings[found].astype(np.float64) - query.astype(np.float64), axis=1)
        order = np.argsort(exact, kind="stable")[:count]
        rows[number], distances[number] = found[order], exact[order]
    return Hits(rows, distances)


def squared_lengths_of(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared length ``(N,)`` of each embedding ``(N, D)``, chunk by chunk."""
    step = max(1, _VALUES // max(embeddings.shape[1], 1))
    parts = [
        np.einsum("nd,nd->n", chunk, chunk)
        for chunk in (embeddings[start : start + step] for start in range(0, len(embeddings), step))
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _candidates(
    embeddings: NDArray[np.float32],
    queries: NDArray[np.float32],
    count: int,
    eligible: NDArray[np.bool_] | None,
    squared_lengths: NDArray[np.float32] | None,
    device: torch.device,
) -> NDArray[np.int64]:
    """Rows ``(Q, m)`` of least distance by float32 products; -1 where there are no more."""
    asked = np.ascontiguousarray(queries, np.float32)
    best = torch.full((len(queries), 0), -torch.inf, device=device)
    rows = torch.zeros((len(queries), 0), dtype=torch.int64, device=device)
    step = max(1, min(_SCORES // len(queries), _VALUES // embeddings.shape[1]))
    for start in range(0, len(embeddings), step):
        part = embeddings[start : start + step]
        lengths = squared_lengths_of(part) if squared_lengths is None else squared_lengths[start : start + step]
        if eligible is not None:
            lengths = np.where(eligible[start : start + step], lengths, np.float32(np.inf))
        scores = _nearness(asked, part, lengths, device)
        values, places = scores.topk(min(count, scores.shape[1]), dim=1)
        best, rows = torch.cat([best, values], dim=1), torch.cat([rows, places + start], dim=1)
        best, kept = best.topk(min(count, best.shape[1]), dim=1)
        rows = rows.gather(1, kept)
    return np.asarray(rows.masked_fill(best == -torch.inf, -1).cpu().numpy())


def _nearness(
    queries: NDArray[np.float32], rows: NDArray[np.float32], squared_lengths: NDArray[np.float32], device: torch.device
) -> Tensor:
    """|q|^2 - |q - x|^2 of each query and row, ``(Q, n)``: large is near, and |q|^2 need not be known."""
    if device.type != "cpu":
        products = _tensor(queries, device) @ _tensor(rows, device).T
    elif len(queries) == 1:
        # numpy's OpenBLAS multiplies in half the time of the MKL under torch, measured on an AMD processor
        products = torch.from_numpy((rows @ queries[0])[None])
    else:
        products = torch.from_numpy(queries @ rows.T)
    return products.mul_(2).sub_(_tensor(squared_lengths, device))


def _tensor(values: NDArray[np.float32], device: torch.device) -> Tensor:
    # a read-only array would have to be copied, so as not to be written through the tensor; nothing here writes
    if not values.flags.writeable:
        values = values.copy()
    return torch.from_numpy(values).to(device)


def _faiss_candidates(
    faiss: Any,
    embeddings: NDArray[np.float32],
    queries: NDArray[np.float32],
    count: int,
    eligible: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    """The same by faiss's exact search over plain arrays: what ``IndexFlatL2`` does, without its copy of all rows."""
    asked = np.ascontiguousarray(queries, np.float32)
    best = np.full((len(queries), 0), np.inf, np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    step = max(1, _VALUES // embeddings.shape[1])
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
