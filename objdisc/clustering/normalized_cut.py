"""Normalised cuts of a graph with only two different weights: which points split off most easily."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

WEAK = 1e-5
"""Weight of a pair of points that are not similar, as in TokenCut: it keeps the graph connected."""

_TOLERANCE = 1e-6  # of an eigenvalue
_KRYLOV = 24  # vectors that Lanczos' method keeps between restarts
_DENSE = 64  # nodes up to which a dense solver is as quick
_RESTARTS = 100  # of Lanczos' method; a dense solver does what needs more
_LEAST_SIDE = 1 / 50  # of the points, on either side of a split
_ROWS = 1024  # of similarities in memory at once


@dataclass(frozen=True)
class SimilarityGraph:
    """n points; any two have the weight 1 if they are similar, and otherwise the weight ``WEAK``.

    Attributes:
        similar: ``(n, n)`` symmetric matrix of float32 ones where two points are similar, the diagonal included.
    """

    similar: sparse.csr_matrix

    @classmethod
    def of_features(cls, features: NDArray[np.float32], threshold: float) -> "SimilarityGraph":
        """Make points similar if their features have a cosine of at least ``threshold``.

        Args:
            features: ``(n, D)``; a point of length zero is similar only to itself.
            threshold: -1 to 1.
        """
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        unit = features / np.maximum(lengths, np.finfo(np.float32).tiny)
        count = len(unit)
        near = np.zeros((count, count), np.bool_)
        for start in range(0, count, _ROWS):
            rows = unit[start : start + _ROWS] @ unit[start:].T >= threshold
            near[start : start + _ROWS, start:] = rows
            near[start:, start : start + _ROWS] = rows.T  # products of floats may differ by the order of factors
        there = lengths[:, 0] > 0
        near &= there & there[:, None]
        np.fill_diagonal(near, True)
        columns = np.nonzero(near.ravel())[0] % count
        ends = np.append(0, np.count_nonzero(near, axis=1).cumsum())
        ones = np.ones(len(columns), np.float32)
        return cls(sparse.csr_matrix((ones, columns.astype(np.int32), ends.astype(np.int32)), near.shape))

    def part(self, members: NDArray[np.int64]) -> "SimilarityGraph":
        """Return the graph of a subset of the points."""
        return SimilarityGraph(self.similar[members][:, members])

    def components(self) -> list[NDArray[np.int64]]:
        """Return the points of each part connected by similar pairs; cutting between parts costs almost nothing."""
        count, owner = sparse.csgraph.connected_components(self.similar, directed=False)
        return [np.flatnonzero(owner == number) for number in range(count)]

    def closedness(self, members: NDArray[np.int64]) -> float:
        """Return how much of the similarity of some points is among themselves, as a share of 0 to 1."""
        rows = self.similar[members]
        return float(rows[:, members].sum() / max(rows.sum(), 1))

    def second_eigenvector(self) -> NDArray[np.float64]:
        """Solve ``(D − W) y = λ D y`` for the second smallest λ (Shi and Malik 2000), by Lanczos' method.

        If similar pairs do not connect all points, many λ are almost 0: use ``components`` first.

        Only similar pairs are multiplied: the weak weight of all pairs adds just one sum over the points. The first
        eigenvector is known, and projected out.

        Returns:
            ``(n,)`` y with ``y D y = 1``, n >= 2; its sign is such that the value furthest from 0 is positive.
        """
        count = self.similar.shape[0]
        if count <= _DENSE:
            return dense_second_eigenvector(self)
        degrees = self.degrees()
        inverse = 1 / np.sqrt(degrees)
        trivial = np.sqrt(degrees / degrees.sum())

        def multiplied(vector: NDArray[np.float64]) -> NDArray[np.float64]:
            scaled = inverse * vector.ravel()
            near = self.similar @ scaled.astype(np.float32)
            result = inverse * ((1 - WEAK) * near + WEAK * scaled.sum())
            return np.asarray(result - 2 * trivial * (trivial @ vector.ravel()), np.float64)  # it comes last now

        operator = LinearOperator((count, count), multiplied, dtype=np.float64)
        start = np.sqrt(degrees) * np.linspace(-1, 1, count)  # not random: the same graph gives the same answer
        try:
            _, found = eigsh(operator, 1, which="LA", v0=start, tol=_TOLERANCE, ncv=_KRYLOV, maxiter=_RESTARTS)
        except ArpackNoConvergence:
            return dense_second_eigenvector(self)
        return _signed(inverse * found[:, 0])

    def degrees(self) -> NDArray[np.float64]:
        """Return the sum ``(n,)`` of the weights of each point, including that to itself."""
        near = np.asarray(self.similar.sum(axis=1, dtype=np.float64)).ravel()
        return np.asarray(WEAK * len(near) + (1 - WEAK) * near, np.float64)

    def split(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Split the points at the threshold of some values that gives the smallest normalised cut.

        Args:
            values: ``(n,)``, n >= 2, such as ``second_eigenvector``.

        Returns:
            ``(n,)`` True for those above the threshold; at least a fiftieth of the points lies on either side.
        """
        order = np.argsort(values, kind="stable")
        count = len(order)
        rank = np.empty(count, np.int64)
        rank[order] = np.arange(count)
        rows = np.repeat(rank, np.diff(self.similar.indptr))
        columns = rank[self.similar.indices]
        # a pair is cut by every threshold between both ranks
        ahead = rows < columns
        change = np.bincount(rows[ahead], minlength=count) - np.bincount(columns[ahead], minlength=count)
        below = np.arange(1, count)
        cut = (1 - WEAK) * change.cumsum()[:-1] + WEAK * below * (count - below)
        volume = self.degrees()[order].cumsum()
        values_of_cut = cut / volume[:-1] + cut / (volume[-1] - volume[:-1])
        least = max(1, round(_LEAST_SIDE * count))
        best = least - 1 + int(values_of_cut[least - 1 : count - least].argmin())
        return np.asarray(rank > best)


def dense_second_eigenvector(graph: SimilarityGraph) -> NDArray[np.float64]:
    """Solve the problem of ``SimilarityGraph.second_eigenvector`` with a dense solver for symmetric matrices."""
    weights = np.where(graph.similar.toarray() > 0, 1.0, WEAK)
    degrees = np.diag(weights.sum(axis=1))
    return _signed(eigh(degrees - weights, degrees, subset_by_index=[0, 1])[1][:, 1])


def _signed(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector if vector[np.abs(vector).argmax()] >= 0 else -vector, np.float64)
