"""Agglomeration of parts that touch: a binary tree of ever larger connected parts of an image."""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MergeTree:
    """A forest over n leaves: node n + i was made by the i-th merge.

    Attributes:
        children: ``(m, 2)`` int64 nodes that each merge joined; m = n - 1 where all leaves are connected.
        formed: ``(n + m,)`` float64 level at which each node was made: 0 for a leaf, else the greatest cost of
            any merge below it.
        joined: ``(n + m,)`` float64 level at which each node was merged into its parent; for a root, the highest of
            all.
    """

    children: NDArray[np.int64]
    formed: NDArray[np.float64]
    joined: NDArray[np.float64]

    def members(self) -> NDArray[np.bool_]:
        """Return the leaves that each node holds, ``(n + m, n)`` bool."""
        leaves = len(self.formed) - len(self.children)
        held = np.zeros((len(self.formed), leaves), np.bool_)
        held[np.arange(leaves), np.arange(leaves)] = True
        for node, (one, other) in enumerate(self.children.tolist(), start=leaves):
            held[node] = held[one] | held[other]
        return held


class _Parts:
    """The nodes of a growing tree, and which of those that have no parent yet touch."""

    def __init__(
        self,
        features: NDArray[np.float32],
        sizes: NDArray[np.floating],
        pairs: NDArray[np.int64],
        lengths: NDArray[np.floating],
        penalties: NDArray[np.floating],
    ) -> None:
        count = len(features)
        self.features = np.zeros((2 * count - 1, features.shape[1]), np.float32)
        self.features[:count] = features
        self.sizes = np.zeros(2 * count - 1)
        self.sizes[:count] = sizes / np.mean(sizes)
        # each neighbour of a part, with the length of the border and the sum of penalties along it
        self.touching: list[dict[int, tuple[float, float]]] = [{} for _ in range(count)]
        for (one, other), length, penalty in zip(pairs.tolist(), lengths.tolist(), penalties.tolist(), strict=True):
            self.touching[one][other] = self.touching[other][one] = (length, length * penalty)

    def costs(self, part: int, others: list[int]) -> NDArray[np.float64]:
        """Return the costs of joining a part to each of its given neighbours."""
        squared = np.square(self.features[others] - self.features[part]).sum(axis=1, dtype=np.float64)
        along = np.array([self.touching[part][other] for other in others])
        sizes = self.sizes[others]
        weights = sizes * self.sizes[part] / (sizes + self.sizes[part])
        return np.asarray((squared + along[:, 1] / along[:, 0]) * weights, np.float64)

    def join(self, one: int, other: int) -> int:
        """Join two parts into a new one and return its number."""
        node = len(self.touching)
        shared: dict[int, tuple[float, float]] = {}
        for part in (one, other):
            for neighbor, (length, penalty) in self.touching[part].items():
                if neighbor not in (one, other):
                    before = shared.get(neighbor, (0.0, 0.0))
                    shared[neighbor] = (before[0] + length, before[1] + penalty)
                    del self.touching[neighbor][part]
            self.touching[part] = {}
        for neighbor, border in shared.items():
            self.touching[neighbor][node] = border
        self.touching.append(shared)
        sizes = self.sizes[[one, other]]
        self.sizes[node] = sizes.sum()
        self.features[node] = (sizes @ self.features[[one, other]]) / sizes.sum()
        return node


def merge_adjacent(
    features: NDArray[np.float32],
    sizes: NDArray[np.floating],
    pairs: NDArray[np.int64],
    lengths: NDArray[np.floating],
    penalties: NDArray[np.floating],
) -> MergeTree:
    """Join the two touching parts whose merge costs least, until none touch.

    A merge costs ``(d² + p) a b / (a + b)``: d is the distance between the mean features, a and b are the sizes divided
    by that of a mean leaf, and p is the mean penalty along the border. Without penalties this is Ward's criterion (JASA
    1963).

    Args:
        features: ``(n, D)`` mean features of the leaves, n >= 1.
        sizes: ``(n,)`` pixels of each.
        pairs: ``(E, 2)`` leaves that touch.
        lengths: ``(E,)`` length of the border of each pair, in pixels.
        penalties: ``(E,)`` mean penalty along it, at least 0.

    Returns:
        The tree. Among equal costs, parts with lower numbers are joined first.
    """
    parts = _Parts(features, sizes, pairs, lengths, penalties)
    heap: list[tuple[float, int, int]] = []
    for leaf, touching in enumerate(parts.touching):
        others = [other for other in touching if other > leaf]
        if others:
            heap += [(cost, leaf, other) for cost, other in zip(parts.costs(leaf, others), others, strict=True)]
    heapq.heapify(heap)
    children: list[tuple[int, int]] = []
    formed = [0.0] * len(features)
    while heap:
        cost, one, other = heapq.heappop(heap)
        if other not in parts.touching[one]:
            continue  # one of both is part of something larger by now
        node = parts.join(one, other)
        children.append((one, other))
        formed.append(max(cost, formed[one], formed[other]))
        others = list(parts.touching[node])
        if others:
            for price, neighbor in zip(parts.costs(node, others).tolist(), others, strict=True):
                heapq.heappush(heap, (price, neighbor, node))
    levels = np.array(formed)
    joined = np.full(len(levels), levels.max(initial=0.0))
    found = np.array(children, np.int64).reshape(-1, 2)
    joined[found] = levels[len(features) :, None]
    return MergeTree(found, levels, joined)
