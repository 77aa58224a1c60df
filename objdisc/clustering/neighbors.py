"""All nearest-neighbour searches, on the device and in chunks: memory grows with the points, never with their square.

``nearest`` finds the neighbours of each point, and ``nearest_centroid`` its centroid. ``candidate_rows`` searches rows
on the disk, too many to hold at once, block by block.
"""

from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Metric = Literal["inner", "cosine", "euclidean"]
Distance = Literal["differences", "products", "cosine"]
"""How points are compared with centroids: squared distances by differences, exact for any points; the same by one
matrix product, many times faster and as good if points have about unit length; or ``cosine``, also by a matrix
product, of points of unit length with centroids of unit length (spherical k-means, Dhillon and Modha 2001)."""

VALUES_AT_ONCE = 2**25
"""Most values of a block of rows from the disk: 128 MB of float32."""

_SCORES_AT_ONCE = 2**22
"""Most pairs of queries and rows of such a block: 16 MB of float32."""

_DISTANCES_AT_ONCE = 2**26
"""Most distances to centroids in memory at a time: 256 MB of float32."""


def nearest_centroid(
    points: Tensor, centroids: Tensor, distance: Distance = "differences", *, points_at_once: int = 65536
) -> tuple[Tensor, Tensor]:
    """Find the nearest centroid of every point.

    Args:
        points: ``(N, D)``, compared in the dtype of the centroids.
        centroids: ``(K, D)`` float32 or float64 on the same device, K >= 1.
        distance: How they are compared.
        points_at_once: Most points that are compared at a time, at least 1.

    Returns:
        ``(N,)`` int64 assignments and ``(N,)`` squared distances, which are 2 - 2 cos for ``cosine``.
    """
    assignments, distances = [], []
    for chunk in torch.split(points, max(min(points_at_once, _DISTANCES_AT_ONCE // len(centroids)), 1)):
        best = distances_to_centroids(chunk.to(centroids.dtype), centroids, distance).min(dim=1)
        assignments.append(best.indices)
        distances.append(best.values)
    return torch.cat(assignments), torch.cat(distances)


def distances_to_centroids(points: Tensor, centroids: Tensor, distance: Distance) -> Tensor:
    """Compute the squared distances ``(n, K)`` of points ``(n, D)`` to centroids ``(K, D)``, all pairs at once."""
    if distance == "differences":
        return torch.cdist(points, centroids, compute_mode="donot_use_mm_for_euclid_dist").square()
    with torch.autocast(points.device.type, enabled=False):
        if distance == "cosine":
            return 2 - 2 * points @ centroids.T
        lengths = points.square().sum(dim=1, keepdim=True) + centroids.square().sum(dim=1)
        return torch.addmm(lengths, points, centroids.T, alpha=-2).clamp_min_(0)


def nearest(
    queries: Tensor,
    points: Tensor,
    k: int,
    metric: Metric = "inner",
    *,
    exclude_self: bool = False,
    pairs_at_once: int = 2**24,
) -> tuple[Tensor, Tensor]:
    """Find the k nearest points of each query, nearest first; among equally near ones the lower row comes first.

    A point is a neighbour of itself like any other unless ``exclude_self`` is set. Every pair is compared in float32,
    also under autocast, or in float64 if one of the two has it.

    Args:
        queries: ``(Q, D)``, of any floating dtype, finite.
        points: ``(N, D)`` on the same device.
        k: Neighbours of each query, at least 1 and at most N (N - 1 with ``exclude_self``).
        metric: Which points are near: those with the largest inner products for ``inner`` (cosines if vectors have unit
            length), with the largest cosines for ``cosine``, with the smallest distances for ``euclidean``.
        exclude_self: Whether query i is row i of ``points`` and is left out of its own neighbours; then Q <= N.
        pairs_at_once: Most pairs in memory at a time, for each of a few tensors, but at least those of one query; by
            default 64 MB of float32.

    Returns:
        ``(Q, k)`` int64 rows of ``points``, and ``(Q, k)`` inner products, cosines or squared distances.

    Raises:
        ValueError: There are fewer than k points to choose from, or a value is not finite.
    """
    candidates = len(points) - exclude_self
    if not 1 <= k <= candidates:
        raise ValueError(f"{k} neighbours are wanted of {candidates} points")
    dtype = torch.promote_types(torch.promote_types(queries.dtype, points.dtype), torch.float32)
    queries, points = queries.to(dtype), points.to(dtype)
    if not (bool(torch.isfinite(queries).all()) and bool(torch.isfinite(points).all())):
        raise ValueError("vectors hold values that are not finite")
    if metric == "cosine":
        queries, points = F.normalize(queries, dim=1), F.normalize(points, dim=1)
    rows, values = [], []
    with torch.autocast(queries.device.type, enabled=False):
        find = _LeastDistant(points, pairs_at_once) if metric == "euclidean" else partial(_most_alike, points)
        for start, chunk in _chunks(queries, pairs_at_once // max(len(points), _candidates(k) * queries.shape[1])):
            own = torch.arange(start, start + len(chunk), device=points.device) if exclude_self else None
            at, value = find(chunk, k, own)
            rows.append(at)
            values.append(value)
    empty = queries.new_zeros(0, k)
    return torch.cat([empty.long(), *rows]), torch.cat([empty, *values])


def candidate_rows(
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    count: int,
    *,
    eligible: NDArray[np.bool_] | None = None,
    squared_lengths: NDArray[np.float32] | None = None,
    device: torch.device | str = "cpu",
    values_at_once: int = VALUES_AT_ONCE,
) -> NDArray[np.int64]:
    """Find the rows nearest to each query by float32 products, one block of rows after the other.

    Products distinguish near neighbours only to about 1e-3 of a unit length: a caller that needs an exact order asks
    for some more rows, and orders them by their true distances.

    Args:
        rows: ``(N, D)``, perhaps memory-mapped; never copied as a whole.
        queries: ``(Q, D)``, Q >= 1.
        count: How many rows to find, at least 1.
        eligible: ``(N,)`` rows to consider; None for all.
        squared_lengths: ``(N,)`` squared lengths of the rows, if the caller has them already.
        device: Where the products are computed.
        values_at_once: Most values of a block of rows, but at least those of one row.

    Returns:
        ``(Q, m)`` rows, the nearest first; -1 if there are no more.
    """
    device = torch.device(device)
    asked = np.ascontiguousarray(queries, np.float32)
    best = torch.full((len(queries), 0), -torch.inf, device=device)
    found = torch.zeros((len(queries), 0), dtype=torch.int64, device=device)
    step = max(1, min(_SCORES_AT_ONCE // len(queries), values_at_once // rows.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        lengths = squared_lengths_of(block) if squared_lengths is None else squared_lengths[start : start + step]
        if eligible is not None:
            lengths = np.where(eligible[start : start + step], lengths, np.float32(np.inf))
        scores = _nearness(asked, block, lengths, device)
        values, places = scores.topk(min(count, scores.shape[1]), dim=1)
        best, found = torch.cat([best, values], dim=1), torch.cat([found, places + start], dim=1)
        best, kept = best.topk(min(count, best.shape[1]), dim=1)
        found = found.gather(1, kept)
    return np.asarray(found.masked_fill(best == -torch.inf, -1).cpu().numpy())


def squared_lengths_of(rows: NDArray[np.float32], *, values_at_once: int = VALUES_AT_ONCE) -> NDArray[np.float32]:
    """Compute the squared length of each row, block by block.

    Args:
        rows: ``(N, D)``, perhaps memory-mapped.
        values_at_once: Most values of a block of rows, but at least those of one row.

    Returns:
        ``(N,)``.
    """
    step = max(1, values_at_once // max(rows.shape[1], 1))
    parts = [
        np.einsum("nd,nd->n", block, block) for block in (rows[at : at + step] for at in range(0, len(rows), step))
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _nearness(
    queries: NDArray[np.float32], rows: NDArray[np.float32], squared_lengths: NDArray[np.float32], device: torch.device
) -> Tensor:
    """Compute |q|^2 - |q - x|^2 of each query and row, ``(Q, n)``: larger is nearer, and |q|^2 is not needed."""
    if device.type != "cpu":
        products = tensor_of(queries, device) @ tensor_of(rows, device).T
    elif len(queries) == 1:
        # numpy's OpenBLAS multiplies in half the time of the MKL under torch, measured on an AMD processor
        products = torch.from_numpy((rows @ queries[0])[None])
    else:
        products = torch.from_numpy(queries @ rows.T)
    return products.mul_(2).sub_(tensor_of(squared_lengths, device))


def tensor_of(values: NDArray[np.float32], device: torch.device | str = "cpu") -> Tensor:
    """Return an array as a tensor for reading only, without a copy if possible."""
    # a read-only array has to be copied, so as not to be written through the tensor
    return torch.from_numpy(values if values.flags.writeable else values.copy()).to(device)


def _chunks(queries: Tensor, size: int) -> list[tuple[int, Tensor]]:
    size = max(size, 1)
    return [(start, queries[start : start + size]) for start in range(0, len(queries), size)]


def _candidates(k: int) -> int:
    return 2 * k + 8


def _most_alike(points: Tensor, queries: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
    return _largest(_without(queries @ points.T, own), k)


class _LeastDistant:
    """Takes candidates by one matrix product, orders them by true distances, and starts over if rounding matters.

    The product |q|^2 - 2qp + |p|^2 is many times faster than differences, but rounding hides small distances.
    """

    def __init__(self, points: Tensor, pairs_at_once: int) -> None:
        self.points, self.pairs_at_once = points, pairs_at_once
        self.center = points.mean(dim=0)  # the nearer to the origin, the smaller the rounding
        self.moved = points - self.center
        self.lengths = self.moved.square().sum(dim=1)

    def __call__(self, queries: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
        points = self.points
        moved = queries - self.center
        own_lengths = moved.square().sum(dim=1, keepdim=True)
        rough = torch.addmm(self.lengths[None], moved, self.moved.T, alpha=-2)  # (q, N), short of own_lengths
        wanted = min(_candidates(k), len(points) - (own is not None))
        reach, at = _without(rough.neg_(), own).topk(wanted, dim=1)
        at = at.sort(dim=1).values  # so that of equally near ones the lower row comes first
        true = (queries[:, None] - points[at]).square().sum(dim=2)
        squared, order = true.sort(dim=1, stable=True)
        found, squared = at.gather(1, order)[:, :k], squared[:, :k].clone()
        # no point that is not among the candidates is nearer than this
        slack = queries.shape[1] * torch.finfo(queries.dtype).eps * (own_lengths[:, 0] + self.lengths.max())
        bound = own_lengths[:, 0] - reach[:, -1] - 2 * slack
        unsure = ((squared[:, -1] >= bound) & (wanted < len(points) - (own is not None))).nonzero()[:, 0]
        for part in torch.split(unsure, max(self.pairs_at_once // len(points), 1)):
            exact = torch.cdist(queries[part], points, compute_mode="donot_use_mm_for_euclid_dist").square()
            rows, negated = _largest(_without(-exact, None if own is None else own[part]), k)
            found[part], squared[part] = rows, -negated
        return found, squared


def _without(near: Tensor, own: Tensor | None) -> Tensor:
    """Rank each query's own row, if there is one, behind all others; in place."""
    return near if own is None else near.scatter_(1, own[:, None], -torch.inf)


def _largest(near: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the indices and values of the k largest values in each row of ``(q, N)``, ties in order of their index.

    ``topk`` alone may return equal values in any order, which differs between devices.
    """
    values, at = near.topk(min(k + 1, near.shape[1]), dim=1)
    tied = (values[:, k - 1] == values[:, k]).nonzero()[:, 0] if values.shape[1] > k else at.new_zeros(0)
    at = at[:, :k].clone()
    if len(tied):
        rows = near[tied]
        equal, above = rows == values[tied, k - 1 : k], rows > values[tied, k - 1 : k]
        room = k - above.sum(dim=1, keepdim=True)
        at[tied] = (above | (equal & (equal.cumsum(dim=1) <= room))).nonzero()[:, 1].view(len(tied), k)
    at = at.sort(dim=1).values
    values, order = near.gather(1, at).sort(dim=1, descending=True, stable=True)
    return at.gather(1, order), values
