"""Exact nearest neighbours on the device, in chunks: memory grows with the number of points, never with its square."""

from typing import Literal

import torch
from torch import Tensor

Metric = Literal["inner", "euclidean"]

_PAIRS_AT_ONCE = 2**24
"""Numbers in memory at a time, for each of a few tensors: 64 MB of float32."""


def nearest(
    queries: Tensor, points: Tensor, k: int, metric: Metric = "inner", *, exclude_self: bool = False
) -> tuple[Tensor, Tensor]:
    """Find the k nearest points of each query, nearest first; of equally near ones the lower row comes first.

    A point is a neighbour of itself like any other unless ``exclude_self`` is set. Every pair is compared in float32,
    whatever autocast says.

    Args:
        queries: ``(Q, D)``, any floating dtype, finite.
        points: ``(N, D)`` on the same device.
        k: Neighbours of each query, at least 1 and at most N (N - 1 without itself).
        metric: ``inner``: the largest inner products, which are cosines where vectors have unit length; ``euclidean``:
            the smallest distances.
        exclude_self: Whether query i is row i of ``points`` and is left out of its own neighbours; then Q <= N.

    Returns:
        ``(Q, k)`` int64 rows of ``points``, and ``(Q, k)`` float32 inner products or squared distances.

    Raises:
        ValueError: There are fewer than k points to choose from, or a value is not finite.
    """
    candidates = len(points) - exclude_self
    if not 1 <= k <= candidates:
        raise ValueError(f"{k} neighbours are wanted of {candidates} points")
    queries, points = queries.float(), points.float()
    if not (bool(torch.isfinite(queries).all()) and bool(torch.isfinite(points).all())):
        raise ValueError("vectors hold values that are not finite")
    rows, values = [], []
    find = _most_alike if metric == "inner" else _least_distant
    with torch.autocast(queries.device.type, enabled=False):
        for start, chunk in _chunks(queries, max(len(points), _candidates(k) * queries.shape[1])):
            own = torch.arange(start, start + len(chunk), device=points.device) if exclude_self else None
            at, value = find(chunk, points, k, own)
            rows.append(at)
            values.append(value)
    empty = queries.new_zeros(0, k)
    return torch.cat([empty.long(), *rows]), torch.cat([empty, *values])


def _chunks(queries: Tensor, numbers_each: int) -> list[tuple[int, Tensor]]:
    size = max(_PAIRS_AT_ONCE // numbers_each, 1)
    return [(start, queries[start : start + size]) for start in range(0, len(queries), size)]


def _candidates(k: int) -> int:
    return 2 * k + 8


def _most_alike(queries: Tensor, points: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
    return _largest(_without(queries @ points.T, own), k)


def _least_distant(queries: Tensor, points: Tensor, k: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
    """Take candidates by one matrix product, order them by true distances, and start over where rounding might matter.

    The product |q|^2 - 2qp + |p|^2 is many times faster than differences, but loses what lies near to rounding.
    """
    center = points.mean(dim=0)  # the nearer to the origin, the smaller the rounding
    moved, others = queries - center, points - center
    lengths = others.square().sum(dim=1)
    own_lengths = moved.square().sum(dim=1, keepdim=True)
    rough = torch.addmm(lengths[None], moved, others.T, alpha=-2)  # (q, N), short of own_lengths
    wanted = min(_candidates(k), len(points) - (own is not None))
    reach, at = _without(rough.neg_(), own).topk(wanted, dim=1)
    at = at.sort(dim=1).values  # so that of equally near ones the lower row comes first
    true = (queries[:, None] - points[at]).square().sum(dim=2)
    squared, order = true.sort(dim=1, stable=True)
    found, squared = at.gather(1, order)[:, :k], squared[:, :k].clone()
    # no point that is not among the candidates is nearer than this
    slack = queries.shape[1] * torch.finfo(torch.float32).eps * (own_lengths[:, 0] + lengths.max())
    bound = own_lengths[:, 0] - reach[:, -1] - 2 * slack
    unsure = ((squared[:, -1] >= bound) & (wanted < len(points) - (own is not None))).nonzero()[:, 0]
    for part in torch.split(unsure, max(_PAIRS_AT_ONCE // len(points), 1)):
        exact = torch.cdist(queries[part], points, compute_mode="donot_use_mm_for_euclid_dist").square()
        rows, negated = _largest(_without(-exact, None if own is None else own[part]), k)
        found[part], squared[part] = rows, -negated
    return found, squared


def _without(near: Tensor, own: Tensor | None) -> Tensor:
    """Put each query's own row, if there is one, behind all others; in place."""
    return near if own is None else near.scatter_(1, own[:, None], -torch.inf)


def _largest(near: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return where the k largest values of each row of ``(q, N)`` are, and the values, ties in order of their place.

    ``topk`` alone may take equal values in any order, and another one on another device.
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
