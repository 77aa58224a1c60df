"""Graph degree linkage: pairwise merging of clusters of a directed graph, sparse and with a heap."""

import heapq
from bisect import insort
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array


class ClusterGraph:
    """Clusters, the affinities of those that are linked, and the pair to merge next.

    The affinity of clusters A and B is (Zhang et al. 2012, equations 6 and 7; Yang et al. 2016, equation 2)

        1/|A|^2 1' W_AB W_BA 1 + 1/|B|^2 1' W_BA W_AB 1,

    where 1' W_AB W_BA 1 is the sum over the points p of B of the weight of links from A to p times that of links from p
    to A. Both weights are kept for each cluster and each point that it touches, so that all sums stay exact as clusters
    merge. The cost of a merge is the number of points that the smaller cluster touches plus the number of clusters that
    the union is linked to.

    The next pair is the cluster C with the highest A_1 + w / (K_c - 1) sum over k = 2..K_c of (A_1 - A_k) and its
    nearest cluster, where A_k is the affinity of C with its k-th nearest cluster, or 0 if it has fewer (Yang et al.
    2016, equation 11). With K_c = 1 that is the pair with the highest affinity (Zhang et al.).

    Args:
        affinity: ``(n, n)`` non-negative weights W, row i holding the links that leave i.
        labels: ``(n,)`` clusters to start from, in [0, c), none empty.
        local_neighbors: K_c, at least 1.
        local_weight: w; lambda in the paper.
    """

    def __init__(
        self, affinity: csr_array, labels: NDArray[np.int64], local_neighbors: int = 1, local_weight: float = 1.0
    ) -> None:
        count = int(labels.max()) + 1
        self._local, self._weight = local_neighbors, local_weight
        self._kept = 2 * local_neighbors + 8
        self._owner: list[int] = labels.tolist()
        self._members: list[list[int]] = [[] for _ in range(count)]
        for point, cluster in enumerate(self._owner):
            self._members[cluster].append(point)
        self._touched, self._links = _touched_points(affinity, labels, count)
        self._affinities = [
            {other: self._affinity(cluster, other) for other in links} for cluster, links in enumerate(self._links)
        ]
        self._nearest = [self._nearest_of(cluster) for cluster in range(count)]
        self._version = [0] * count
        self.num_clusters = count
        self._heap = [(-self._score(cluster), cluster, 0) for cluster in range(count) if self._nearest[cluster]]
        heapq.heapify(self._heap)

    def merge(self, num_clusters: int) -> None:
        """Merge until the given number of clusters is left, or no two are linked any more."""
        while self.num_clusters > num_clusters and self._heap:
            _, cluster, version = heapq.heappop(self._heap)
            if version == self._version[cluster]:
                self._join(cluster, self._nearest[cluster][0][1])

    def labels(self) -> NDArray[np.int64]:
        """Return the cluster ``(n,)`` of each point, in [0, number of clusters)."""
        labels: NDArray[np.int64] = np.unique(np.array(self._owner), return_inverse=True)[1].astype(np.int64)
        return labels

    def neighbors(self, count: int) -> NDArray[np.int64]:
        """Return the clusters ``(number of clusters, count)`` with the highest affinity to each, -1 for none."""
        alive = sorted(set(self._owner))
        number = {cluster: place for place, cluster in enumerate(alive)}
        table = np.full((len(alive), count), -1, dtype=np.int64)
        for place, cluster in enumerate(alive):
            best = heapq.nsmallest(count, ((-value, other) for other, value in self._affinities[cluster].items()))
            table[place, : len(best)] = [number[other] for _, other in best]
        return table

    def _affinity(self, cluster: int, other: int) -> float:
        forth, back = self._links[cluster][other], self._links[other][cluster]
        return forth / len(self._members[cluster]) ** 2 + back / len(self._members[other]) ** 2

    def _nearest_of(self, cluster: int) -> list[tuple[float, int]]:
        """Return the highest affinities, negated, and their clusters: the highest first, then the lower cluster."""
        pairs = ((-value, other) for other, value in self._affinities[cluster].items())
        return heapq.nsmallest(self._kept, pairs)

    def _score(self, cluster: int) -> float:
        nearest = self._nearest[cluster]
        score = -nearest[0][0]
        if self._local > 1:
            others = sum(-negated for negated, _ in nearest[1 : self._local])
            score += self._weight * (score - others / (self._local - 1))
        return score

    def _join(self, cluster: int, other: int) -> None:
        """Merge two linked clusters; the one with more points keeps its number."""
        large, small = sorted((cluster, other), key=lambda one: -len(self._members[one]))
        crossing = self._join_points(large, small)
        links = self._links[large]
        for third, forth in self._links[small].items():
            if third != large:
                of_third = self._links[third]
                links[third] = links.get(third, 0.0) + forth
                of_third[large] = of_third.get(large, 0.0) + of_third.pop(small)
        del links[small]
        for third, forth in crossing.items():
            links[third] = links.get(third, 0.0) + forth
            self._links[third].setdefault(large, 0.0)
        self._links[small], self._affinities[small], self._nearest[small] = {}, {}, []
        self._version[small] = -1
        self.num_clusters -= 1
        self._refresh(large, small)

    def _join_points(self, large: int, small: int) -> dict[int, float]:
        """Move points; return the links of the union to points of other clusters that neither part had alone."""
        moved = self._members[small]
        for point in moved:
            self._owner[point] = large
        self._members[large].extend(moved)
        self._members[small] = []
        most, least = self._touched[large], self._touched[small]
        for point in moved:
            most.pop(point, None)
        if len(most) < len(least):
            most, least = least, most
        owner, crossing = self._owner, defaultdict[int, float](float)
        for point, links in least.items():
            of = owner[point]
            if of != large:
                before = most.get(point)
                if before is None:
                    most[point] = links
                else:
                    most[point] = before + links
                    crossing[of] += (before * links).imag  # in of one times out of the other, both ways
        self._touched[large], self._touched[small] = most, {}
        return {of: value for of, value in crossing.items() if value > 0}

    def _refresh(self, merged: int, gone: int) -> None:
        """Update the affinities with a merged cluster, at both ends."""
        own, members, links = {}, self._members, self._links
        square = len(members[merged]) ** 2
        for third, forth in links[merged].items():
            value = forth / square + links[third][merged] / len(members[third]) ** 2
            own[third] = value
            row = self._affinities[third]
            row.pop(gone, None)
            row[merged] = value
            self._replace_nearest(third, merged, gone, value)
        self._affinities[merged] = own
        self._nearest[merged] = self._nearest_of(merged)
        self._rank(merged)

    def _replace_nearest(self, cluster: int, merged: int, gone: int, value: float) -> None:
        """Keep a list of a cluster's nearest clusters: all others are farther away than those in it."""
        before, row, entry = self._nearest[cluster], self._affinities[cluster], (-value, merged)
        after = [pair for pair in before if pair[1] != merged and pair[1] != gone]
        if len(after) == len(before) and after and entry > after[-1] and len(after) < len(row) - 1:
            return
        if len(after) >= len(row) - 1 or entry < before[-1]:
            insort(after, entry)
        if len(after) < min(self._local, len(row)):
            after = self._nearest_of(cluster)
        del after[self._kept :]
        self._nearest[cluster] = after
        if after[: self._local] != before[: self._local]:
            self._rank(cluster)

    def _rank(self, cluster: int) -> None:
        self._version[cluster] += 1
        if self._nearest[cluster]:
            heapq.heappush(self._heap, (-self._score(cluster), cluster, self._version[cluster]))


def cluster_links(affinity: csr_array, labels: NDArray[np.int64], count: int) -> csr_array:
    """Return ``(c, c)`` sums 1' W_AB W_BA 1, cluster A in the row and B in the column; the diagonal is empty."""
    reaches, reached = _reach(affinity, labels, count)
    of_point = csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(count, len(labels)))
    links = ((of_point @ reaches.multiply(reached)).T).tocoo()
    apart = (links.row != links.col) & (links.data > 0)
    return csr_array((links.data[apart], (links.row[apart], links.col[apart])), shape=(count, count))


def _reach(affinity: csr_array, labels: NDArray[np.int64], count: int) -> tuple[csr_array, csr_array]:
    """Return the weights ``(n, c)`` of links from each point to each cluster, and from each cluster to each point."""
    members = csr_array((np.ones(len(labels)), (np.arange(len(labels)), labels)), shape=(len(labels), count))
    return csr_array(affinity) @ members, csr_array(affinity.T) @ members


def _touched_points(
    affinity: csr_array, labels: NDArray[np.int64], count: int
) -> tuple[list[dict[int, complex]], list[dict[int, float]]]:
    """Return for each cluster the outside points that it touches, and the sums of ``cluster_links``.

    The weight of links from the cluster to a point is the real part of a complex number, that of links back the
    imaginary part: adding numbers adds both, and the imaginary part of a product holds the cross terms.
    """
    reaches, reached = _reach(affinity, labels, count)
    both = csc_array(reached + 1j * reaches)
    both.sort_indices()
    points, values = both.indices.tolist(), both.data.tolist()
    touched: list[dict[int, complex]] = []
    owner = labels.tolist()
    for cluster, (start, stop) in enumerate(zip(both.indptr[:-1], both.indptr[1:], strict=True)):
        pairs = zip(points[start:stop], values[start:stop], strict=True)
        touched.append({point: value for point, value in pairs if owner[point] != cluster})
    sums = cluster_links(affinity, labels, count).tocoo()
    links: list[dict[int, float]] = [{} for _ in range(count)]
    for cluster, other, value in zip(sums.row.tolist(), sums.col.tolist(), sums.data.tolist(), strict=True):
        links[cluster][other] = value
        links[other].setdefault(cluster, 0.0)
    return touched, links
